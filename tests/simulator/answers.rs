//! What is answered.

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

pub(crate) fn weather() -> Value {
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

pub(crate) fn clock() -> Value {
    json!({"type": "function", "function": {"name": "read_clock"}})
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
    assert_eq!(instance, json!({"city": "Rome", "score": 2}));
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
