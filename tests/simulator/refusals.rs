//! What is refused, and how; and what is not.

use foxbridge::simulator::{Settings, Simulator};
use serde_json::{Value, json};

use crate::wire::*;

async fn instant() -> Simulator {
    Simulator::start(Settings::instant()).await.unwrap()
}

/// Status, type and code of a refusal.
pub(crate) fn refusal(reply: &Reply) -> (u16, String, Option<String>) {
    let error = &reply.json()["error"];
    assert!(error["message"].is_string(), "{error}");
    let word = |value: &Value| value.as_str().map(str::to_owned);
    (
        reply.status.as_u16(),
        word(&error["type"]).unwrap(),
        word(&error["code"]),
    )
}

#[tokio::test]
async fn invalid_submits_are_refused_and_buy_nothing() {
    let simulator = instant().await;
    let content = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let gpt = |more: Value| with(asking("hello"), more);
    let claude = |more: Value| with(gpt(json!({"model": "claude-opus-4-7"})), more);
    let image = |url: &str| json!([{"type": "image_url", "image_url": {"url": url}}]);
    for (body, code) in [
        (json!({"messages": []}), "invalid_param"),
        (gpt(json!({"model": 5})), "invalid_param"),
        (gpt(json!({"model": "gpt-2"})), "model_not_found"),
        (json!({"model": "gpt-5.5"}), "invalid_param"),
        (gpt(json!({"messages": []})), "invalid_param"),
        (gpt(json!({"messages": "hello"})), "invalid_param"),
        (gpt(json!({"messages": ["hello"]})), "invalid_param"),
        (
            gpt(json!({"messages": [{"content": "hello"}]})),
            "invalid_param",
        ),
        (
            gpt(json!({"messages": [{"role": "boss", "content": "hello"}]})),
            "invalid_param",
        ),
        (
            gpt(json!({"messages": [{"role": "user"}]})),
            "invalid_param",
        ),
        (
            gpt(json!({"messages": [{"role": "tool", "content": "42"}]})),
            "invalid_param",
        ),
        (gpt(content(json!(7))), "invalid_param"),
        (gpt(content(json!([{"text": "hello"}]))), "invalid_param"),
        (
            gpt(content(json!([{"type": "text", "text": 7}]))),
            "invalid_param",
        ),
        (
            gpt(content(
                json!([{"type": "image_url", "image_url": "http://a/b"}]),
            )),
            "invalid_param",
        ),
        (gpt(content(image("ftp://a/b.png"))), "invalid_param"),
        (gpt(content(image("data:image/png,raw"))), "invalid_param"),
        (
            gpt(content(json!([{"type": "input_audio"}]))),
            "model_not_support_capability",
        ),
        (
            gpt(content(
                json!([{"type": "audio_url", "audio_url": {"url": "http://a/b"}}]),
            )),
            "model_not_support_capability",
        ),
        (gpt(json!({"max_tokens": 15})), "invalid_param"),
        (gpt(json!({"max_tokens": "many"})), "invalid_param"),
        (claude(json!({})), "invalid_param"),
        (claude(json!({"max_tokens": null})), "invalid_param"),
        (claude(json!({"max_tokens": 0})), "invalid_param"),
        (gpt(json!({"stream": "yes"})), "invalid_param"),
        (gpt(json!({"temperature": 3})), "invalid_param"),
        (gpt(json!({"top_p": "all"})), "invalid_param"),
        (gpt(json!({"n": 0})), "invalid_param"),
        (gpt(json!({"stop": 7})), "invalid_param"),
        (gpt(json!({"top_logprobs": 2})), "invalid_param"),
        (
            gpt(json!({"logprobs": true, "top_logprobs": 21})),
            "invalid_param",
        ),
        (gpt(json!({"tool_choice": "auto"})), "invalid_param"),
        (
            gpt(json!({"tools": [{"type": "web"}]})),
            "unsupported_advanced_options",
        ),
        (
            gpt(json!({"tools": [{"type": "function", "function": {}}]})),
            "invalid_param",
        ),
        (
            gpt(json!({"response_format": {"type": "xml"}})),
            "invalid_param",
        ),
        (asking("[[fox: color=red]]"), "invalid_param"),
        (asking("[[fox: submit=200]]"), "invalid_param"),
        (asking("[[fox: words=3"), "invalid_param"),
    ] {
        let reply = try_submit(&simulator, &body).await.unwrap();
        let expected = (
            422,
            "invalid_request_error".to_owned(),
            Some(code.to_owned()),
        );
        assert_eq!(refusal(&reply), expected, "{body}: {}", reply.text());
    }
    let journal = simulator.journal();
    assert_eq!((journal.accepted, journal.submits), (0, 38));
}

