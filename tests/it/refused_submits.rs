//! What the upstream says to a submit besides yes: what is bought once is never bought twice, and what is asked of a
//! client is within reason.

use std::time::Duration;

use serde_json::json;

use crate::{
    events::{Events, joined},
    harness::within,
    http::Connection,
    raw_upstream::*,
};

/// More than any clock can count.
const FOREVER: &str = "retry-after: 18446744073709551615\r\n";

fn busy(status: u16, headers: &str) -> Reply {
    json_reply(status, headers, &json!({"error": {"message": "busy"}}))
}

#[tokio::test]
async fn an_absurd_wait_is_no_disaster() {
    for stream in [false, true] {
        for headers in [
            FOREVER,
            "retry-after-ms: 18446744073709551615\r\n",
            "retry-after: -1\r\n",
            "retry-after: Fri, 31 Dec 9999 23:59:59 GMT\r\n",
        ] {
            let script = Script {
                submit: vec![busy(429, headers)],
                ..Script::default()
            };
            let stage = Stage::with(script, |config| config.task.submit_retries = 1).await;
            let answer = stage.ask(&question(stream, json!({}))).await;
            assert_eq!(answer.status(), 429, "{headers}");
            if let Some(seconds) = answer.head.header("retry-after") {
                let seconds: u64 = seconds.parse().unwrap();
                assert!((1..=60).contains(&seconds), "{headers}: {seconds}");
            }
        }
    }
}

#[tokio::test]
async fn an_absurd_wait_before_the_stream_is_no_reason_to_wait() {
    for headers in [FOREVER, "retry-after: 3600\r\n", ""] {
        let script = Script {
            open: vec![busy(503, headers)],
            ..Script::default()
        };
        let stage = Stage::new(script).await;
        let answer = stage.ask(&question(true, json!({}))).await;
        assert_eq!(joined(&Events::chunks(&answer)), "abc", "{headers}");
    }
}

#[tokio::test]
async fn an_absurd_wait_before_the_result_ends_with_the_deadline() {
    for headers in [FOREVER, "retry-after: 3600\r\n"] {
        let script = Script {
            query: vec![busy(429, headers)],
            ..Script::default()
        };
        let stage = Stage::with(script, |config| {
            config.task.deadline = Duration::from_secs(1)
        })
        .await;
        let answer = stage.ask(&question(false, json!({}))).await;
        assert_eq!(answer.status(), 504, "{}", answer.text());
        assert_eq!(answer.head.header("x-should-retry"), Some("false"));
        let failure = answer.error();
        assert_eq!(failure.code.as_deref(), Some("task_unreachable"));
    }
}

#[tokio::test]
async fn a_status_about_time_leaves_the_submit_in_doubt() {
    for (status, becomes, code) in [
        (408, 502, Some("submit_unconfirmed")),
        (425, 502, Some("submit_unconfirmed")),
        (499, 502, Some("submit_unconfirmed")),
        (500, 502, Some("submit_unconfirmed")),
        (204, 502, Some("submit_unconfirmed")),
        (409, 409, None),
    ] {
        for stream in [false, true] {
            let script = Script {
                submit: vec![json_reply(status, "", &json!({"error": {"message": "no"}}))],
                ..Script::default()
            };
            let stage = Stage::with(script, |config| config.task.submit_retries = 3).await;
            let answer = stage.ask(&question(stream, json!({}))).await;
            assert_eq!(answer.status(), becomes, "{status}: {}", answer.text());
            // The official clients send 408, 409 and 5xx again by themselves.
            assert_eq!(
                answer.head.header("x-should-retry"),
                Some("false"),
                "{status}"
            );
            assert_eq!(answer.error().code.as_deref(), code, "{status}");
            assert_eq!(stage.upstream.seen().submits, 1, "{status}");
        }
    }
}

#[tokio::test]
async fn a_redirect_is_neither_followed_nor_repeated() {
    let elsewhere = RawUpstream::start(Script::default()).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: {}/v1/llm/generations\r\n", elsewhere.url());
        let script = Script {
            submit: vec![json_reply(status, &location, &json!({}))],
            ..Script::default()
        };
        let stage = Stage::new(script).await;
        let answer = stage.ask(&question(false, json!({}))).await;
        assert_eq!(answer.status(), 502, "{status}: {}", answer.text());
        assert_eq!(answer.head.header("x-should-retry"), Some("false"));
        assert_eq!(answer.error().code.as_deref(), Some("upstream_redirect"));
        assert_eq!(stage.upstream.seen().submits, 1);
    }
    assert_eq!(elsewhere.seen(), Seen::default());
}

#[tokio::test]
async fn a_stop_ends_whatever_hangs() {
    let hanging = |change: fn(&mut Script)| {
        let mut script = Script::default();
        change(&mut script);
        script
    };
    for (about, stream, script, code) in [
        (
            "submit",
            false,
            hanging(|script| script.submit = vec![hang()]),
            "submit_unconfirmed",
        ),
        (
            "submit",
            true,
            hanging(|script| script.submit = vec![hang()]),
            "submit_unconfirmed",
        ),
        (
            "query",
            false,
            hanging(|script| script.query = vec![hang()]),
            "server_shutting_down",
        ),
        (
            "open",
            true,
            hanging(|script| script.open = vec![hang()]),
            "server_shutting_down",
        ),
        (
            "busy",
            false,
            hanging(|script| script.submit = vec![busy(429, "retry-after: 15\r\n")]),
            "rate_limit_exceeded",
        ),
    ] {
        let mut stage = Stage::with(script, |config| {
            config.server.shutdown_grace = Duration::from_millis(50);
            config.task.submit_retries = 3;
        })
        .await;
        let mut connection = Connection::open(stage.proxy.address).await;
        connection
            .send(&question(stream, json!({})).to_bytes())
            .await;
        stage
            .upstream
            .until("it hangs", |seen| {
                seen.held == 1 || about == "busy" && seen.submits == 1
            })
            .await;
        stage.proxy.ask_to_stop();
        let answer = connection.answer().await;
        assert!(
            answer.text().contains(&format!("\"code\":\"{code}\"")),
            "{about}: {}",
            answer.text()
        );
        assert!(!answer.text().contains("[DONE]"));
        within("the proxy stops", stage.proxy.stopped()).await;
        assert_eq!(stage.upstream.seen().submits, 1, "{about}");
    }
}
