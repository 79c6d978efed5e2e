//! An upstream that quotes the key that it was called with: the operator's key is told to no client.

use foxbridge::config::Config;
use serde_json::{Value, json};

use crate::{
    http::{Answer, Request},
    raw_upstream::*,
};

const KEY: &str = "sk-operator-91d2e7b4c0";

fn with_key(config: &mut Config) {
    config.upstream.api_key = Some(KEY.to_owned().into());
    config.upstream.models_cache = std::time::Duration::ZERO;
}

/// Every shape in which the upstream says what went wrong.
fn errors() -> Vec<Value> {
    let inner = json!({"error": {"message": "no such key: {key}"}}).to_string();
    vec![
        json!({"error": {"message": "Incorrect key: {key}.", "type": "{key}", "code": "{key}"}}),
        json!({"error": {"message": inner, "code": 7}}),
        json!({"error": {"message": "x", "metadata": {"raw": inner}}}),
        json!({"error": "Bearer {key}"}),
        json!({"message": "{key}{key}"}),
        // Long texts are cut, and a key must not be cut with them.
        json!({"error": {"message": format!("{}{{key}}", "x".repeat(1990))}}),
    ]
}

async fn assert_untold(about: &str, script: Script, request: &Request) -> Answer {
    let stage = Stage::with(script, with_key).await;
    let answer = stage.ask(request).await;
    for secret in [KEY, &KEY[..9], &KEY[3..]] {
        assert!(
            !answer.text().contains(secret),
            "{about}: {}",
            answer.text()
        );
        let told = format!("{:?}", answer.head);
        assert!(!told.contains(secret), "{about}: {told}");
    }
    answer
}

#[tokio::test]
async fn refusals_do_not_tell_it() {
    for error in errors() {
        for status in [400, 401, 402, 403, 409, 413, 422, 429, 500, 503] {
            let reply = quoting(status, &error);
            let submit = Script {
                submit: vec![reply.clone()],
                ..Script::default()
            };
            let question = question(false, json!({}));
            let answer = assert_untold("submit", submit, &question).await;
            assert!(answer.status() >= 400);
            if status < 500 && status != 429 {
                let query = Script {
                    query: vec![reply.clone()],
                    ..Script::default()
                };
                assert_untold("query", query, &question).await;
            }
            let models = Script {
                models: vec![reply.clone()],
                ..Script::default()
            };
            assert_untold("models", models, &Request::get("/v1/models")).await;
        }
    }
}

#[tokio::test]
async fn uploads_do_not_tell_it() {
    let data = "A".repeat(4_000);
    let part =
        json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{data}")}});
    let messages = json!({"messages": [{"role": "user", "content": [part]}]});
    for error in errors() {
        for status in [400, 401, 413, 429, 500] {
            let script = Script {
                upload: vec![quoting(status, &error)],
                ..Script::default()
            };
            let stage = Stage::with(script, |config| {
                with_key(config);
                config.models.inline_max = 1000;
            })
            .await;
            let answer = stage.ask(&question(false, messages.clone())).await;
            assert!(!answer.text().contains(&KEY[..9]), "{}", answer.text());
            assert_eq!(stage.upstream.seen().uploads, 1, "{status}");
            assert_eq!(stage.upstream.seen().submits, 0, "{status}");
        }
    }
}

#[tokio::test]
async fn tasks_and_streams_that_fail_do_not_tell_it() {
    for error in errors() {
        let inner = error.get("error").unwrap_or(&error);
        let failed = quoting(
            200,
            &json!({"id": "task-1", "status": "failed", "error": inner}),
        );
        let event = format!("event: error\ndata: {error}\n\n");
        let in_a_chunk = format!("data: {error}\n\n");
        let beside_a_choice = json!({"error": inner, "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]});
        let beside_a_choice = format!("data: {beside_a_choice}\n\n");
        for stream in [event, in_a_chunk, beside_a_choice] {
            for live in [true, false] {
                let script = Script {
                    query: vec![failed.clone()],
                    open: vec![events(&(text("a") + &stream))],
                    ..Script::default()
                };
                assert_untold("stream", script, &question(live, json!({}))).await;
            }
        }
        let submit = Script {
            submit: vec![failed],
            ..Script::default()
        };
        assert_untold("born failed", submit, &question(true, json!({}))).await;
    }
    // The stream insists and the task says nothing, so that the stream's word is told.
    let event = "event: error\ndata: {\"message\": \"no such key: {key}\"}\n\n";
    let script = Script {
        query: vec![running()],
        open: vec![events(event)],
        ..Script::default()
    };
    let answer = assert_untold("insisting", script, &question(true, json!({}))).await;
    assert!(answer.text().contains("no such key"), "{}", answer.text());
}
