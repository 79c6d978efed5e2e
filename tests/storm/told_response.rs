//! What a response of `/v1/responses` told, in one piece or as events.

use serde_json::Value;

use crate::{
    question::Question,
    told::{Failure, Told, ToldChoice, json},
};

/// Reads a whole response.
pub(crate) fn read(question: &Question, response: &Value) -> Told {
    assert_eq!(response["object"], "response");
    assert_eq!(response["model"], question.model);
    assert!(is_named(response, "id"), "{response}");
    let mut told = Told {
        tokens: response["usage"]["output_tokens"].as_u64(),
        ..Told::default()
    };
    let mut choice = ToldChoice::default();
    for item in response["output"].as_array().expect("output") {
        assert!(is_named(item, "id"), "{item}");
        match item["type"].as_str().expect("a type") {
            "reasoning" => choice.reasoning.push_str(text(&item["content"][0], "text")),
            "message" => choice
                .choice
                .text
                .push_str(text(&item["content"][0], "text")),
            "function_call" => {
                assert!(is_named(item, "call_id"), "{item}");
                let call = (
                    text(item, "name").to_owned(),
                    text(item, "arguments").to_owned(),
                );
                choice.choice.calls.push(call);
                choice.begun_calls += 1;
            }
            other => panic!("an item of type {other}"),
        }
    }
    let has_calls = !choice.choice.calls.is_empty();
    choice.choice.reason = match text(response, "status") {
        "completed" if has_calls => "tool_calls",
        "completed" => "stop",
        "incomplete" => "length",
        other => panic!("the status is {other}"),
    }
    .to_owned();
    told.choices.insert(0, choice);
    told
}

/// Reads the events of one: numbered without a gap, each item and part opened once and closed once, and all that the deltas
/// add up to is what the response has in the end.
pub(crate) fn read_stream(question: &Question, body: &str) -> Told {
    let mut so_far = ToldChoice::default();
    let mut opened: Vec<String> = Vec::new();
    let events = events(body);
    let (last, events) = events.split_last().expect("a stream that says something");
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], at as u64, "{event}");
        let delta = text(event, "delta");
        match text(event, "type")
            .strip_prefix("response.")
            .expect("an event of a response")
        {
            "created" | "in_progress" if at < 2 => {}
            // It breaks a silence.
            "in_progress" => {}
            "output_item.added" => {
                assert_eq!(event["output_index"], opened.len() as u64, "{event}");
                opened.push(text(&event["item"], "id").to_owned());
                if event["item"]["type"] == "function_call" {
                    so_far.begun_calls += 1;
                    so_far
                        .choice
                        .calls
                        .push((text(&event["item"], "name").to_owned(), String::new()));
                }
            }
            "reasoning_text.delta" => so_far.reasoning.push_str(delta),
            "output_text.delta" => so_far.choice.text.push_str(delta),
            "function_call_arguments.delta" => {
                so_far
                    .choice
                    .calls
                    .last_mut()
                    .expect("a call")
                    .1
                    .push_str(delta);
            }
            "content_part.added"
            | "content_part.done"
            | "output_text.done"
            | "reasoning_text.done"
            | "function_call_arguments.done"
            | "output_item.done" => {
                let index = event["output_index"].as_u64().expect("an index") as usize;
                assert!(index < opened.len(), "closed, and never opened: {event}");
            }
            other => panic!("an event {other}"),
        }
    }
    assert_eq!(last["sequence_number"], events.len() as u64, "{last}");
    let done = |event: &&Value| event["type"] == "response.output_item.done";
    let closed = events.iter().filter(done).count();
    let mut told = match text(last, "type") {
        "response.completed" | "response.incomplete" => {
            let told = read(question, &last["response"]);
            let whole = &told.choices[&0];
            assert_eq!(
                (&whole.choice.text, &whole.choice.calls),
                (&so_far.choice.text, &so_far.choice.calls)
            );
            assert_eq!(whole.reasoning, so_far.reasoning);
            assert_eq!(closed, opened.len(), "each item is closed");
            return told;
        }
        "response.failed" => Told {
            failure: Some(Failure {
                status: 200,
                code: text(&last["response"]["error"], "type").to_owned(),
            }),
            ..Told::default()
        },
        other => panic!("it ends with {other}"),
    };
    told.choices.insert(0, so_far);
    told
}

/// The data of each event, whose name must be its type. There is nothing else but comments.
fn events(body: &str) -> Vec<Value> {
    let mut events = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        if let Some(event) = rest.strip_prefix("event: ") {
            let (event, after) = event.split_once("\n\n").expect("a whole frame");
            let (name, data) = event.split_once("\ndata: ").expect("data");
            let data = json(data);
            assert_eq!(data["type"], name);
            events.push(data);
            rest = after;
        } else {
            let comment = rest.strip_prefix(": ").expect("a comment");
            (_, rest) = comment.split_once('\n').expect("a whole comment");
        }
    }
    events
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_default()
}

fn is_named(object: &Value, name: &str) -> bool {
    !text(object, name).is_empty()
}
