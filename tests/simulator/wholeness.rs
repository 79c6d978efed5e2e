//! A stream says exactly what the result says, and what only one of them says.

use foxbridge::simulator::{Settings, Simulator};
use serde_json::{Value, json};

use crate::{
    answers::{clock, weather},
    wire::*,
};

async fn instant() -> Simulator {
    Simulator::start(Settings::instant()).await.unwrap()
}

/// Puts deltas together the way clients do.
fn assemble(chunks: &[Value]) -> Vec<Value> {
    let mut choices = Vec::new();
    for chunk in chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!(chunk["id"], chunks[0]["id"]);
        for part in chunk["choices"].as_array().unwrap() {
            let index = part["index"].as_u64().unwrap() as usize;
            if index == choices.len() {
                assert_eq!(
                    part["delta"]["role"], "assistant",
                    "the first delta has the role"
                );
                choices.push(json!({"index": index, "logprobs": null}));
            }
            let choice = &mut choices[index];
            assert!(
                choice["finish_reason"].is_null(),
                "nothing comes after the finish"
            );
            for (name, value) in part["delta"].as_object().unwrap() {
                match (value, name.as_str()) {
                    (Value::Array(calls), "tool_calls") => add_calls(&mut choice["message"], calls),
                    (Value::String(more), "content" | "reasoning_content") => {
                        let said = choice["message"][name].as_str().unwrap_or_default();
                        choice["message"][name] = json!(format!("{said}{more}"));
                    }
                    _ => choice["message"][name] = value.clone(),
                }
            }
            if let Some(tokens) = part["logprobs"]["content"].as_array() {
                let logprobs = &mut choice["logprobs"];
                if logprobs.is_null() {
                    *logprobs = json!({"content": [], "refusal": null});
                }
                logprobs["content"]
                    .as_array_mut()
                    .unwrap()
                    .extend(tokens.clone());
            }
            choice["finish_reason"] = part["finish_reason"].clone();
        }
    }
    choices
}

fn add_calls(message: &mut Value, pieces: &[Value]) {
    if message["tool_calls"].is_null() {
        message["tool_calls"] = json!([]);
    }
    let calls = message["tool_calls"].as_array_mut().unwrap();
    for piece in pieces {
        let index = piece["index"].as_u64().unwrap() as usize;
        if index == calls.len() {
            assert!(piece["id"].is_string() && piece["function"]["name"].is_string());
            let mut call = piece.clone();
            call.as_object_mut().unwrap().remove("index");
            calls.push(call);
        } else {
            let arguments = &mut calls[index]["function"]["arguments"];
            let more = piece["function"]["arguments"].as_str().unwrap();
            *arguments = json!(format!("{}{more}", arguments.as_str().unwrap()));
        }
    }
}

#[tokio::test]
async fn a_stream_put_together_is_the_result() {
    let simulator = instant().await;
    let tools = json!([weather(), clock()]);
    let schema = json!({"type": "object", "properties": {"steps": {"type": "array", "items": {"type": "string"}}}});
    for (text, more) in [
        ("hello\n  wörld 🦊", json!({})),
        ("hello", json!({"n": 3})),
        ("[[fox: words=0]]", json!({"logprobs": true})),
        (
            "[[fox: words=7]]",
            json!({"n": 2, "logprobs": true, "top_logprobs": 2}),
        ),
        ("[[fox: words=50]]", json!({"max_tokens": 20})),
        ("[[fox: words=50]]", json!({"stop": ["word9", "word7"]})),
        ("[[fox: text=\"a  b\\n\\n c \"]]", json!({})),
        ("think", json!({"model": "kimi-k2.6"})),
        ("think", json!({"reasoning_effort": "high", "n": 2})),
        (
            "the weather in Paris by the clock",
            json!({ "tools": tools }),
        ),
        (
            "the weather",
            json!({"tools": tools, "n": 2, "model": "kimi-k2.6"}),
        ),
        (
            "a list",
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}),
        ),
        (
            "an object",
            json!({"response_format": {"type": "json_object"}}),
        ),
    ] {
        for replay in ["same", "new-ids", "rechunk"] {
            let marked = format!("{text} [[fox: replay={replay}]]");
            let body = with(
                with(streaming(&marked), json!({"stream": true})),
                more.clone(),
            );
            let task = submit(&simulator, &body).await;
            let result = query(&simulator, &task).await["results"][0].clone();
            let mut lengths = Vec::new();
            for _ in 0..2 {
                let chunks = chunks(&follow(&simulator, &task).await.events());
                let mut choices = assemble(&chunks);
                for choice in &mut choices {
                    choice["message"]
                        .as_object_mut()
                        .unwrap()
                        .remove("reasoning_content");
                }
                assert_eq!(json!(choices), result["choices"], "{body}");
                lengths.push((chunks.len(), chunks[0]["id"] == result["id"]));
            }
            let (first, second) = (lengths[0], lengths[1]);
            assert!(first.1, "the first connection has the answer's id");
            assert_eq!(second.1, replay == "same", "{body}");
            assert!(second.0 < first.0 || replay != "rechunk" || text.contains("words=0"));
        }
    }
}

#[tokio::test]
async fn reasoning_is_only_in_the_stream() {
    let simulator = instant().await;
    for (text, more, reasons) in [
        ("hello", json!({"model": "kimi-k2.6"}), true),
        ("hello", json!({"reasoning_effort": "low"}), true),
        (
            "hello",
            json!({"reasoning_effort": "none", "model": "kimi-k2.6"}),
            false,
        ),
        ("hello", json!({}), false),
        ("[[fox: reasoning=3]]", json!({}), true),
        ("[[fox: reasoning=0]]", json!({"model": "kimi-k2.6"}), false),
    ] {
        let task = submit(&simulator, &with(streaming(text), more.clone())).await;
        let result = query(&simulator, &task).await["results"][0].clone();
        assert!(result["choices"][0]["message"]["reasoning_content"].is_null());
        let details = &result["usage"]["completion_tokens_details"];
        assert_eq!(details["reasoning_tokens"] != 0, reasons, "{text} {more}");
        let chunks = chunks(&follow(&simulator, &task).await.events());
        let reasoning = assemble(&chunks)[0]["message"]["reasoning_content"].clone();
        assert_eq!(reasoning.is_string(), reasons, "{text} {more}");
    }
}

#[tokio::test]
async fn usage_is_streamed_only_when_set_so() {
    let asking_for_usage = |text: &str| {
        with(
            streaming(text),
            json!({"stream_options": {"include_usage": true}}),
        )
    };
    for (setting, text, usage) in [
        (false, "hello", false),
        (true, "hello", true),
        (true, "[[fox: usage-chunk=off]]", false),
        (false, "[[fox: usage-chunk=on]]", true),
    ] {
        let settings = Settings {
            usage_in_stream: setting,
            ..Settings::instant()
        };
        let simulator = Simulator::start(settings).await.unwrap();
        let task = submit(&simulator, &asking_for_usage(text)).await;
        let result = query(&simulator, &task).await["results"][0].clone();
        let chunks = chunks(&follow(&simulator, &task).await.events());
        let (last, before) = chunks.split_last().unwrap();
        assert_eq!(last["choices"] == json!([]), usage, "{setting} {text}");
        if usage {
            assert_eq!(last["usage"], result["usage"]);
        }
        assert!(before.iter().all(|chunk| chunk["usage"].is_null()));
        let plain = submit(&simulator, &streaming(text)).await;
        let events = follow(&simulator, &plain).await;
        assert!(!events.text().contains("\"usage\""));
    }
}
