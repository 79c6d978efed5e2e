//! Streams and results that look better than they are: what the client gets is whole, or it is told that it is not.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    events::{Events, joined},
    harness::Bridge,
    http::{Answer, Request},
    raw_upstream::*,
};

const MALFORMED: &str = "event: chunk\ndata: {bad\n\n";

fn script(open: Vec<Reply>) -> Script {
    Script {
        open,
        ..Script::default()
    }
}

async fn streamed(script: Script, more: Value) -> Answer {
    let stage = Stage::with(script, |config| {
        config.stream.idle = Duration::from_millis(300);
    })
    .await;
    let answer = stage.ask(&question(true, more)).await;
    assert_eq!(stage.upstream.seen().submits, 1);
    answer
}

/// The code of the error that a stream ended with, and the text before it.
fn broken_off(answer: &Answer) -> (String, String) {
    let (chunks, failure) = Events::failure(answer);
    assert!(!answer.text().contains("[DONE]"));
    (failure.code.unwrap(), joined(&chunks))
}

#[tokio::test]
async fn a_result_in_place_of_a_stream_that_never_spoke_keeps_everything() {
    let call = json!({"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let message = json!({"role": "assistant", "content": "abc", "reasoning_content": "hm", "tool_calls": [call],
        "function_call": {"name": "g", "arguments": "{}"}, "annotations": [1]});
    let result =
        completion_of(json!([{"index": 0, "message": message, "finish_reason": "tool_calls"}]));
    let role = delta(json!({"role": "assistant", "content": ""}));
    for open in [
        json_reply(503, "", &json!({})),
        events(""),
        silent_after(""),
        hang(),
        events(&role),
    ] {
        let script = Script {
            query: vec![completed(result.clone())],
            ..script(vec![open.clone()])
        };
        let chunks = Events::chunks(&streamed(script, json!({})).await);
        let text = json!(chunks).to_string();
        for part in ["\"abc\"", "\"hm\"", "annotations", "\"g\""] {
            assert_eq!(
                text.matches(part).count(),
                1,
                "{part} after {open:?}: {text}"
            );
        }
        assert_eq!(text.matches("\"role\"").count(), 1, "{open:?}: {text}");
        let call = chunks
            .iter()
            .find_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"][0].as_object())
            .expect("the call");
        assert_eq!(call["index"], 0, "{open:?}");
    }
}

#[tokio::test]
async fn a_hole_is_not_closed_by_a_good_ending() {
    let holed = text("a") + MALFORMED + &text("c") + &finish("stop");
    let not_text = [
        text("a").as_bytes(),
        b"data: {\"x\":\"\xff\xfe\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}]}\n\n",
        text("c").as_bytes(),
        finish("stop").as_bytes(),
    ]
    .concat();
    for ending in [DONE_MARKER, &done(4), "event: done\ndata: {}\n\n", ""] {
        for bytes in [holed.clone().into_bytes(), not_text.clone()] {
            let stream = event_bytes(&[&bytes, ending.as_bytes()].concat());
            let answer = streamed(script(vec![stream]), json!({})).await;
            let expected = ("stream_incomplete".to_owned(), "ac".to_owned());
            assert_eq!(broken_off(&answer), expected, "{ending}");
        }
    }
    // A count that does not miss it proves that it was no part of the answer.
    let harmless = ["a", "b", "c"].map(text).concat() + MALFORMED + &finish("stop") + &done(4);
    let answer = streamed(script(vec![events(&harmless)]), json!({})).await;
    assert_eq!(joined(&Events::chunks(&answer)), "abc");
}

#[tokio::test]
async fn an_end_before_the_end_is_none() {
    let all = ["a", "b", "c"].map(text).concat();
    for stream in [
        done(0),
        DONE_MARKER.to_owned(),
        all.clone() + DONE_MARKER,
        all.clone() + &done(3),
        all.clone() + &finish("stop") + &done(9),
        all.clone() + &finish("") + DONE_MARKER,
        text("a") + "event: error\ndata: {\"message\":\"boom\"}\n\n",
        text("a")
            + "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"error\"}],\"error\":{\"message\":\"boom\"}}\n\n",
    ] {
        let answer = streamed(script(vec![events(&stream)]), json!({})).await;
        let chunks = Events::chunks(&answer);
        assert_eq!(joined(&chunks), "abc", "{stream}");
        let reasons: Vec<&Value> = chunks
            .iter()
            .map(|chunk| &chunk["choices"][0]["finish_reason"])
            .filter(|reason| !reason.is_null())
            .collect();
        assert_eq!(reasons, ["stop"], "{stream}");
    }
}

