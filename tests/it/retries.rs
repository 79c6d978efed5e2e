//! A request that is sent again finds the task it has bought, and nobody else's.

use std::time::{Duration, Instant};

use crate::{
    events::Events,
    harness::{Bridge, scripted},
    http::Request,
};

/// As the official SDKs mark their second attempt.
pub(crate) fn again(request: Request) -> Request {
    request.with("x-stainless-retry-count", "1")
}

/// Sends a request and leaves once its task exists.
async fn leave(bridge: &Bridge, request: &Request) {
    let before = bridge.journal().accepted;
    let mut connection = bridge.open().await;
    connection.send(&request.to_bytes()).await;
    bridge
        .until("a task", |journal| journal.accepted > before)
        .await;
    drop(connection);
}

/// Sends a request to a bridge that has served none, and leaves while it is being submitted.
pub(crate) async fn leave_during_submit(bridge: &Bridge, request: &Request) {
    let mut connection = bridge.open().await;
    connection.send(&request.to_bytes()).await;
    bridge
        .until("a submit", |journal| journal.submits == 1)
        .await;
    drop(connection);
}

#[tokio::test]
async fn a_retry_waits_for_the_task_that_was_bought() {
    let bridge = Bridge::start().await;
    let request = scripted("text=\"once only\" first-chunk=300ms", false);
    leave(&bridge, &request).await;
    let answer = bridge.ask(&again(request)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert!(answer.text().contains("once only"));
    assert_eq!(answer.head.header("x-foxbridge-found"), Some("true"));
    assert_eq!(bridge.journal().accepted, 1);
}

/// As when a replica has died: the upstream is not asked for all of their tasks in the same moment.
#[tokio::test]
async fn a_crowd_that_comes_again_has_its_tasks_asked_for_in_turn() {
    const CROWD: u32 = 150;
    let bridge = Bridge::start().await;
    for stream in [false, true] {
        let request = scripted("words=3", stream).with("idempotency-key", &format!("{stream}"));
        assert_eq!(bridge.ask(&request).await.status(), 200);
        let (start, submits) = (Instant::now(), bridge.journal().submits);
        let answers = (0..CROWD).map(|_| bridge.ask(&request));
        for answer in futures_util::future::join_all(answers).await {
            assert_eq!(answer.head.header("x-foxbridge-found"), Some("true"));
        }
        // Two milliseconds lie between two turns.
        assert!(start.elapsed() >= 2 * (CROWD - 1) * Duration::from_millis(1));
        assert_eq!(bridge.journal().submits, submits);
    }
}

#[tokio::test]
async fn a_retry_gets_the_stream_from_its_start() {
    let bridge = Bridge::start().await;
    let request = scripted("words=12 chunk-interval=20ms", true);
    let mut connection = bridge.open().await;
    connection.send(&request.to_bytes()).await;
    assert_eq!(connection.head().await.status, 200);
    connection
        .read_until(|text| text.matches("data: ").count() > 3)
        .await;
    drop(connection);
    let answer = bridge.ask(&again(request)).await;
    let events = Events::read(answer.text());
    assert_eq!(
        events.payloads.last().map(String::as_str),
        Some("[DONE]"),
        "{}",
        answer.text()
    );
    assert!(events.payloads[0].contains("\"role\":\"assistant\""));
    assert_eq!(bridge.journal().accepted, 1);
}

#[tokio::test]
async fn a_client_that_leaves_during_the_submit_is_found_too() {
    let bridge = Bridge::start().await;
    let request = scripted("submit-latency=300ms text=kept", false);
    leave_during_submit(&bridge, &request).await;
    let answer = bridge.ask(&again(request)).await;
    assert!(answer.text().contains("kept"), "{}", answer.text());
    assert_eq!(
        (bridge.journal().submits, bridge.journal().accepted),
        (1, 1)
    );
}

#[tokio::test]
async fn equal_requests_are_not_merged() {
    let bridge = Bridge::start().await;
    let request = scripted("words=3", false);
    for _ in 0..2 {
        assert_eq!(bridge.ask(&request).await.status(), 200);
    }
    // What was delivered is not given out again either.
    let answer = bridge.ask(&again(request)).await;
    assert_eq!(answer.head.header("x-foxbridge-found"), None);
    assert_eq!(bridge.journal().accepted, 3);
}

#[tokio::test]
async fn an_idempotency_key_names_one_request() {
    let bridge = Bridge::start().await;
    for stream in [false, true] {
        let key = if stream { "key-s" } else { "key-w" };
        let keyed = |request: Request| request.with("idempotency-key", key);
        let request = || keyed(scripted("words=5", stream));
        let before = bridge.journal().accepted;
        let first = bridge.ask(&request()).await;
        let second = bridge.ask(&request()).await;
        assert_eq!((first.status(), first.text()), (200, second.text()));
        let other = bridge.ask(&keyed(scripted("words=6", stream))).await;
        assert_eq!(other.status(), 422);
        assert_eq!(
            other.error().code.as_deref(),
            Some("idempotency_key_reused")
        );
        assert_eq!(bridge.journal().accepted, before + 1);
    }
    let empty = bridge
        .ask(&scripted("words=1", false).with("idempotency-key", ""))
        .await;
    assert_eq!(empty.status(), 400);
}

#[tokio::test]
async fn callers_who_share_an_upstream_key_share_no_answers() {
    let bridge = Bridge::with(|config| config.upstream.api_key = Some("sk-shared".into())).await;
    let from = |caller: &str, request: Request| {
        request
            .without("authorization")
            .with("authorization", &format!("Bearer {caller}"))
    };
    let request = || scripted("first-chunk=200ms words=4", false);
    leave(&bridge, &from("alice", request())).await;
    let bob = bridge.ask(&again(from("bob", request()))).await;
    assert_eq!(
        (bob.status(), bob.head.header("x-foxbridge-found")),
        (200, None)
    );
    let alice = bridge.ask(&again(from("alice", request()))).await;
    assert_eq!(
        (alice.status(), alice.head.header("x-foxbridge-found")),
        (200, Some("true"))
    );
    assert_eq!(bridge.journal().accepted, 2);
}

#[tokio::test]
async fn what_nobody_knows_is_not_bought_again() {
    let bridge = Bridge::start().await;
    for script in [
        "submit=accept+reset",
        "submit=accept+500",
        "submit=accept+html:502",
    ] {
        let before = bridge.journal().submits;
        let request = || scripted(script, false);
        assert_eq!(bridge.ask(&request()).await.status(), 502, "{script}");
        let answer = bridge.ask(&again(request())).await;
        assert_eq!(answer.status(), 502, "{script}");
        assert_eq!(answer.error().code.as_deref(), Some("submit_unconfirmed"));
        assert_eq!(bridge.journal().submits, before + 1, "{script}");
    }
}

#[tokio::test]
async fn what_was_refused_may_be_bought() {
    let bridge = Bridge::with(|config| config.task.submit_retries = 0).await;
    let request = || scripted("id=again submit=429", false).with("idempotency-key", "k");
    assert_eq!(bridge.ask(&request()).await.status(), 429);
    assert_eq!(bridge.ask(&request()).await.status(), 200);
    assert_eq!(bridge.journal().accepted, 1);
}

#[tokio::test]
async fn many_retries_at_once_buy_one_task() {
    let bridge = Bridge::start().await;
    let request =
        || scripted("submit-latency=100ms words=4", false).with("idempotency-key", "race");
    let requests: Vec<_> = (0..20).map(|_| request()).collect();
    let answers =
        futures_util::future::join_all(requests.iter().map(|request| bridge.ask(request))).await;
    let texts: std::collections::HashSet<&str> =
        answers.iter().map(|answer| answer.text()).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!(bridge.journal().accepted, 1);
    bridge
        .until("nothing in flight", |journal| journal.open_streams == 0)
        .await;
}
