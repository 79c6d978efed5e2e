//! What is answered, and that a stream says exactly what the result says.

use foxbridge::simulator::{Settings, Simulator};
use serde_json::{Value, json};

use crate::wire::*;

async fn instant() -> Simulator {
    Simulator::start(Settings::instant()).await.unwrap()
}

async fn choice(simulator: &Simulator, body: &Value) -> Value {
    completed(simulator, body).await["results"][0]["choices"][0].clone()
}

async fn text(simulator: &Simulator, body: &Value) -> String {
    let choice = choice(simulator, body).await;
    choice["message"]["content"].as_str().unwrap().to_owned()
}

fn weather() -> Value {
    let parameters = json!({
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"enum": ["celsius", "fahrenheit"]},
            "days": {"type": "integer", "minimum": 1}
        },
        "required": ["city", "unit", "days"]
    });
    json!({"type": "function", "function": {"name": "get_weather", "parameters": parameters}})
}

fn clock() -> Value {
    json!({"type": "function", "function": {"name": "read_clock"}})
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
async fn it_says_what_it_understood() {
    let simulator = instant().await;
    let part = |kind: &str| json!({"type": kind, kind: {"url": "https://example.com/x"}});
    let content = json!([
        {"type": "text", "text": "Summarize all"},
        part("image_url"), part("image_url"), part("video_url"), part("video_url"),
        part("audio_url"), part("audio_url"), part("file_url"), part("file_url"),
    ]);
    let body = json!({
        "model": "gemini-3-pro-preview",
        "messages": [
            {"role": "system", "content": "You are terse."},
            {"role": "user", "content": "1+1?"},
            {"role": "assistant", "content": "2"},
            {"role": "user", "content": content},
        ]
    });
    assert_eq!(
        text(&simulator, &body).await,
        "This is the simulated gemini-3-pro-preview. I read 4 messages (1 assistant, 1 system, 2 user). \
         A system prompt is present. You said: “Summarize all” \
         You attached 2 images, 2 videos, 2 audio clips, 2 files."
    );
}

#[tokio::test]
async fn tools_are_called_when_asked_for() {
    let simulator = instant().await;
    let tools = json!([weather(), clock()]);
    let offering =
        |text: &str, more: Value| with(with(asking(text), json!({ "tools": tools })), more);
    let named = json!({"type": "function", "function": {"name": "read_clock"}});
    for (body, called) in [
        (
            offering("What is the weather in Paris?", json!({})),
            vec!["get_weather"],
        ),
        (
            offering("call get_weather and read_clock", json!({})),
            vec!["get_weather", "read_clock"],
        ),
        (
            offering(
                "call get_weather and read_clock",
                json!({"parallel_tool_calls": false}),
            ),
            vec!["get_weather"],
        ),
        (offering("use a tool", json!({})), vec!["get_weather"]),
        (
            offering("hello", json!({"tool_choice": "required"})),
            vec!["get_weather"],
        ),
        (
            offering("the weather", json!({"tool_choice": named})),
            vec!["read_clock"],
        ),
        (
            offering("the weather", json!({"tool_choice": "none"})),
            vec![],
        ),
        (offering("hello", json!({})), vec![]),
    ] {
        let choice = choice(&simulator, &body).await;
        let calls = choice["message"]["tool_calls"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let names: Vec<_> = calls
            .iter()
            .map(|call| call["function"]["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, called, "{body}");
        let expected = if called.is_empty() {
            "stop"
        } else {
            "tool_calls"
        };
        assert_eq!(choice["finish_reason"], expected);
        assert_eq!(choice["message"]["content"].is_null(), !called.is_empty());
    }
    let choice = choice(
        &simulator,
        &offering("What is the weather in Paris?", json!({})),
    )
    .await;
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(call["type"], "function");
    let arguments: Value =
        serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(
        arguments,
        json!({"city": "Paris", "unit": "celsius", "days": 1})
    );

    let after = json!({
        "model": "gpt-5.5",
        "tools": tools,
        "messages": [
            {"role": "user", "content": "What is the weather in Paris?"},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": "sunny, 21 degrees"},
        ]
    });
    let text = text(&simulator, &after).await;
    assert!(
        text.contains("The tool get_weather answered: “sunny, 21 degrees”"),
        "{text}"
    );
}

#[tokio::test]
async fn a_schema_is_answered_with_an_instance() {
    let simulator = instant().await;
    let schema = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}, "score": {"type": "number", "minimum": 2}},
        "required": ["city", "score"],
        "additionalProperties": false
    });
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": schema}});
    let said = text(
        &simulator,
        &with(asking("rate Rome"), json!({"response_format": format})),
    )
    .await;
    let instance: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(instance, json!({"city": "Rome", "score": 2.0}));
    let format = json!({"type": "json_object"});
    let said = text(
        &simulator,
        &with(asking("hi"), json!({"response_format": format})),
    )
    .await;
    let object: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(object["you_said"], "“hi”");
}

#[tokio::test]
async fn text_ends_where_it_is_told_to() {
    let simulator = instant().await;
    for (more, said, finish) in [
        (json!({}), "word1 word2 word3 word4", "stop"),
        (json!({"stop": " word3"}), "word1 word2", "stop"),
        (json!({"stop": ["", "4", "word3"]}), "word1 word2 ", "stop"),
        (
            json!({"model": "kimi-k2.6", "max_tokens": 3}),
            "word1 word2 word3",
            "length",
        ),
        (
            json!({"model": "kimi-k2.6", "max_tokens": 4}),
            "word1 word2 word3 word4",
            "stop",
        ),
    ] {
        let choice = choice(&simulator, &with(asking("[[fox: words=4]]"), more)).await;
        assert_eq!(choice["message"]["content"], said);
        assert_eq!(choice["finish_reason"], finish);
    }
}

#[tokio::test]
async fn log_probabilities_come_with_every_token() {
    let simulator = instant().await;
    let body = with(
        asking("[[fox: words=3]]"),
        json!({"logprobs": true, "top_logprobs": 2}),
    );
    let logprobs = choice(&simulator, &body).await["logprobs"].clone();
    let tokens = logprobs["content"].as_array().unwrap();
    assert_eq!(tokens.len(), 3);
    assert_eq!(tokens[1]["token"], " word2");
    assert_eq!(tokens[1]["bytes"], json!(" word2".as_bytes()));
    let top = tokens[1]["top_logprobs"].as_array().unwrap();
    assert_eq!((top.len(), &top[0]["token"]), (2, &json!(" word2")));
    assert!(top[1]["logprob"].as_f64() < top[0]["logprob"].as_f64());
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

#[tokio::test]
async fn a_seed_repeats_everything() {
    let run = async |seed| {
        let settings = Settings {
            seed,
            ..Settings::instant()
        };
        let simulator = Simulator::start(settings).await.unwrap();
        let first = completed(&simulator, &asking("one")).await;
        let second = submit(&simulator, &streaming("two")).await;
        (
            first,
            second.clone(),
            follow(&simulator, &second).await.body,
        )
    };
    assert_eq!(run(Some(7)).await, run(Some(7)).await);
    assert_ne!(run(Some(7)).await.0["id"], run(Some(8)).await.0["id"]);
    assert_ne!(run(None).await.0["id"], run(None).await.0["id"]);
}
