//! Answers that are not streamed: what travels to the upstream, and what comes back.

use crate::{
    harness::{Bridge, CHAT, scripted},
    http::{KEY, Request},
};

#[tokio::test]
async fn an_answer_is_openais_and_costs_one_task() {
    let bridge = Bridge::start().await;
    let answer = bridge.ask(&Request::chat(CHAT)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.head.header("content-type"), Some("application/json"));
    assert!(answer.head.header("x-request-id").is_some());
    let completion = answer.json();
    assert_eq!(completion["object"], "chat.completion");
    assert_eq!(completion["model"], "gpt-5.5");
    let content = completion["choices"][0]["message"]["content"].as_str();
    assert!(content.unwrap().contains("count 1 to 3"), "{completion}");
    assert!(completion["usage"]["total_tokens"].as_u64().unwrap() > 0);
    let journal = bridge.journal();
    assert_eq!((journal.submits, journal.accepted), (1, 1));
}

#[tokio::test]
async fn a_request_that_needs_no_change_travels_byte_for_byte() {
    let bridge = Bridge::start().await;
    for body in [
        CHAT.to_owned(),
        // White space, order, numbers beyond what a double holds, and escapes are the client's own.
        r#" {"x_future":{"big":123456789012345678901234567890,"tiny":1e-400,"f":1.0,"e":1E2},
            "messages" : [ {"content":"\u0068ello \ud83e\udd8a \/","role":"user","x_note":[null,true]} ],
            "temperature":0.10, "stop":["a","b"], "seed":18446744073709551616,"model":"gpt-5.5" , "max_tokens": 64}"#
            .to_owned(),
        r#"{"stream":false,"model":"gemini-3.1-pro-preview","messages":[{"role":"user","content":"hello"}],"metadata":{"stream":"no","model":"no"}}"#
            .to_owned(),
    ] {
        let answer = bridge.ask(&Request::chat(body.clone())).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(bridge.last_submission(), body);
    }
}

#[tokio::test]
async fn only_what_must_change_changes() {
    let bridge = Bridge::start().await;
    let rest = r#""messages":[{"role":"user","content":"\u0068i"}],"x_big":123456789012345678901234567890"#;
    for (before, after, adjusted) in [
        (
            format!(r#"{{"model":"gpt-5.5","max_tokens":1,{rest}}}"#),
            r#""max_tokens":16"#,
            true,
        ),
        (
            format!(r#"{{"model":"gpt-5.5","max_completion_tokens":5,{rest}}}"#),
            r#""max_tokens":16"#,
            true,
        ),
        (
            format!(r#"{{"model":"gpt-5.5","max_completion_tokens":50,{rest}}}"#),
            r#""max_tokens":50"#,
            false,
        ),
        (
            format!(r#"{{"model":"claude-opus-4-7",{rest}}}"#),
            r#""max_tokens":4096"#,
            true,
        ),
        (
            format!(r#"{{"model":"claude-opus-4-7","max_tokens":1,{rest}}}"#),
            r#""max_tokens":1"#,
            false,
        ),
        (
            format!(r#"{{"model":"kimi-k2.6","max_tokens":1,{rest}}}"#),
            r#""max_tokens":1"#,
            false,
        ),
    ] {
        let answer = bridge.ask(&Request::chat(before.clone())).await;
        assert_eq!(answer.status(), 200, "{before}: {}", answer.text());
        let sent = bridge.last_submission();
        assert!(sent.contains(after), "{before} became {sent}");
        assert!(sent.contains(rest), "{before} became {sent}");
        assert!(!sent.contains("max_completion_tokens"), "{sent}");
        let said = answer.head.header("x-foxbridge-adjusted");
        assert_eq!(said.is_some(), adjusted, "{before}: {said:?}");
        assert!(said.is_none_or(|said| said.contains("max_tokens")));
    }
}

#[tokio::test]
async fn the_callers_key_goes_upstream_unless_one_is_configured() {
    let own = Bridge::start().await;
    own.assert_serves().await;
    let sent = own.journal().requests;
    assert!(sent.len() >= 2, "a submit and a query at least");
    for request in sent {
        assert_eq!(
            request.authorization(),
            Some(format!("Bearer {KEY}").as_str())
        );
    }

    let configured = Bridge::with(|config| {
        config.upstream.api_key = Some("sk-configured".to_owned().into());
    })
    .await;
    configured.assert_serves().await;
    let keyless = Request::chat(CHAT).without("authorization");
    assert_eq!(configured.ask(&keyless).await.status(), 200);
    for request in configured.journal().requests {
        assert_eq!(request.authorization(), Some("Bearer sk-configured"));
    }
}

#[tokio::test]
async fn nothing_of_the_client_but_its_words_goes_upstream() {
    let bridge = Bridge::start().await;
    let request = Request::chat(CHAT)
        .with("Cookie", "session=secret")
        .with("X-Forwarded-For", "10.0.0.7")
        .with("OpenAI-Organization", "org-1")
        .with("Proxy-Authorization", "Basic secret");
    assert_eq!(bridge.ask(&request).await.status(), 200);
    for sent in bridge.journal().requests {
        for private in [
            "cookie",
            "x-forwarded-for",
            "openai-organization",
            "proxy-authorization",
        ] {
            assert!(!sent.headers.contains_key(private), "{private}");
        }
    }
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let bridge = Bridge::start().await;
    let mut connection = bridge.open().await;
    for _ in 0..3 {
        connection.send(&Request::chat(CHAT).to_bytes()).await;
        assert_eq!(connection.answer().await.status(), 200);
        connection
            .send(&Request::get("/v1/nowhere").to_bytes())
            .await;
        assert_eq!(connection.answer().await.status(), 404);
        connection.send(&scripted("words=3", true).to_bytes()).await;
        assert_eq!(connection.answer().await.status(), 200);
    }
    assert_eq!(bridge.journal().accepted, 6);
}
