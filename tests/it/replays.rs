//! Streams that were opened again: whatever the second one looks like, the client has every word once, or is told why
//! not.

use serde_json::{Value, json};

use crate::{
    events::{Events, joined},
    harness::{Bridge, scripted},
    raw_upstream::*,
};

const TEXT: &str = "one two three four";

/// Everything that the chunks add up to, choice by choice: text, reasoning, names and arguments of calls, reasons.
fn told(chunks: &[Value]) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for choice in chunks
        .iter()
        .flat_map(|chunk| chunk["choices"].as_array().unwrap())
    {
        let index = choice["index"].as_u64().unwrap() as usize;
        while all.len() <= index {
            all.push(
                json!({"content": "", "reasoning": "", "calls": [], "reason": null, "roles": 0}),
            );
        }
        let one = &mut all[index];
        assert!(one["reason"].is_null(), "finished already: {choice}");
        let delta = &choice["delta"];
        for (name, from) in [("content", "content"), ("reasoning", "reasoning_content")] {
            append(&mut one[name], &delta[from]);
        }
        if delta["role"].is_string() {
            one["roles"] = json!(one["roles"].as_u64().unwrap() + 1);
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let at = call["index"].as_u64().unwrap() as usize;
            let calls = one["calls"].as_array_mut().unwrap();
            while calls.len() <= at {
                calls.push(json!({"name": "", "arguments": ""}));
            }
            append(&mut calls[at]["name"], &call["function"]["name"]);
            append(&mut calls[at]["arguments"], &call["function"]["arguments"]);
        }
        if !choice["finish_reason"].is_null() {
            one["reason"] = choice["finish_reason"].clone();
        }
    }
    all
}

fn append(text: &mut Value, piece: &Value) {
    let piece = piece.as_str().unwrap_or_default();
    *text = json!(text.as_str().unwrap().to_owned() + piece);
}

/// What the client is told of these streams, one after the other, of a task that has completed.
async fn told_of(streams: Vec<Reply>, result: Value) -> Result<Vec<Value>, String> {
    told_with(streams, result, json!({}))
        .await
        .map(|chunks| told(&chunks))
}

async fn told_with(streams: Vec<Reply>, result: Value, more: Value) -> Result<Vec<Value>, String> {
    let script = Script {
        query: vec![completed(result)],
        open: streams,
        ..Script::default()
    };
    let stage = Stage::new(script).await;
    let answer = stage.ask(&question(true, more)).await;
    assert_eq!(stage.upstream.seen().submits, 1);
    if answer.text().contains("[DONE]") {
        Ok(Events::chunks(&answer))
    } else {
        let (_, failure) = Events::failure(&answer);
        Err(failure.code.unwrap())
    }
}

fn plain(content: &str) -> Vec<Value> {
    vec![json!({"content": content, "reasoning": "", "calls": [], "reason": "stop", "roles": 1})]
}

#[tokio::test]
async fn other_boundaries_change_nothing() {
    let all: String = ["a", "b", "c"].map(text).concat();
    for (begun, replay) in [
        (text("a") + &text("b"), text("ab") + &text("c")),
        (text("ab"), text("a") + &text("bc")),
        (text("a"), text("abc")),
        (text("a") + &text("") + &text("b"), text("a") + &text("bc")),
        (text("a"), all.clone()),
        (all.clone() + &finish("stop"), text("abc")),
        (all, text("abc")),
    ] {
        let count = replay.matches("event: ").count() + 1;
        let whole = replay + &finish("stop") + &done(count);
        let told = told_of(vec![events(&begun), events(&whole)], completion("abc")).await;
        assert_eq!(told, Ok(plain("abc")), "{begun}");
    }
}

