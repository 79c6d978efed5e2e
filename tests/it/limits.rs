//! More clients than there is room for: whoever is too many is told so at once, and nobody else notices.

use std::time::Duration;

use serde_json::json;

use crate::{
    events::Events,
    harness::{Bridge, CHAT, Proxy, scripted, within},
    http::{Answer, Connection, Request},
    raw_upstream::*,
};

fn assert_overloaded(answer: &Answer) {
    assert_eq!(answer.status(), 503, "{}", answer.text());
    let error = answer.error();
    assert_eq!(error.kind, "server_error");
    assert_eq!(error.code.as_deref(), Some("server_overloaded"));
    // The SDKs send the request again after so many seconds, as nothing was bought.
    assert_eq!(answer.head.header("retry-after"), Some("5"));
    assert_eq!(answer.head.header("x-should-retry"), None);
    assert_eq!(answer.head.header("connection"), Some("close"));
}

/// Asks until there is room; how often there was none.
async fn until_room(proxy: &Proxy) -> usize {
    within("there is room again", async {
        let mut refused = 0;
        loop {
            let answer = proxy.ask(&Request::chat(CHAT)).await;
            if answer.status() != 503 {
                assert_eq!(answer.status(), 200, "{}", answer.text());
                return refused;
            }
            assert_overloaded(&answer);
            refused += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// A request that waits for ever, begun.
async fn stuck(bridge: &Bridge, stream: bool) -> Connection {
    let accepted = bridge.journal().accepted;
    let mut connection = bridge.open().await;
    connection
        .send(&scripted("task=stuck", stream).to_bytes())
        .await;
    bridge
        .until("a task runs", |journal| journal.accepted > accepted)
        .await;
    connection
}

async fn with_room_for(requests: usize) -> Bridge {
    Bridge::with(|config| {
        config.server.max_in_flight = requests;
        config.server.passthrough = vec!["/v1/embeddings".to_owned()];
    })
    .await
}

#[tokio::test]
async fn one_request_too_many_is_refused_at_once_while_the_others_go_on() {
    let bridge = with_room_for(2).await;
    let _waiting = stuck(&bridge, false).await;
    let mut stream = bridge.open().await;
    let script = "words=9 stream=stall@3:2s";
    stream.send(&scripted(script, true).to_bytes()).await;
    let head = stream.head().await;

    for path in ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"] {
        let mut connection = bridge.open().await;
        // The body is not waited for: of ten bytes, none is sent.
        let request = Request::new("POST", path, [b'x'; 10]);
        connection.send(&request.head()).await;
        assert_overloaded(&connection.answer().await);
    }
    assert_eq!(bridge.ask(&Request::get("/v1/models")).await.status(), 200);
    assert_eq!(bridge.ask(&Request::get("/v1/x")).await.status(), 404);

    let (body, ending) = stream.rest().await;
    assert!(Events::chunks(&Answer { head, body, ending }).len() > 3);
    bridge.assert_serves().await;
    assert_eq!(bridge.journal().accepted, 3);
}

#[tokio::test]
async fn a_place_is_free_again_whatever_the_answer_was() {
    let bridge = with_room_for(1).await;
    for (request, status) in [
        (Request::chat(CHAT), 200),
        (scripted("words=9", true), 200),
        (Request::chat("no JSON"), 400),
        (Request::chat(CHAT).without("authorization"), 401),
        (scripted("submit=resetx*", false), 502),
        (scripted("submit=401x*", true), 401),
        (scripted("task=failed", false), 502),
        (scripted("task=failed", true), 200),
        (Request::new("POST", "/v1/embeddings", "{}"), 404),
        (Request::get("/v1/models"), 200),
    ] {
        for _ in 0..2 {
            let answer = bridge.ask(&request).await;
            assert_eq!(answer.status(), status, "{}", answer.text());
        }
    }
    bridge.assert_serves().await;
}

#[tokio::test]
async fn a_client_that_leaves_leaves_its_place() {
    let bridge = with_room_for(1).await;
    for stream in [false, true] {
        let connection = stuck(&bridge, stream).await;
        assert_overloaded(&bridge.ask(&Request::chat(CHAT)).await);
        drop(connection);
        until_room(&bridge.proxy).await;
    }
}

#[tokio::test]
async fn a_submit_that_goes_on_without_its_client_keeps_its_place() {
    let script = Script {
        submit: vec![hang(), accepted()],
        ..Script::default()
    };
    let stage = Stage::with(script, |config| {
        config.server.max_in_flight = 1;
        config.upstream.request_timeout = Duration::from_secs(1);
    })
    .await;
    let mut connection = Connection::open(stage.proxy.address).await;
    connection
        .send(&question(false, json!({})).to_bytes())
        .await;
    let upstream = &stage.upstream;
    upstream.until("it hangs", |seen| seen.held == 1).await;
    drop(connection);
    assert!(until_room(&stage.proxy).await > 0);
    assert_eq!(upstream.seen().held, 0, "the submit was over");
}

#[tokio::test]
async fn whoever_sends_much_gets_to_see_the_refusal() {
    let bridge = with_room_for(1).await;
    let _waiting = stuck(&bridge, false).await;
    let request = Request::chat(vec![b'['; 1 << 20]);
    let mut connection = bridge.open().await;
    connection.send(&request.head()).await;
    let answer = connection.answer().await;
    assert_overloaded(&answer);
    // The refusal is there already, and the connection stands nevertheless until all has been sent.
    for _ in 0..16 {
        connection.send(&[b'['; 1 << 16]).await;
    }
    assert!(connection.until_closed().await.is_empty());
}

/// A client that has got an answer on a connection, and keeps it.
async fn settled(bridge: &Bridge) -> Connection {
    let mut connection = bridge.open().await;
    connection.send(&Request::chat(CHAT).to_bytes()).await;
    assert_eq!(connection.answer().await.status(), 200);
    connection
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_closed() {
    let bridge = Bridge::with(|config| config.server.max_connections = 2).await;
    let mut settled_one = settled(&bridge).await;
    let stuck_one = stuck(&bridge, true).await;
    for request in [Request::chat(CHAT), Request::get("/v1/models")] {
        let mut connection = bridge.open().await;
        connection.send(&request.head()).await;
        assert_overloaded(&connection.answer().await);
        if request.head().starts_with(b"GET") {
            assert!(connection.until_closed().await.is_empty());
        }
    }
    settled_one.send(&Request::chat(CHAT).to_bytes()).await;
    assert_eq!(settled_one.answer().await.status(), 200);
    drop(stuck_one);
    until_room(&bridge.proxy).await;
}

#[tokio::test]
async fn connections_without_end_are_closed_without_a_word() {
    let bridge = Bridge::with(|config| {
        config.server.max_connections = 1;
        config.server.read_timeout = Duration::from_secs(2);
    })
    .await;
    let _stuck = stuck(&bridge, false).await;
    let mut silent = Vec::new();
    for _ in 0..foxbridge::server::SURPLUS_CONNECTIONS {
        silent.push(bridge.open().await);
    }
    assert!(bridge.open().await.until_closed().await.is_empty());
    // Those who say nothing have only so long.
    for mut connection in silent {
        assert!(connection.until_closed().await.is_empty());
    }
    assert_overloaded(&bridge.ask(&Request::chat(CHAT)).await);
}

#[tokio::test]
async fn a_stuck_upstream_stops_nobody_else() {
    let bridge = Bridge::start().await;
    let stuck = ["submit=hang", "query=hang", "open=hang", "task=stuck"];
    let mut waiting = Vec::new();
    for at in 0..200 {
        let request = scripted(stuck[at % stuck.len()], at % stuck.len() == 2);
        let mut connection = bridge.open().await;
        connection.send(&request.to_bytes()).await;
        waiting.push(connection);
    }
    bridge
        .until("all have submitted", |journal| journal.submits == 200)
        .await;
    for _ in 0..5 {
        bridge.assert_serves().await;
        let stream = bridge.ask(&scripted("words=9", true)).await;
        assert!(Events::chunks(&stream).len() > 3);
        assert_eq!(bridge.ask(&Request::get("/v1/models")).await.status(), 200);
    }
}
