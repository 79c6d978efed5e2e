//! The legacy `POST /v1/completions`: one prompt, one task, and a text for an answer.

use serde_json::{Value, json};

use crate::{
    events::Events,
    harness::{Bridge, PATIENCE},
    http::{Answer, Ending, Request},
};

const TEXT: &str = "naïve fœxes run far away";

/// A request for what the simulator is told to say, with more members.
fn scripted(script: &str, more: Value) -> Request {
    asking(&format!("count 1 to 3 [[fox: {script}]]"), more)
}

fn asking(prompt: &str, more: Value) -> Request {
    let mut body = json!({ "model": "gpt-5.5", "prompt": prompt });
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    Request::new("POST", "/v1/completions", body.to_string())
}

#[tokio::test]
async fn a_prompt_is_one_task_and_its_answer_a_text() {
    let bridge = Bridge::start().await;
    let more = json!({"max_tokens": 20, "stop": "END", "user": "u", "best_of": 1});
    let answer = bridge
        .ask(&scripted(&format!("id=one text=\"{TEXT}\""), more))
        .await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    for name in [
        "x-request-id",
        "x-foxbridge-task-id",
        "openai-processing-ms",
    ] {
        assert!(answer.head.header(name).is_some(), "{name}");
    }
    let completion = answer.json();
    assert_is_text_completion(&completion);
    assert!(completion["usage"]["total_tokens"].is_u64());
    assert_eq!(
        completion["choices"],
        json!([{"index": 0, "text": TEXT, "logprobs": null, "finish_reason": "stop"}])
    );
    assert_eq!(bridge.simulator.accepted("one"), 1);
    let submission: Value = serde_json::from_str(&bridge.last_submission()).unwrap();
    assert_eq!(submission["messages"][0]["role"], "user");
    assert_eq!(submission["stop"], "END");
    assert!(submission.get("prompt").is_none());
}

#[tokio::test]
async fn no_limit_is_added_and_family_rules_hold() {
    let bridge = Bridge::start().await;
    let answer = bridge.ask(&scripted("words=40", json!({}))).await;
    let choice = &answer.json()["choices"][0];
    assert_eq!(choice["finish_reason"], "stop");
    assert_eq!(
        choice["text"].as_str().unwrap().split_whitespace().count(),
        40
    );
    assert!(!bridge.last_submission().contains("max_tokens"));
    let answer = bridge
        .ask(&scripted("words=3", json!({"max_tokens": 1})))
        .await;
    let adjusted = answer.head.header("x-foxbridge-adjusted").unwrap();
    assert!(adjusted.contains("raised from 1 to 16"), "{adjusted}");
}

#[tokio::test]
async fn tokens_are_told_with_their_place_in_the_text() {
    let bridge = Bridge::start().await;
    let script = format!("text=\"{TEXT}\"");
    let more = json!({"n": 2, "best_of": 2, "logprobs": 3});
    let completion = bridge.ask(&scripted(&script, more)).await.json();
    let choices = completion["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 2, "{completion}");
    for (at, choice) in choices.iter().enumerate() {
        assert_eq!(choice["index"], at);
        assert_eq!(choice["text"], TEXT);
        assert_tokens_spell(TEXT, &[choice]);
    }

    let more = json!({"stream": true, "logprobs": 3});
    let script = format!("stream=cut@3 {script}");
    let chunks = chunks(&bridge.ask(&scripted(&script, more)).await);
    let told: Vec<&Value> = choices_of(&chunks, 0)
        .filter(|choice| !choice["logprobs"].is_null())
        .collect();
    assert!(told.len() > 2, "{chunks:?}");
    assert_tokens_spell(TEXT, &told);
}

#[tokio::test]
async fn texts_come_as_they_are_made() {
    let bridge = Bridge::start().await;
    let mut connection = bridge.open().await;
    let request = scripted("words=12 stream=stall@4x*", json!({"stream": true}));
    connection.send(&request.to_bytes()).await;
    let head = connection.head().await;
    assert_eq!(head.status, 200);
    assert_eq!(
        head.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    // The upstream writes nothing more, and all that it has written is here.
    let early = connection
        .read_until(|text| text.matches("\"text_completion\"").count() == 4)
        .await;
    assert!(!early.contains("[DONE]"), "{early}");
    drop(connection);
    bridge
        .until("the stream is closed", |journal| journal.open_streams == 0)
        .await;
}

#[tokio::test]
async fn a_stream_is_whole_however_it_breaks() {
    let bridge = Bridge::with(|config| config.stream.idle = PATIENCE / 300).await;
    for fault in [
        "",
        "stream=cut@1,cut@3+9 replay=new-ids",
        "stream=cut@3x*",
        "stream=stall@3x*",
        "open=404x*",
        "stream-url=null",
    ] {
        let script = format!("text=\"{TEXT}\" {fault}");
        let more = json!({"stream": true, "n": 2});
        let chunks = chunks(&bridge.ask(&scripted(&script, more)).await);
        for index in 0..2 {
            let text: String = choices_of(&chunks, index)
                .map(|choice| choice["text"].as_str().unwrap())
                .collect();
            assert_eq!(text, TEXT, "{fault}");
            let reasons: Vec<&Value> = choices_of(&chunks, index)
                .map(|choice| &choice["finish_reason"])
                .collect();
            let (last, before) = reasons.split_last().unwrap();
            assert_eq!(**last, "stop", "{fault}");
            assert!(before.iter().all(|reason| reason.is_null()), "{fault}");
        }
        for chunk in &chunks {
            assert_eq!(chunk["id"], chunks[0]["id"], "{fault}");
            assert!(chunk.get("usage").is_none(), "{fault}");
        }
    }
    assert_eq!(bridge.journal().accepted, 6);
}

#[tokio::test]
async fn usage_comes_when_it_is_asked_for() {
    let bridge = Bridge::start().await;
    for script in ["words=3 usage-chunk=on", "words=3 usage-chunk=off"] {
        let more = json!({"stream": true, "stream_options": {"include_usage": true}});
        let chunks = chunks(&bridge.ask(&scripted(script, more)).await);
        let (last, before) = chunks.split_last().unwrap();
        assert_eq!(last["choices"], json!([]), "{script}");
        assert!(last["usage"]["total_tokens"].is_u64(), "{script}");
        assert!(before.iter().all(|chunk| chunk["usage"].is_null()));
    }
}

#[tokio::test]
async fn a_task_that_fails_in_mid_stream_ends_with_its_error() {
    let bridge = Bridge::start().await;
    let script = "words=9 task=failed fail-after=4 error-code=provider_error";
    let answer = bridge.ask(&scripted(script, json!({"stream": true}))).await;
    assert_eq!((answer.status(), answer.ending), (200, Ending::Whole));
    let payloads = Events::read(answer.text()).payloads;
    let error: Value = serde_json::from_str(payloads.last().unwrap()).unwrap();
    assert_eq!(error["error"]["code"], "provider_error", "{error}");
    assert!(!answer.text().contains("[DONE]"));
}

#[tokio::test]
async fn what_a_chat_model_cannot_do_is_named_and_costs_nothing() {
    let bridge = Bridge::start().await;
    for (member, param) in [
        (json!({"prompt": ["a", "b"]}), "prompt"),
        (json!({"prompt": [1, 2, 3]}), "prompt"),
        (json!({"prompt": [[1], [2]]}), "prompt"),
        (json!({"prompt": null}), "prompt"),
        (json!({"echo": true}), "echo"),
        (json!({"suffix": "end"}), "suffix"),
        (json!({"best_of": 3}), "best_of"),
        (json!({"logprobs": 9}), "logprobs"),
        (json!({"messages": []}), "messages"),
        (json!({"model": null}), "model"),
        (json!({"stream": "yes"}), "stream"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"stream_options": {}}), "stream_options"),
    ] {
        let failure = bridge.ask(&asking("hello", member)).await.error();
        assert_eq!(failure.kind, "invalid_request_error");
        assert_eq!(failure.param.as_deref(), Some(param), "{failure:?}");
        assert!(failure.message.contains(param), "{failure:?}");
    }
    assert_eq!(bridge.journal().requests.len(), 0);
}

