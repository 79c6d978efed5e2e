//! White space ahead of an answer in one piece, for what lies between and cuts silent connections.

use std::time::Duration;

use foxbridge::config::Config;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    harness::{Bridge, scripted, within},
    http::{Answer, Connection, Ending, Failure},
    raw_upstream::*,
};

fn keep_alive(config: &mut Config) {
    config.server.sync_keepalive = Some(Duration::from_millis(30));
}

/// How much white space comes first, and the JSON behind it.
fn spaces(answer: &Answer) -> (usize, Value) {
    let json = answer.text().trim_start_matches(' ');
    let spaces = answer.text().len() - json.len();
    (spaces, serde_json::from_str(json).unwrap())
}

#[tokio::test]
async fn an_answer_that_takes_long_begins_with_white_space() {
    let bridge = Bridge::with(keep_alive).await;
    let mut connection = bridge.open().await;
    let request = scripted("words=3 queue=400ms", false);
    connection.send(&request.to_bytes()).await;
    let head = connection.head().await;
    assert_eq!(head.status, 200);
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-accel-buffering", "no"),
        ("content-length", ""),
    ] {
        assert_eq!(head.header(name).unwrap_or_default(), value);
    }
    assert!(head.header("x-foxbridge-task-id").is_some());
    let early = connection.read_until(|text| text.len() > 2).await;
    assert_eq!(early.trim(), "", "the task still runs");
    let (rest, ending) = connection.rest().await;
    let body = [early.into_bytes(), rest].concat();
    let answer = Answer { head, body, ending };
    assert_eq!(answer.ending, Ending::Whole);
    let (spaces, json) = spaces(&answer);
    assert!(spaces > 3, "{spaces}");
    assert_eq!(json["object"], "chat.completion");

    // It was delivered, so whoever asks for the same again asks for something new.
    let again = request.with("x-stainless-retry-count", "1");
    let answer = bridge.ask(&again).await;
    assert_eq!(answer.head.header("x-foxbridge-found"), None);
}

#[tokio::test]
async fn an_answer_that_is_soon_there_has_its_length() {
    let bridge = Bridge::with(|config| {
        config.server.sync_keepalive = Some(Duration::from_secs(40));
    })
    .await;
    let answer = bridge.ask(&scripted("words=3", false)).await;
    assert!(answer.text().starts_with('{'));
    assert!(answer.head.header("content-length").is_some());
    let failed = bridge.ask(&scripted("task=failed", false)).await;
    assert_eq!(failed.error().code.as_deref(), Some("provider_error"));
}

#[tokio::test]
async fn a_failure_behind_white_space_is_told_and_breaks_off() {
    let bridge = Bridge::with(|config| {
        keep_alive(config);
        config.task.deadline = Duration::from_millis(900);
    })
    .await;
    for (script, code) in [
        ("queue=300ms task=failed error-code=fell_over", "fell_over"),
        ("task=stuck", "task_deadline_exceeded"),
    ] {
        let request = scripted(script, false);
        let answer = bridge.ask(&request).await;
        assert_eq!(
            (answer.status(), answer.ending),
            (200, Ending::Aborted),
            "{script}"
        );
        let (spaces, json) = spaces(&answer);
        assert!(spaces > 1, "{script}");
        assert_eq!(Failure::read(&json).code.as_deref(), Some(code), "{script}");
    }
    // Sent again it finds its task, which by now fails at once and with a status.
    let request = scripted("queue=300ms task=failed error-code=fell_over", false);
    let again = request.with("x-stainless-retry-count", "1");
    let answer = bridge.ask(&again).await;
    assert_eq!(answer.error().code.as_deref(), Some("fell_over"));
    assert_eq!(answer.status(), 502);
    assert_eq!(bridge.journal().accepted, 2);
}

/// Its body ends with its connection, so one that breaks off would look whole.
#[tokio::test]
async fn http_1_0_gets_a_status_and_no_white_space() {
    let bridge = Bridge::with(keep_alive).await;
    let request = scripted("queue=300ms task=failed", false).to_bytes();
    let request = String::from_utf8(request).unwrap();
    let request = request.replacen("HTTP/1.1", "HTTP/1.0", 1);
    let mut stream = TcpStream::connect(bridge.proxy.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("the end", stream.read_to_string(&mut answer))
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.0 502 "), "{answer}");
    assert!(answer.contains("\r\n\r\n{\"error\""), "{answer}");
}

#[tokio::test]
async fn a_client_that_leaves_amid_white_space_is_noticed() {
    let script = Script {
        query: vec![hang()],
        ..Script::default()
    };
    let stage = Stage::with(script, |config| {
        config.server.sync_keepalive = Some(Duration::from_millis(500));
    })
    .await;
    let mut connection = Connection::open(stage.proxy.address).await;
    let request = question(false, json!({}));
    connection.send(&request.to_bytes()).await;
    assert_eq!(connection.head().await.status, 200);
    drop(connection);
    let upstream = &stage.upstream;
    upstream.until("it is let go", |seen| seen.held == 0).await;
}
