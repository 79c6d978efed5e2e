//! What the upstream refuses or does not answer, before a task is known: a real status, also for streams, and the
//! right advice to the SDKs about trying again.

use std::{net::TcpListener, time::Duration};

use crate::{
    harness::{Bridge, CHAT, Proxy, scripted},
    http::Request,
};

/// Script, status, code, the value of `x-should-retry` (where it matters), tasks accepted.
type Row<'a> = (&'a str, u16, Option<&'a str>, Option<&'a str>, u64);

async fn check(bridge: &Bridge, rows: &[Row<'_>]) {
    for (script, status, code, should_retry, tasks) in rows {
        for stream in [false, true] {
            let before = bridge.journal();
            let answer = bridge.ask(&scripted(script, stream)).await;
            let failure = answer.error();
            let about = format!("{script}, stream {stream}: {failure:?}");
            assert_eq!(answer.status(), *status, "{about}");
            if code.is_some() {
                assert_eq!(failure.code.as_deref(), *code, "{about}");
            }
            assert!(!failure.message.contains('<'), "{about}");
            if should_retry.is_some() {
                let said = answer.head.header("x-should-retry");
                assert_eq!(said, *should_retry, "{about}");
            }
            let after = bridge.journal();
            assert_eq!(after.submits, before.submits + 1, "{about}");
            assert_eq!(after.accepted, before.accepted + tasks, "{about}");
        }
    }
}

#[tokio::test]
async fn a_refusal_keeps_its_meaning() {
    let bridge = Bridge::start().await;
    check(
        &bridge,
        &[
            ("submit=401x*", 401, Some("invalid_api_key"), None, 0),
            (
                "submit=402x*",
                429,
                Some("insufficient_quota"),
                Some("false"),
                0,
            ),
            ("submit=429x*", 429, Some("rate_limit_exceeded"), None, 0),
            ("submit=html:413x*", 413, Some("request_too_large"), None, 0),
            (
                "submit=422:invalid_paramx*",
                422,
                Some("invalid_param"),
                None,
                0,
            ),
            (
                "submit=422:model_not_support_capabilityx*",
                422,
                Some("model_not_support_capability"),
                None,
                0,
            ),
            (
                "submit=422:model_not_foundx*",
                404,
                Some("model_not_found"),
                None,
                0,
            ),
            (
                "submit=422:no_available_modelx*",
                503,
                Some("no_available_model"),
                None,
                0,
            ),
        ],
    )
    .await;
    bridge.assert_serves().await;
}

#[tokio::test]
async fn an_unconfirmed_submit_is_never_sent_again() {
    let bridge = Bridge::start().await;
    let unconfirmed = Some("submit_unconfirmed");
    for reaction in [
        "500",
        "503",
        "html:502",
        "html:504",
        "empty:500",
        "garbage",
        "truncated",
        "close",
        "reset",
    ] {
        let (refused, accepted) = (
            format!("submit={reaction}x*"),
            format!("submit=accept+{reaction}x*"),
        );
        check(
            &bridge,
            &[
                (&refused, 502, unconfirmed, Some("false"), 0),
                (&accepted, 502, unconfirmed, Some("false"), 1),
            ],
        )
        .await;
    }
    bridge.assert_serves().await;
}

#[tokio::test]
async fn a_submit_without_an_answer_ends_in_time() {
    let bridge = Bridge::with(|config| {
        config.upstream.request_timeout = Duration::from_millis(300);
    })
    .await;
    check(
        &bridge,
        &[
            (
                "submit=hangx*",
                502,
                Some("submit_unconfirmed"),
                Some("false"),
                0,
            ),
            (
                "submit=accept+hangx*",
                502,
                Some("submit_unconfirmed"),
                Some("false"),
                1,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_limit_is_waited_out_as_often_as_configured() {
    let bridge = Bridge::with(|config| config.task.submit_retries = 1).await;
    let answer = bridge
        .ask(&scripted("submit=429 retry-after=1", false))
        .await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let journal = bridge.journal();
    assert_eq!((journal.submits, journal.accepted), (2, 1));

    let refused = bridge
        .ask(&scripted("submit=429x2 retry-after=1", true))
        .await;
    assert_eq!(refused.status(), 429, "{}", refused.text());
    assert_eq!(refused.head.header("retry-after"), Some("1"));
    refused.error();
    assert_eq!(bridge.journal().submits, 4);
}

#[tokio::test]
async fn a_missing_key_is_refused_here() {
    let bridge = Bridge::start().await;
    for request in [
        Request::chat(CHAT).without("authorization"),
        Request::chat(CHAT).with("Authorization", ""),
        Request::chat(CHAT).with("Authorization", "Bearer "),
        Request::chat(CHAT).with("Authorization", "Basic dTpw"),
        Request::get("/v1/models").without("authorization"),
    ] {
        let answer = bridge.ask(&request).await;
        assert_eq!(answer.status(), 401, "{}", answer.text());
        assert_eq!(answer.error().code.as_deref(), Some("invalid_api_key"));
    }
    assert_eq!(bridge.journal().requests.len(), 0);
}

#[tokio::test]
async fn an_upstream_that_is_down_is_said_to_be() {
    // A port that was free a moment ago, and on which nobody listens.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let proxy = Proxy::start(&format!("http://{port}"), |_| ()).await;
    for (request, code) in [
        (Request::chat(CHAT), "upstream_unreachable"),
        (scripted("words=3", true), "upstream_unreachable"),
        (Request::get("/v1/models"), "upstream_unavailable"),
    ] {
        let answer = proxy.ask(&request).await;
        assert_eq!(answer.status(), 503, "{}", answer.text());
        assert_eq!(answer.error().code.as_deref(), Some(code));
        // Nothing was bought, so the SDKs may try again.
        assert_ne!(answer.head.header("x-should-retry"), Some("false"));
    }
}