#[tokio::test]
async fn another_text_is_never_mixed_with_the_first() {
    let begun = text("a") + &text("b");
    for (replay, result, expected) in [
        (["X", "Y", "Z"], "XYZ", Err("stream_incomplete".to_owned())),
        (["a", "X", "Z"], "aXZ", Err("stream_incomplete".to_owned())),
        // The task's own word is what counts.
        (["a", "X", "Z"], "abc", Ok(plain("abc"))),
    ] {
        let told = told_of(
            vec![events(&begun), events(&whole(&replay))],
            completion(result),
        )
        .await;
        assert_eq!(told, expected, "{replay:?}");
    }
}

#[tokio::test]
async fn a_whole_replay_needs_no_result_to_be_believed() {
    // The result has been trimmed, so it could not complete what was told.
    for begun in [
        text("abc "),
        text("a") + &text("b") + &text("c ") + &finish("stop"),
    ] {
        let replay = whole(&["abc "]);
        let told = told_of(vec![events(&begun), events(&replay)], completion("abc")).await;
        assert_eq!(told, Ok(plain("abc ")), "{begun}");
    }
}

/// A chunk was lost just before the finish reason, which a count tells too late.
#[tokio::test]
async fn nothing_is_told_of_a_choice_that_is_finished() {
    let thought = |text: &str| delta(json!({"reasoning_content": text}));
    let whole = [thought("hm, "), thought("yes"), text("a"), text("b")];
    let lost = |at: usize| {
        let mut chunks = whole.to_vec();
        chunks.remove(at);
        events(&(chunks.concat() + &finish("stop") + &done(5)))
    };
    let replay = events(&(whole.concat() + &finish("stop") + &done(5)));
    let told = told_of(vec![lost(1), replay.clone()], completion("ab")).await;
    let told = told.unwrap();
    assert_eq!(
        (&told[0]["content"], &told[0]["reason"]),
        (&json!("ab"), &json!("stop"))
    );
    let told = told_of(vec![lost(3), replay], completion("ab")).await;
    assert_eq!(told, Err("stream_incomplete".to_owned()));
}

#[tokio::test]
async fn usage_behind_a_shorter_replay_is_told() {
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 8, "total_tokens": 15});
    let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5.5",
        "choices": [], "usage": usage});
    let begun = ["a", "b", "c"].map(text).concat() + &finish("stop");
    let replay = text("abc") + &finish("stop") + &format!("data: {chunk}\n\n") + &done(3);
    let more = json!({"stream_options": {"include_usage": true}});
    let chunks = told_with(
        vec![events(&begun), events(&replay)],
        completion("abc"),
        more,
    )
    .await
    .unwrap();
    let usages: Vec<&Value> = chunks
        .iter()
        .filter(|chunk| chunk["usage"].is_object())
        .collect();
    assert_eq!(usages.len(), 1, "{chunks:?}");
    assert_eq!(usages[0]["usage"]["total_tokens"], 15);
    assert_eq!(chunks.last(), usages.last().copied());
}

#[tokio::test]
async fn two_choices_cut_anywhere_and_rechunked() {
    let piece = |index: u64, text: &str| {
        chunk_of(json!([{"index": index, "delta": {"content": text}, "finish_reason": null}]))
    };
    let end =
        |index: u64| chunk_of(json!([{"index": index, "delta": {}, "finish_reason": "stop"}]));
    let chunks = [
        piece(0, "a"),
        piece(1, "x"),
        piece(1, "y"),
        piece(0, "b"),
        end(1),
        piece(0, "c"),
        end(0),
    ];
    let both = |a: &str, x: &str| {
        chunk_of(json!([
            {"index": 1, "delta": {"content": x}, "finish_reason": null},
            {"index": 0, "delta": {"content": a}, "finish_reason": null}
        ]))
    };
    let replays = [
        chunks.concat() + &done(7),
        both("ab", "xy") + &piece(0, "c") + &end(0) + &end(1) + &done(4),
        both("abc", "x") + &both("", "y") + &end(1) + &end(0) + DONE_MARKER,
        piece(1, "xy") + &end(1) + &piece(0, "abc") + &end(0) + &done(4),
    ];
    let result = completion_of(json!([
        {"index": 0, "message": {"role": "assistant", "content": "abc"}, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "content": "xy"}, "finish_reason": "stop"}
    ]));
    let expected = [plain("abc"), plain("xy")].concat();
    for cut in 0..=chunks.len() {
        for replay in &replays {
            let begun = chunks[..cut].concat();
            let streams = vec![events(&begun), events(replay)];
            let chunks = told_with(streams, result.clone(), json!({"n": 2})).await;
            let told = chunks.map(|chunks| told(&chunks));
            assert_eq!(told, Ok(expected.clone()), "{cut}: {replay}");
        }
    }
}

