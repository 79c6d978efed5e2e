//! Scripts in browsers: whoever is configured may call, and read what it needs; nobody else.

use crate::{
    harness::{Bridge, CHAT, scripted},
    http::Request,
};

const PAGE: &str = "https://app.example";

fn preflight(origin: &str) -> Request {
    Request::new("OPTIONS", "/v1/chat/completions", "")
        .with("origin", origin)
        .with("access-control-request-method", "POST")
        .with(
            "access-control-request-headers",
            "authorization,content-type,x-stainless-lang",
        )
}

async fn open_to(origins: &[&str]) -> Bridge {
    let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
    Bridge::with(|config| config.server.cors_origins = origins).await
}

#[tokio::test]
async fn a_configured_page_may_ask_and_call() {
    for allowed in [PAGE, "*"] {
        let bridge = open_to(&[allowed]).await;
        let answer = bridge.ask(&preflight(PAGE)).await;
        assert_eq!(answer.status(), 204, "{}", answer.text());
        let header = |name| answer.head.header(name).unwrap_or_default().to_owned();
        assert_eq!(header("access-control-allow-origin"), PAGE);
        assert!(header("access-control-allow-methods").contains("POST"));
        assert_eq!(
            header("access-control-allow-headers"),
            "authorization,content-type,x-stainless-lang"
        );
        assert!(answer.head.header("x-request-id").is_some());

        for stream in [false, true] {
            let answer = bridge
                .ask(&scripted("words=2", stream).with("origin", PAGE))
                .await;
            assert_eq!(answer.status(), 200);
            assert_eq!(
                answer.head.header("access-control-allow-origin"),
                Some(PAGE)
            );
            assert_eq!(answer.head.header("vary"), Some("origin"));
            let exposed = answer
                .head
                .header("access-control-expose-headers")
                .unwrap_or_default();
            for name in ["x-request-id", "x-should-retry", "x-foxbridge-task-id"] {
                assert!(exposed.contains(name), "{exposed}");
            }
        }
    }
}

#[tokio::test]
async fn a_page_may_read_its_errors() {
    let bridge = open_to(&[PAGE]).await;
    let request = Request::chat("{}").with("origin", PAGE);
    let answer = bridge.ask(&request).await;
    assert_eq!(answer.status(), 400);
    assert_eq!(
        answer.head.header("access-control-allow-origin"),
        Some(PAGE)
    );
}

#[tokio::test]
async fn other_pages_are_refused_and_told_why() {
    for origins in [&[][..], &[PAGE][..]] {
        let bridge = open_to(origins).await;
        for origin in ["https://evil.example", "https://app.example.evil", "null"] {
            let answer = bridge.ask(&preflight(origin)).await;
            assert_eq!(answer.status(), 403);
            assert!(answer.error().message.contains("server.cors_origins"));
            assert_eq!(answer.head.header("access-control-allow-origin"), None);
            // What is no preflight is served, for only browsers keep to this; but the page may not read it.
            let answer = bridge
                .ask(&Request::chat(CHAT).with("origin", origin))
                .await;
            assert_eq!(
                (
                    answer.status(),
                    answer.head.header("access-control-allow-origin")
                ),
                (200, None)
            );
        }
    }
}

#[tokio::test]
async fn options_without_a_browser_is_no_preflight() {
    let bridge = open_to(&["*"]).await;
    let answer = bridge
        .ask(&Request::new("OPTIONS", "/v1/chat/completions", ""))
        .await;
    assert_eq!(
        (answer.status(), answer.head.header("allow")),
        (405, Some("POST"))
    );
}