#[tokio::test]
async fn one_of_two_choices_is_not_the_answer() {
    let result = completion_of(json!([
        {"index": 0, "message": {"role": "assistant", "content": "abc"}, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "content": "xyz"}, "finish_reason": "stop"}
    ]));
    let one = text("abc") + &finish("stop") + DONE_MARKER;
    let script = Script {
        query: vec![completed(result)],
        ..script(vec![events(&one)])
    };
    let answer = streamed(script, json!({"n": 2})).await;
    let chunks = Events::chunks(&answer);
    let second: String = chunks
        .iter()
        .filter(|chunk| chunk["choices"][0]["index"] == 1)
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(second, "xyz", "{chunks:?}");
}

#[tokio::test]
async fn a_result_that_never_comes_is_had_from_the_stream() {
    let no_results = json_reply(
        200,
        "",
        &json!({"id": "task-1", "status": "completed", "progress": 50, "results": null}),
    );
    let script = Script {
        query: vec![no_results],
        ..script(vec![events(&text("a")), events(&whole(&["a", "b", "c"]))])
    };
    let answer = streamed(script, json!({})).await;
    assert_eq!(joined(&Events::chunks(&answer)), "abc");
}

#[tokio::test]
async fn usage_that_only_the_result_has_is_told() {
    let bridge = Bridge::start().await;
    for usage in ["on", "off"] {
        let body = json!({"model": "gpt-5.5", "stream": true, "stream_options": {"include_usage": true},
            "messages": [{"role": "user", "content": format!("x [[fox: words=3 usage-chunk={usage}]]")}]});
        let answer = bridge.ask(&Request::chat(body.to_string())).await;
        let chunks = Events::chunks(&answer);
        let (last, before) = chunks.split_last().unwrap();
        assert_eq!(last["choices"], json!([]), "{usage}");
        assert!(last["usage"]["total_tokens"].is_u64(), "{usage}");
        assert!(
            before.iter().all(|chunk| chunk["usage"].is_null()),
            "{usage}"
        );
    }
}

#[tokio::test]
async fn usage_of_a_task_that_nobody_knows_any_more_is_soon_given_up() {
    let script = Script {
        query: vec![json_reply(404, "", &json!({}))],
        ..Script::default()
    };
    let stage = Stage::with(script, |config| {
        config.task.results_grace = Duration::from_secs(3600);
    })
    .await;
    let more = json!({"stream_options": {"include_usage": true}});
    let answer = stage.ask(&question(true, more)).await;
    assert_eq!(joined(&Events::chunks(&answer)), "abc");
    assert!((2..10).contains(&stage.upstream.seen().queries));
}

#[tokio::test]
async fn answers_in_one_piece_survive_every_fault_of_the_stream_that_is_waited_for() {
    let bridge = Bridge::with(|config| config.stream.idle = Duration::from_millis(200)).await;
    for fault in [
        "",
        "stream=cut@2",
        "stream=cut@6x2",
        "stream=cut@4 replay=rechunk",
        "stream=reset@5 replay=new-ids",
        "stream=end@3x2",
        "stream=error@3",
        "stream=stall@4",
        "stream=beat@4:5ms",
        "stream=lose@4",
        "stream=lose@1",
        "stream=lose@2",
        "stream=lose@2 replay=rechunk",
        "frame=malformed",
        "done=none",
        "done=marker",
        "total=99",
        "open=503,reset",
        "results=null,empty",
        "query=500,reset",
    ] {
        let text = format!("x [[fox: text=\"one two three\" reasoning=3 {fault}]]");
        let body = json!({"model": "kimi-k2.6", "messages": [{"role": "user", "content": text}]});
        let answer = bridge.ask(&Request::chat(body.to_string())).await;
        assert_eq!(answer.status(), 200, "{fault}: {}", answer.text());
        let message = &answer.json()["choices"][0]["message"];
        assert_eq!(message["content"], "one two three", "{fault}");
        let reasoning = message["reasoning_content"].as_str().unwrap_or_default();
        assert_eq!(
            reasoning.split_whitespace().count(),
            3,
            "{fault}: {message}"
        );
    }
}
