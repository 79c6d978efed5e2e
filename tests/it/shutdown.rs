//! Stopping: nothing new is taken, what runs is finished within the grace, and the rest is told the truth.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::net::TcpStream;

use crate::{
    events::Events,
    harness::{Bridge, CHAT, scripted, within},
    http::{Answer, Connection, Ending, Head, Request},
    raw_upstream::*,
};

/// Waits until nobody listens any more.
pub(crate) async fn refuses_connections(address: SocketAddr) {
    within("new connections are refused", async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// A stream of which `chunks` have been read, and what was read.
async fn reading(bridge: &Bridge, script: &str, chunks: usize) -> (Connection, Head, String) {
    let mut connection = bridge.open().await;
    connection.send(&scripted(script, true).to_bytes()).await;
    let head = connection.head().await;
    let early = connection
        .read_until(|text| text.matches("data: ").count() >= chunks)
        .await;
    (connection, head, early)
}

async fn whole((mut connection, head, early): (Connection, Head, String)) -> Answer {
    let (rest, ending) = connection.rest().await;
    let body = [early.into_bytes(), rest].concat();
    Answer { head, body, ending }
}

#[tokio::test]
async fn what_runs_is_finished() {
    let mut bridge = Bridge::start().await;
    let stream = reading(&bridge, "words=9 stream=stall@3:2s", 3).await;
    let mut waiting = bridge.open().await;
    waiting.send(&scripted("queue=2s", false).to_bytes()).await;
    bridge
        .until("both tasks run", |journal| journal.accepted == 2)
        .await;

    bridge.proxy.ask_to_stop();
    refuses_connections(bridge.proxy.address).await;
    let (stream, waiting) = tokio::join!(whole(stream), waiting.answer());
    assert!(Events::chunks(&stream).len() > 3);
    assert_eq!(waiting.status(), 200, "{}", waiting.text());
    bridge.proxy.stopped().await;
}

#[tokio::test]
async fn what_cannot_be_finished_is_told_the_truth() {
    let mut bridge = Bridge::with(|config| {
        config.server.shutdown_grace = Duration::from_millis(300);
    })
    .await;
    let stream = reading(&bridge, "words=9 stream=stall@3x* completion-lag=1h", 3).await;
    let mut waiting = bridge.open().await;
    waiting
        .send(&scripted("task=stuck", false).to_bytes())
        .await;
    bridge
        .until("both tasks run", |journal| journal.accepted == 2)
        .await;

    bridge.proxy.ask_to_stop();
    let (stream, waiting) = tokio::join!(whole(stream), waiting.answer());
    let (chunks, failure) = Events::failure(&stream);
    assert!(chunks.len() >= 3);
    assert_eq!(failure.code.as_deref(), Some("server_shutting_down"));
    assert_eq!(stream.ending, Ending::Whole);
    assert_eq!(waiting.status(), 503, "{}", waiting.text());
    assert_eq!(
        waiting.error().code.as_deref(),
        Some("server_shutting_down")
    );
    assert_eq!(waiting.head.header("x-should-retry"), Some("false"));
    bridge.proxy.stopped().await;
    bridge
        .until("the stream is closed", |journal| journal.open_streams == 0)
        .await;
}

#[tokio::test]
async fn whoever_is_idle_holds_nothing_up() {
    let mut bridge = Bridge::with(|config| {
        config.server.shutdown_grace = Duration::from_secs(3600);
    })
    .await;
    let mut used = bridge.open().await;
    used.send(&Request::chat(CHAT).to_bytes()).await;
    assert_eq!(used.answer().await.status(), 200);
    let _untouched = bridge.open().await;
    bridge.proxy.ask_to_stop();
    bridge.proxy.stopped().await;
    refuses_connections(bridge.proxy.address).await;
}

/// The reply names the task that was bought, and whoever sends the request again is to find it.
#[tokio::test]
async fn a_submit_whose_client_has_left_is_waited_for() {
    let limit = Duration::from_secs(1);
    let script = Script {
        submit: vec![hang()],
        ..Script::default()
    };
    let mut stage = Stage::with(script, |config| config.upstream.request_timeout = limit).await;
    let began = Instant::now();
    let mut connection = Connection::open(stage.proxy.address).await;
    connection
        .send(&question(false, json!({})).to_bytes())
        .await;
    let upstream = &stage.upstream;
    upstream.until("it hangs", |seen| seen.held == 1).await;
    drop(connection);
    stage.proxy.ask_to_stop();
    stage.proxy.stopped().await;
    assert!(began.elapsed() >= limit, "{:?}", began.elapsed());
}