#[tokio::test]
async fn the_upstreams_refusal_is_a_status_also_of_streams() {
    let bridge = Bridge::start().await;
    let answer = bridge
        .ask(&scripted("submit=402", json!({"stream": true})))
        .await;
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.error().code.as_deref(), Some("insufficient_quota"));
}

#[tokio::test]
async fn only_post_is_served_and_only_under_v1() {
    let bridge = Bridge::start().await;
    let answer = bridge.ask(&Request::get("/v1/completions")).await;
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.head.header("allow"), Some("POST"));
    let answer = bridge
        .ask(&Request::new("POST", "/completions", "{}"))
        .await;
    let message = answer.error().message;
    assert!(message.contains("Add /v1"), "{message}");
    assert!(message.contains("POST /v1/completions"), "{message}");
}

/// The chunks of a stream that ended well.
fn chunks(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.ending, Ending::Whole);
    let mut payloads = Events::read(answer.text()).payloads;
    assert_eq!(payloads.pop().as_deref(), Some("[DONE]"));
    let read = |payload: &String| serde_json::from_str(payload).unwrap();
    let chunks: Vec<Value> = payloads.iter().map(read).collect();
    chunks.iter().for_each(assert_is_text_completion);
    chunks
}

/// What openai-python's `Completion` requires.
fn assert_is_text_completion(object: &Value) {
    assert_eq!(object["object"], "text_completion", "{object}");
    assert_eq!(object["model"], "gpt-5.5", "{object}");
    assert!(object["created"].is_u64(), "{object}");
    let id = object["id"].as_str().unwrap();
    assert!(id.starts_with("cmpl-"), "{object}");
    for choice in object["choices"].as_array().unwrap() {
        let mut names: Vec<&String> = choice.as_object().unwrap().keys().collect();
        names.sort_unstable();
        assert_eq!(names, ["finish_reason", "index", "logprobs", "text"]);
        assert!(choice["text"].is_string(), "{object}");
        assert!(choice["index"].is_u64(), "{object}");
    }
}

fn choices_of(chunks: &[Value], index: u64) -> impl Iterator<Item = &Value> {
    chunks
        .iter()
        .flat_map(|chunk| chunk["choices"].as_array().unwrap())
        .filter(move |choice| choice["index"] == index)
}

/// Three alternatives were asked for with each token.
fn assert_tokens_spell(text: &str, choices: &[&Value]) {
    let mut spelled = String::new();
    for choice in choices {
        let list = |name: &str| choice["logprobs"][name].as_array().unwrap();
        for (at, token) in list("tokens").iter().enumerate() {
            assert_eq!(list("text_offset")[at], spelled.chars().count());
            assert!(list("token_logprobs")[at].is_f64());
            assert_eq!(list("top_logprobs")[at].as_object().unwrap().len(), 3);
            spelled.push_str(token.as_str().unwrap());
        }
    }
    assert_eq!(spelled, text);
}
