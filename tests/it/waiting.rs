//! From an accepted task to its end: polled with patience, bounded by the deadline, never bought again.

use std::time::Duration;

use crate::{
    events::{Events, joined},
    harness::{Bridge, scripted},
    http::Ending,
};

#[tokio::test]
async fn whatever_a_query_meets_the_answer_comes() {
    let bridge = Bridge::start().await;
    let plain = bridge.ask(&scripted("words=6", false)).await.json();
    for script in [
        "words=6 query=500,503,429,html:502",
        "words=6 query=reset,close,garbage,truncated,empty:500",
        "words=6 query=404x2",
        "words=6 status=queued,warming-up,in-progress",
        "words=6 progress=50 status=pending,processing",
        "words=6 results=null,empty,stale",
        "words=6 results-after=100ms",
        "words=6 queue=50ms chunk-interval=5ms completion-lag=50ms",
    ] {
        let before = bridge.journal().accepted;
        let answer = bridge.ask(&scripted(script, false)).await;
        assert_eq!(answer.status(), 200, "{script}: {}", answer.text());
        assert_eq!(
            answer.json()["choices"],
            plain["choices"],
            "{script}: the same words"
        );
        assert_eq!(bridge.journal().accepted, before + 1, "{script}");
    }
}

#[tokio::test]
async fn a_query_without_an_answer_is_given_up_and_asked_again() {
    let bridge = Bridge::with(|config| {
        config.upstream.request_timeout = Duration::from_millis(300);
    })
    .await;
    let answer = bridge.ask(&scripted("query=hang", false)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

#[tokio::test]
async fn a_task_that_ends_badly_is_told_as_it_is() {
    let bridge = Bridge::start().await;
    for (script, code, words) in [
        (
            r#"task=failed error-code=content_blocked error-message=\"not this one\""#,
            "content_blocked",
            "not this one",
        ),
        (
            r#"task=failed error-shape=nested error-message=\"image too large\""#,
            "",
            "image too large",
        ),
        (
            r#"task=failed error-shape=raw error-message=\"image too large\""#,
            "",
            "image too large",
        ),
        ("task=cancelled", "task_cancelled", ""),
        ("results=nullx*", "results_missing", ""),
        ("query=404x*", "task_lost", ""),
    ] {
        let script = script.replace('\\', "");
        let answer = bridge.ask(&scripted(&script, false)).await;
        assert_eq!(answer.status(), 502, "{script}: {}", answer.text());
        assert_eq!(answer.head.header("x-should-retry"), Some("false"));
        let failure = answer.error();
        assert!(failure.message.contains(words), "{script}: {failure:?}");
        assert!(!failure.message.contains('{'), "{script}: {failure:?}");
        if !code.is_empty() {
            assert_eq!(failure.code.as_deref(), Some(code), "{script}");
        }
    }
}

#[tokio::test]
async fn nothing_outlives_the_deadline() {
    let bridge = Bridge::with(|config| config.task.deadline = Duration::from_millis(700)).await;
    for script in ["task=stuck", "queue=1h", "results=nullx*,ok query=hangx*"] {
        let answer = bridge.ask(&scripted(script, false)).await;
        assert_eq!(answer.status(), 504, "{script}: {}", answer.text());
        assert_eq!(answer.head.header("x-should-retry"), Some("false"));
        assert_eq!(
            answer.error().code.as_deref(),
            Some("task_deadline_exceeded"),
            "{script}"
        );
    }
    assert_eq!(bridge.journal().accepted, 3);
}

#[tokio::test]
async fn only_a_retry_that_would_be_known_for_one_is_invited() {
    for (max_age, header, invited) in [
        (3600, ("x-stainless-retry-count", "0"), "true"),
        (3600, ("idempotency-key", "k"), "true"),
        (3600, ("x-unmarked", "0"), "false"),
        // By the time that it came, its task would be forgotten.
        (30, ("x-stainless-retry-count", "0"), "false"),
    ] {
        let bridge = Bridge::with(|config| {
            config.task.deadline = Duration::from_millis(300);
            config.ledger.max_age = Duration::from_secs(max_age);
        })
        .await;
        let request = scripted("task=stuck", false).with(header.0, header.1);
        let answer = bridge.ask(&request).await;
        assert_eq!(answer.status(), 504);
        assert_eq!(
            answer.head.header("x-should-retry"),
            Some(invited),
            "{header:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_at_its_deadline_says_so() {
    let bridge = Bridge::with(|config| {
        config.task.deadline = Duration::from_millis(900);
        config.stream.keepalive = Duration::from_millis(50);
    })
    .await;
    for script in [
        "words=9 task=stuck fail-after=3",
        "words=9 stream=stall@3x* completion-lag=1h",
        "words=9 stream=stall@0x* completion-lag=1h",
        "words=9 frame=heartbeats chunk-interval=10m",
    ] {
        let answer = bridge.ask(&scripted(script, true)).await;
        let (chunks, failure) = Events::failure(&answer);
        assert_eq!(
            failure.code.as_deref(),
            Some("task_deadline_exceeded"),
            "{script}"
        );
        assert_eq!(answer.ending, Ending::Whole, "{script}");
        if script.contains("@3") {
            assert!(!joined(&chunks).is_empty(), "{script}");
        }
    }
    bridge
        .until("no stream stays open", |journal| journal.open_streams == 0)
        .await;
}
