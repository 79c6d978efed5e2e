//! Every endpoint by its contract, and who may use it.

use foxbridge::simulator::{Settings, Simulator};
use serde_json::{Value, json};

use crate::wire::*;

async fn instant() -> Simulator {
    Simulator::start(Settings::instant()).await.unwrap()
}

/// Status, type and code of a refusal.
fn refusal(reply: &Reply) -> (u16, String, Option<String>) {
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
async fn a_submit_is_answered_with_the_task() {
    let simulator = instant().await;
    let task = submit(&simulator, &asking("count 1 to 3")).await;
    let id = task["id"].as_str().unwrap();
    let created = task["created"].as_u64().unwrap();
    assert!(id.starts_with(&format!("task-llm-{created}-")), "{id}");
    assert_eq!(id.rsplit('-').next().unwrap().len(), 8);
    assert_eq!(
        task,
        json!({
            "id": id, "object": "llm.generation.task", "type": "llm", "model": "gpt-5.5", "status": "pending",
            "progress": 0, "created": created, "stream": null, "results": null, "error": null,
            "usage": {"credits_reserved": 1}
        })
    );
    let streamed = submit(&simulator, &streaming("count 1 to 3")).await;
    let id = streamed["id"].as_str().unwrap();
    let path = format!("/v1/llm/generations/{id}/stream");
    assert_eq!(streamed["stream"], json!({ "url": path }));
}

#[tokio::test]
async fn a_completed_task_has_a_whole_chat_completion() {
    let simulator = instant().await;
    let task = completed(&simulator, &asking("count 1 to 3")).await;
    assert_eq!(task["progress"], 100);
    assert_eq!(task["error"], Value::Null);
    let completion = &task["results"][0];
    assert!(completion["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(completion["object"], "chat.completion");
    assert_eq!(completion["created"], task["created"]);
    assert_eq!(completion["model"], "gpt-5.5");
    assert_eq!(
        completion["choices"],
        json!([{
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "This is the simulated gpt-5.5. I read 1 message (1 user). You said: “count 1 to 3”",
                "refusal": null
            },
            "logprobs": null,
            "finish_reason": "stop"
        }])
    );
    let usage = &completion["usage"];
    let count = |name: &str| usage[name].as_u64().unwrap();
    assert_eq!(
        count("total_tokens"),
        count("prompt_tokens") + count("completion_tokens")
    );
    assert!(count("prompt_tokens") > 0 && count("completion_tokens") > 0);
}

#[tokio::test]
async fn a_stream_replays_from_its_first_chunk() {
    let simulator = instant().await;
    let task = submit(&simulator, &streaming("count 1 to 3")).await;
    let first = follow(&simulator, &task).await;
    assert_eq!(first.header("content-type"), Some("text/event-stream"));
    assert_eq!(first.end, End::Proper);
    let events = first.events();
    let (done, sent) = events.split_last().unwrap();
    assert!(sent.iter().all(|event| &*event.event == "chunk"));
    assert_eq!(&*done.event, "done");
    let done: Value = serde_json::from_str(&done.data).unwrap();
    assert_eq!(done, json!({"total_chunks": sent.len()}));
    assert_eq!(follow(&simulator, &task).await.body, first.body);
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

#[tokio::test]
async fn a_task_belongs_to_the_key_that_made_it() {
    let simulator = instant().await;
    let task = submit(&simulator, &streaming("hello")).await;
    for call in [query_of(&task), stream_of(&task)] {
        let reply = call.key("sk-other").send(&simulator).await.unwrap();
        assert_eq!(refusal(&reply), (404, "not_found".to_owned(), None));
    }
    assert_eq!(query(&simulator, &task).await["status"], "completed");
}

#[tokio::test]
async fn a_task_without_stream_cannot_be_followed() {
    let simulator = instant().await;
    let task = submit(&simulator, &asking("hello")).await;
    let path = format!("{SUBMIT}/{}/stream", task["id"].as_str().unwrap());
    let reply = get(path).send(&simulator).await.unwrap();
    assert_eq!(reply.status, 422);
    assert_eq!(reply.json()["error"]["code"], "stream_not_available");
}

#[tokio::test]
async fn models_are_listed_with_their_capabilities() {
    let simulator = instant().await;
    let path = "/v1/configs/llm_generations_models";
    let list = get(path).send(&simulator).await.unwrap().json();
    assert_eq!(list["object"], "list");
    let models = list["data"].as_array().unwrap();
    assert_eq!(models.len(), 8);
    let claude = json!({"id": "claude-opus-4-7", "object": "model", "capabilities": ["text", "vision", "file"]});
    assert!(models.contains(&claude), "{list}");
    let none = get(path).key("sk-nomodels").send(&simulator).await.unwrap();
    assert_eq!(none.json(), json!({"object": "list", "data": []}));
    let catalogue = get("/v1/models").send(&simulator).await.unwrap().json();
    assert!(catalogue["data"].as_array().unwrap().len() > models.len());
    assert_eq!(catalogue["data"][0]["owned_by"], "foxapi");
}

#[tokio::test]
async fn uploads_give_an_address_that_a_message_can_use() {
    let simulator = Simulator::start(Settings {
        max_upload: 1_000,
        ..Settings::instant()
    })
    .await
    .unwrap();
    let upload = |body: Value| post("/v1/files/upload/base64", body.to_string()).send(&simulator);
    let file = json!({"file_data": "data:audio/wav;base64,Zm94Zm94", "file_name": "a.wav"});
    let stored = upload(file).await.unwrap().json();
    assert_eq!(
        (&stored["filename"], &stored["size"]),
        (&json!("a.wav"), &json!(6))
    );
    assert!(stored["id"].is_string() && stored["created"].is_u64());
    let url = stored["url"].as_str().unwrap();
    assert!(url.starts_with("http") && url.ends_with(".wav"), "{url}");
    let audio = json!([{"type": "audio_url", "audio_url": {"url": url}}]);
    let body =
        json!({"model": "gemini-3-pro-preview", "messages": [{"role": "user", "content": audio}]});
    let task = completed(&simulator, &body).await;
    let text = task["results"][0]["choices"][0]["message"]["content"]
        .as_str()
        .unwrap();
    assert!(
        text.ends_with("You wrote no text. You attached 1 audio clip."),
        "{text}"
    );

    assert_eq!(
        upload(json!({"file_data": "Zg=="})).await.unwrap().json()["filename"],
        "file"
    );
    for broken in [
        json!({}),
        json!({"file_data": "§"}),
        json!({"file_data": ""}),
        json!({"file_data": 7}),
    ] {
        let reply = upload(broken).await.unwrap();
        assert_eq!(refusal(&reply).2.as_deref(), Some("invalid_param"));
    }
    let large = upload(json!({"file_data": "AAAA".repeat(400)}))
        .await
        .unwrap();
    assert_eq!(
        (large.status.as_u16(), large.header("content-type")),
        (413, Some("text/html"))
    );
    // "[[fox: id=f upload=503,html:413]]"
    let scripted = || upload(json!({"file_data": "W1tmb3g6IGlkPWYgdXBsb2FkPTUwMyxodG1sOjQxM11d"}));
    let mut met = Vec::new();
    for _ in 0..3 {
        met.push(scripted().await.unwrap().status.as_u16());
    }
    assert_eq!(met, [503, 413, 200]);
    assert_eq!(simulator.journal().uploads, 10);
}