#[tokio::test]
async fn calls_cut_in_the_middle_of_their_arguments() {
    let call = |index: u64, id: Value, name: Value, arguments: &str| {
        delta(
            json!({"tool_calls": [{"index": index, "id": id, "type": "function",
            "function": {"name": name, "arguments": arguments}}]}),
        )
    };
    let more = |index: u64, arguments: &str| {
        delta(json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}))
    };
    let chunks = [
        delta(json!({"reasoning_content": "hm"})),
        delta(json!({"tool_calls": [{"index": 0, "id": "t", "type": "function"}]})),
        delta(json!({"tool_calls": [{"index": 0, "function": {"name": "f"}}]})),
        more(0, "{\"a"),
        more(0, "\":1}"),
        call(1, json!("u"), json!("g"), ""),
        more(1, "{}"),
        finish("tool_calls"),
    ];
    let replays = [
        chunks.concat() + &done(8),
        // Other ids and other boundaries.
        delta(json!({"reasoning_content": "h"}))
            + &delta(json!({"reasoning_content": "m"}))
            + &call(0, json!("t2"), json!("f"), "{\"a\":1}")
            + &call(1, json!("u2"), json!("g"), "{}")
            + &finish("tool_calls")
            + &done(5),
    ];
    let message = json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
        {"id": "u", "type": "function", "function": {"name": "g", "arguments": "{}"}}]});
    let result =
        completion_of(json!([{"index": 0, "message": message, "finish_reason": "tool_calls"}]));
    let expected = vec![
        json!({"content": "", "reasoning": "hm", "reason": "tool_calls", "roles": 1, "calls": [
        {"name": "f", "arguments": "{\"a\":1}"}, {"name": "g", "arguments": "{}"}]}),
    ];
    for cut in 0..=chunks.len() {
        for replay in &replays {
            let streams = vec![events(&chunks[..cut].concat()), events(replay)];
            assert_eq!(
                told_of(streams, result.clone()).await,
                Ok(expected.clone()),
                "{cut}: {replay}"
            );
        }
    }
}

#[tokio::test]
async fn the_simulators_replays_at_every_place() {
    let bridge = Bridge::start().await;
    for model in ["kimi-k2.6", "gpt-5.5"] {
        for replay in ["same", "new-ids", "rechunk", "other-text"] {
            for cut in 0..10 {
                let script =
                    format!(r#"text="{TEXT}" reasoning=3 stream=cut@{cut} replay={replay}"#);
                let request = scripted_for(model, &script);
                let answer = bridge.ask(&request).await;
                if replay == "other-text" && !answer.text().contains("[DONE]") {
                    let (chunks, failure) = Events::failure(&answer);
                    assert_eq!(failure.code.as_deref(), Some("stream_incomplete"));
                    assert!(TEXT.starts_with(&joined(&chunks)), "{script}");
                    continue;
                }
                let told = told(&Events::chunks(&answer));
                let text = told[0]["content"].as_str().unwrap();
                let is_other = replay == "other-text" && text == TEXT.to_uppercase();
                assert!(text == TEXT || is_other, "{model} {script}: {text}");
                assert_eq!(told[0]["roles"], 1, "{model} {script}");
            }
        }
    }
}

fn scripted_for(model: &str, script: &str) -> crate::http::Request {
    let whole = String::from_utf8(scripted(script, true).to_bytes()).unwrap();
    let (_, body) = whole.split_once("\r\n\r\n").unwrap();
    crate::http::Request::chat(body.replace("gpt-5.5", model))
}
