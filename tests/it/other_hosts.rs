//! The key, and every request, goes to the configured upstream and nowhere else.

use std::{io::ErrorKind, net::TcpListener};

use crate::{
    events::{Events, joined},
    harness::{Bridge, scripted},
};

/// A place where nobody may ever knock.
struct Elsewhere(TcpListener);

impl Elsewhere {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    /// Whoever has connected by now, even for a moment, stands in the queue of the listener.
    fn assert_untouched(&self) {
        let visitor = self.0.accept().map_err(|error| error.kind());
        assert_eq!(visitor.unwrap_err(), ErrorKind::WouldBlock);
    }
}

#[tokio::test]
async fn a_stream_elsewhere_is_not_opened() {
    let bridge = Bridge::start().await;
    let elsewhere = Elsewhere::new();
    let whole = bridge.ask(&scripted("words=6", false)).await.json();
    let own = bridge.simulator.base_url();
    let (host, port) = own.trim_start_matches("http://").split_once(':').unwrap();
    for url in [
        format!("{}/v1/llm/generations/{{id}}/stream", elsewhere.url()),
        format!("//{}/{{id}}", elsewhere.url().trim_start_matches("http://")),
        format!(
            "http://{host}:{port}@{}/{{id}}",
            elsewhere.url().trim_start_matches("http://")
        ),
        format!("https://{host}:{port}/v1/llm/generations/{{id}}/stream"),
        "file:///etc/passwd".to_owned(),
    ] {
        let answer = bridge
            .ask(&scripted(&format!("words=6 stream-url={url}"), true))
            .await;
        // The task is bought and known, so its answer is delivered without that stream.
        let chunks = Events::chunks(&answer);
        assert_eq!(
            whole["choices"][0]["message"]["content"],
            joined(&chunks),
            "{url}"
        );
    }
    elsewhere.assert_untouched();
    assert_eq!(bridge.journal().stream_opens, 0);
}

#[tokio::test]
async fn a_stream_url_on_the_upstream_itself_is_followed() {
    let bridge = Bridge::start().await;
    let own = bridge.simulator.base_url();
    for url in [
        format!("{own}/v1/llm/generations/{{id}}/stream"),
        "/v1/llm/generations/{id}/stream".to_owned(),
    ] {
        let before = bridge.journal().stream_opens;
        let answer = bridge
            .ask(&scripted(&format!("words=6 stream-url={url}"), true))
            .await;
        assert!(!joined(&Events::chunks(&answer)).is_empty());
        assert_eq!(bridge.journal().stream_opens, before + 1, "{url}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let bridge = Bridge::start().await;
    let elsewhere = Elsewhere::new();
    let url = elsewhere.url();

    let submit = bridge
        .ask(&scripted(&format!("submit=redirect:{url}x*"), false))
        .await;
    assert_eq!(submit.status(), 502, "{}", submit.text());
    assert!(!submit.error().message.contains(&url), "{}", submit.text());

    let query = bridge
        .ask(&scripted(&format!("query=redirect:{url},ok"), false))
        .await;
    assert!([200, 502].contains(&query.status()), "{}", query.text());

    let stream = bridge
        .ask(&scripted(&format!("words=6 open=redirect:{url}x*"), true))
        .await;
    assert!(!joined(&Events::chunks(&stream)).is_empty());

    elsewhere.assert_untouched();
}
