//! Tasks whose client has left: let go at once, or followed to their end for the retry that comes for the answer.

use std::time::{Duration, Instant};

use foxbridge::config::Config;
use serde_json::json;

use crate::{
    events::{Events, joined},
    harness::{Bridge, scripted},
    http::{Connection, Request},
    raw_upstream::*,
    retries::{again, leave_during_submit},
};

/// How soon the upstream must notice that nobody waits any more.
const SOON: Duration = Duration::from_secs(2);

fn finish_them(config: &mut Config) {
    config.task.orphan_grace = Some(Duration::from_secs(50));
}

/// Sends a request and leaves once the upstream has seen enough of it.
async fn leave(stage: &Stage, request: &Request, enough: impl Fn(&Seen) -> bool) {
    let mut connection = Connection::open(stage.proxy.address).await;
    connection.send(&request.to_bytes()).await;
    stage.upstream.until("enough", enough).await;
}

#[tokio::test]
async fn whoever_leaves_is_soon_waited_for_no_longer() {
    let polled = Script {
        query: vec![running(), hang()],
        ..Script::default()
    };
    let followed = Script {
        open: vec![silent_after(&text("a"))],
        ..Script::default()
    };
    for (script, stream) in [(polled, false), (followed, true)] {
        let stage = Stage::new(script).await;
        leave(&stage, &question(stream, json!({})), |seen| seen.held == 1).await;
        let left = Instant::now();
        let upstream = &stage.upstream;
        upstream.until("it is let go", |seen| seen.held == 0).await;
        assert!(left.elapsed() < SOON, "{:?}", left.elapsed());
    }
}

#[tokio::test]
async fn a_task_that_is_polled_to_its_end_is_answered_at_the_first_query() {
    let script = Script {
        query: vec![
            running(),
            running(),
            running(),
            completed(completion("abc")),
        ],
        ..Script::default()
    };
    let stage = Stage::with(script, finish_them).await;
    let request = question(false, json!({}));
    leave(&stage, &request, |seen| seen.queries == 1).await;
    let upstream = &stage.upstream;
    upstream.until("its end", |seen| seen.queries == 4).await;

    let answer = stage.ask(&again(request)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.head.header("x-foxbridge-found"), Some("true"));
    let seen = upstream.seen();
    assert_eq!((seen.submits, seen.queries, seen.opens), (1, 5, 0));
}

#[tokio::test]
async fn a_stream_that_is_read_to_its_end_is_replayed_at_once() {
    let script = Script {
        open: vec![silent_after(&text("a")), events(&whole(&["a", "b", "c"]))],
        query: vec![running()],
        ..Script::default()
    };
    let stage = Stage::with(script, |config| {
        finish_them(config);
        config.stream.idle = Duration::from_millis(100);
    })
    .await;
    let request = question(true, json!({}));
    // It is silent, is asked about, and another stream is opened in its place: all of it for nobody.
    leave(&stage, &request, |seen| seen.held == 1).await;
    let upstream = &stage.upstream;
    upstream
        .until("the other stream", |seen| seen.opens == 2)
        .await;
    let before = upstream.seen();

    let answer = stage.ask(&again(request)).await;
    assert_eq!(joined(&Events::chunks(&answer)), "abc");
    let seen = upstream.seen();
    assert_eq!((seen.submits, seen.opens), (1, 3));
    assert_eq!(seen.queries, before.queries);
}

#[tokio::test]
async fn a_client_that_leaves_during_the_submit_leaves_an_orphan_too() {
    let bridge = Bridge::with(finish_them).await;
    let request = scripted("submit-latency=200ms text=kept", false);
    leave_during_submit(&bridge, &request).await;
    bridge
        .until("it is followed", |journal| journal.queries > 0)
        .await;
}

#[tokio::test]
async fn a_retry_waits_beside_whoever_follows_the_orphan() {
    let bridge = Bridge::with(finish_them).await;
    let request = scripted("text=\"once only\" first-chunk=400ms", false);
    let mut connection = bridge.open().await;
    connection.send(&request.to_bytes()).await;
    bridge.until("a query", |journal| journal.queries > 0).await;
    drop(connection);
    let answer = bridge.ask(&again(request)).await;
    assert!(answer.text().contains("once only"), "{}", answer.text());
    assert_eq!(bridge.journal().accepted, 1);
}

#[tokio::test]
async fn orphans_hold_no_stop_up() {
    let mut bridge = Bridge::with(|config| {
        finish_them(config);
        config.server.shutdown_grace = Duration::from_secs(3600);
    })
    .await;
    let mut connection = bridge.open().await;
    let request = scripted("task=stuck", false);
    connection.send(&request.to_bytes()).await;
    bridge.until("a query", |journal| journal.queries > 0).await;
    drop(connection);
    let before = bridge.journal().queries;
    bridge
        .until("it is followed", |journal| journal.queries > before + 5)
        .await;
    bridge.proxy.ask_to_stop();
    bridge.proxy.stopped().await;
}
