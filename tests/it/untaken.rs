//! Clients that leave in the very moment in which they are answered: what was written, and not taken, is found again.

use std::{net::SocketAddr, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::{
    harness::{Bridge, scripted, within},
    http::{Connection, Ending, Request},
    retries::again,
};

/// As the official SDKs mark their first attempt.
fn first(request: Request) -> Request {
    request.with("x-stainless-retry-count", "0")
}

/// Sends a request and leaves with the answer unread: its machine resets the connection.
pub(crate) async fn leave_unread(address: SocketAddr, request: &Request) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&request.to_bytes()).await.unwrap();
    within("an answer", stream.readable()).await.unwrap();
    // All of it is there, or enough of it.
    sleep(Duration::from_millis(5)).await;
}

/// Asks as a retry until the answer comes from the task that was bought before: that somebody has left is heard soon, and no
/// later than a retry comes.
async fn finds(bridge: &Bridge, request: &Request, what: &str) {
    sleep(Duration::from_millis(100)).await;
    let before = bridge.journal().accepted;
    let answer = bridge.ask(&again(request.clone())).await;
    assert_eq!(answer.status(), 200, "{what}: {}", answer.text());
    assert!(matches!(answer.ending, Ending::Whole), "{what}");
    assert_eq!(
        answer.head.header("x-foxbridge-found"),
        Some("true"),
        "{what}"
    );
    assert_eq!(bridge.journal().accepted, before, "{what}");
}

#[tokio::test]
async fn an_answer_that_nobody_has_read_is_found() {
    let bridge = Bridge::start().await;
    for stream in [false, true] {
        for connection in ["keep-alive", "close"] {
            let what = format!("stream {stream}, {connection}");
            let request = first(scripted("words=3", stream)).with("Connection", connection);
            leave_unread(bridge.proxy.address, &request).await;
            finds(&bridge, &request, &what).await;
            // What was taken then is not given out again.
            let before = bridge.journal().accepted;
            let answer = bridge.ask(&again(request)).await;
            assert_eq!(answer.head.header("x-foxbridge-found"), None, "{what}");
            assert_eq!(bridge.journal().accepted, before + 1, "{what}");
        }
    }
}

#[tokio::test]
async fn whoever_reads_the_answer_and_leaves_has_it() {
    let bridge = Bridge::start().await;
    for stream in [false, true] {
        for connection in ["keep-alive", "close"] {
            let what = format!("stream {stream}, {connection}");
            let request = first(scripted("words=3", stream)).with("Connection", connection);
            let answer = bridge.ask(&request).await;
            assert_eq!(answer.status(), 200);
            sleep(Duration::from_millis(100)).await;
            let before = bridge.journal().accepted;
            let other = bridge.ask(&again(request)).await;
            assert_eq!(other.head.header("x-foxbridge-found"), None, "{what}");
            assert_eq!(bridge.journal().accepted, before + 1, "{what}");
        }
    }
}

#[tokio::test]
async fn only_the_last_answer_of_a_connection_can_be_untaken() {
    let bridge = Bridge::start().await;
    let [one, two] = ["text=one", "text=two"].map(|script| first(scripted(script, false)));
    let stream = TcpStream::connect(bridge.proxy.address).await.unwrap();
    let mut connection = Connection::over(stream);
    connection.send(&one.to_bytes()).await;
    assert_eq!(connection.answer().await.status(), 200);
    connection.send(&two.to_bytes()).await;
    bridge.until("both", |journal| journal.accepted == 2).await;
    sleep(Duration::from_millis(50)).await;
    // With the second one unread.
    drop(connection);
    finds(&bridge, &two, "the second").await;
    let answer = bridge.ask(&again(one)).await;
    assert_eq!(answer.head.header("x-foxbridge-found"), None);
}

/// Whoever has closed its end before the answer comes has nothing unread: its machine refuses what comes.
#[tokio::test]
async fn whenever_somebody_leaves_it_has_bought_one_task() {
    const CLIENTS: u64 = 120;
    let bridge = Bridge::start().await;
    for number in 0..CLIENTS {
        let stream = number.is_multiple_of(2);
        let script = format!("id=moment-{number} words=3 submit-latency=20ms");
        let request = first(scripted(&script, stream));
        let mut connection = TcpStream::connect(bridge.proxy.address).await.unwrap();
        connection.write_all(&request.to_bytes()).await.unwrap();
        // From before the answer to behind it.
        sleep(Duration::from_millis(15) + Duration::from_micros(200) * number as u32 / 2).await;
        let mut unread = [0; 1];
        let has_come = connection.try_read(&mut unread).is_ok();
        drop(connection);
        sleep(Duration::from_millis(20)).await;
        let answer = bridge.ask(&again(request)).await;
        assert_eq!(answer.status(), 200, "{number}: {}", answer.text());
        let tasks = bridge.simulator.accepted(&format!("moment-{number}"));
        assert_eq!(tasks, 1, "{number}, has come: {has_come}");
    }
}

/// A client whose answer does not fit into the buffers on the way, and who stops in the middle of it.
#[tokio::test]
async fn an_answer_that_is_not_read_to_its_end_is_found() {
    let bridge = Bridge::start().await;
    let body = json!({
        "model": "gpt-5.5",
        "n": 8,
        "messages": [{ "role": "user", "content": "count [[fox: words=100000]]" }],
    });
    let request = first(Request::chat(body.to_string()));
    let mut stream = TcpStream::connect(bridge.proxy.address).await.unwrap();
    stream.write_all(&request.to_bytes()).await.unwrap();
    let mut part = vec![0; 100_000];
    within("a part", stream.read_exact(&mut part))
        .await
        .unwrap();
    drop(stream);
    finds(&bridge, &request, "a long answer").await;
}

/// A balancer between that reads answers itself has read this one, however its connection ends.
#[tokio::test]
async fn a_balancer_that_says_that_it_reads_has_read_it() {
    let bridge = Bridge::start().await;
    let request = first(scripted("words=3", false)).with("x-forwarded-for", "192.0.2.7");
    leave_unread(bridge.proxy.address, &request).await;
    sleep(Duration::from_millis(100)).await;
    let answer = bridge.ask(&again(request)).await;
    assert_eq!(answer.head.header("x-foxbridge-found"), None);
    assert_eq!(bridge.journal().accepted, 2);
}