#[tokio::test]
async fn what_the_contract_allows_is_accepted() {
    let simulator = instant().await;
    let media = |kinds: &[&str]| -> Value {
        let part = |kind: &&str| json!({"type": kind, *kind: {"url": "https://example.com/x"}});
        kinds.iter().map(part).collect()
    };
    let from = |model: &str, content: Value| {
        let messages = json!([{"role": "user", "content": content}]);
        json!({"model": model, "messages": messages, "max_tokens": 64})
    };
    let inline = json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}]);
    for body in [
        with(asking("x"), json!({"max_tokens": 16})),
        with(
            asking("x"),
            json!({"max_tokens": null, "stream": null, "stop": null, "temperature": 0.5}),
        ),
        from(
            "gemini-3-pro-preview",
            media(&["image_url", "video_url", "audio_url", "file_url"]),
        ),
        from("claude-sonnet-4-6", media(&["image_url", "file_url"])),
        from("kimi-k2.6", media(&["image_url"])),
        from("gpt-5.4", inline),
    ] {
        completed(&simulator, &body).await;
    }
    // Numbers that fit no machine type belong to fields that the service may not know.
    let odd = r#"{"model":"gpt-5.5","messages":[{"role":"user","content":"x"}],"huge":1e400,"seed":123456789012345678901}"#;
    let reply = post(SUBMIT, odd).send(&simulator).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn broken_requests_get_the_contracts_errors() {
    let simulator = Simulator::start(Settings {
        max_body: 1_000,
        ..Settings::instant()
    })
    .await
    .unwrap();
    let good = || asking("hello").to_string();
    let typed = |content_type| Call {
        content_type,
        ..post(SUBMIT, good())
    };
    for (call, status, kind) in [
        (post(SUBMIT, "{"), 400, "invalid_request_error"),
        (post(SUBMIT, "[]"), 400, "invalid_request_error"),
        (
            post(SUBMIT, &b"{\"model\":\"\xff\"}"[..]),
            400,
            "invalid_request_error",
        ),
        (typed("text/plain"), 400, "invalid_request_error"),
        (post(SUBMIT, good()).key(""), 401, "authentication_error"),
        (
            post(SUBMIT, good()).key("pk-1"),
            401,
            "authentication_error",
        ),
        (get(SUBMIT), 405, "invalid_request_error"),
        (post("/v1/tasks/x", "{}"), 405, "invalid_request_error"),
        (get("/v1/tasks/task-llm-1-unknown"), 404, "not_found"),
        (
            get("/v1/llm/generations/task-llm-1-unknown/stream"),
            404,
            "not_found",
        ),
        (get("/v1/nothing"), 404, "not_found"),
        (get("/v1/tasks/"), 404, "not_found"),
    ] {
        let what = format!("{} {}", call.method, call.path);
        let reply = call.send(&simulator).await.unwrap();
        assert_eq!(refusal(&reply), (status, kind.to_owned(), None), "{what}");
        assert_eq!(reply.header("allow").is_some(), status == 405, "{what}");
    }
    let utf8 = typed("application/json; charset=utf-8")
        .send(&simulator)
        .await;
    assert_eq!(utf8.unwrap().status, 200);
    let long = post(SUBMIT, asking(&"x".repeat(1_000)).to_string());
    let reply = long.send(&simulator).await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.header("content-type")),
        (413, Some("text/html"))
    );
}

#[tokio::test]
async fn keys_have_their_meanings_on_every_call() {
    let simulator = Simulator::start(Settings {
        refused_keys: vec!["sk-gone".to_owned()],
        ..Settings::instant()
    })
    .await
    .unwrap();
    let calls = || {
        let file = json!({"file_data": "Zm9v"}).to_string();
        [
            post(SUBMIT, asking("hello").to_string()),
            post("/v1/files/upload/base64", file),
            get("/v1/tasks/x"),
            get("/v1/llm/generations/x/stream"),
            get("/v1/configs/llm_generations_models"),
            get("/v1/models"),
        ]
    };
    for (key, status, kind) in [
        ("sk-invalid-1", 401, "authentication_error"),
        ("sk-gone", 401, "authentication_error"),
        ("sk-broke-1", 402, "insufficient_quota"),
        ("sk-limited-1", 429, "rate_limit_error"),
        ("sk-down-1", 503, "service_unavailable"),
    ] {
        for call in calls() {
            let reply = call.key(key).send(&simulator).await.unwrap();
            assert_eq!(refusal(&reply), (status, kind.to_owned(), None));
            assert_eq!(reply.header("retry-after").is_some(), status == 429);
        }
    }
    for call in calls() {
        assert_eq!(
            call.key("sk-unread").send(&simulator).await.unwrap_err(),
            End::Reset
        );
    }
    assert_eq!(simulator.journal().accepted, 0);
}
