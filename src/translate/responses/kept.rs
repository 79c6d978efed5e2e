//! What is kept of a request, and shown of it: the response before it has an answer, and its input.

use std::{borrow::Cow, collections::HashSet};

use super::tools::shown_tools;
use crate::{
    json::{Raw, RawObject, quote},
    openai::ResponseRequest,
};

/// What a response is called and when it was made.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The task that the request has become.
    pub task: &'a str,
    /// Unix seconds.
    pub created: u64,
    /// Whether it is kept.
    pub is_kept: bool,
}

/// The id of the response that a task answers.
pub fn response_id(task: &str) -> String {
    format!("resp_{task}")
}

/// The task of the item with this id, as `super::output` and [`kept_items`] make them.
pub fn task_of_item(id: &str) -> Option<&str> {
    let (_, rest) = id.split_once('_')?;
    rest.rsplit_once('_').map(|(task, _)| task)
}

/// The response object of a request that has no answer yet: `queued` where it is a background one, else `in_progress`.
/// Everything that the request did not say is null, or what OpenAI says then.
pub fn begun(request: &ResponseRequest, about: &About) -> String {
    let said = |name: &str| request.object.present(name).map_or("null", Raw::get);
    let or = |name: &str, default: &'static str| {
        let member = request.object.present(name);
        member.map_or(default, Raw::get).to_owned()
    };
    let status = match request.background {
        true => "queued",
        false => "in_progress",
    };
    format!(
        concat!(
            r#"{{"id":{id},"object":"response","created_at":{created},"status":"{status}","background":{background},"#,
            r#""completed_at":null,"error":null,"incomplete_details":null,"instructions":{instructions},"#,
            r#""max_output_tokens":{max_output_tokens},"max_tool_calls":{max_tool_calls},"metadata":{metadata},"#,
            r#""model":{model},"output":[],"parallel_tool_calls":{parallel_tool_calls},"#,
            r#""previous_response_id":{previous},"prompt_cache_key":{prompt_cache_key},"reasoning":{reasoning},"#,
            r#""safety_identifier":{safety_identifier},"service_tier":{service_tier},"store":{store},"#,
            r#""temperature":{temperature},"text":{text},"tool_choice":{tool_choice},"tools":{tools},"#,
            r#""top_logprobs":{top_logprobs},"top_p":{top_p},"truncation":{truncation},"usage":null,"user":{user}}}"#
        ),
        id = quote(&response_id(about.task)),
        created = about.created,
        status = status,
        background = request.background,
        instructions = said("instructions"),
        max_output_tokens = said("max_output_tokens"),
        max_tool_calls = said("max_tool_calls"),
        metadata = or("metadata", "{}"),
        model = quote(&request.model),
        parallel_tool_calls = or("parallel_tool_calls", "true"),
        previous = said("previous_response_id"),
        prompt_cache_key = said("prompt_cache_key"),
        reasoning = with_defaults(
            &request.reasoning,
            &[("effort", "null"), ("summary", "null")]
        ),
        safety_identifier = said("safety_identifier"),
        service_tier = said("service_tier"),
        store = about.is_kept,
        temperature = said("temperature"),
        text = with_defaults(&request.text, &[("format", r#"{"type":"text"}"#)]),
        tool_choice = or("tool_choice", "\"auto\""),
        tools = shown_tools(&request.object),
        top_logprobs = said("top_logprobs"),
        top_p = said("top_p"),
        truncation = or("truncation", "\"disabled\""),
        user = said("user"),
    )
}

/// The response with what it has come to, which is an object of the members that change.
pub fn with_outcome(begun: &str, outcome: &str) -> String {
    let changed = RawObject::parse(outcome).unwrap_or_default();
    let begun = RawObject::parse(begun).unwrap_or_default();
    let mut edit = begun.edit();
    for (name, value) in changed.members() {
        if let Some(name) = name.string() {
            edit.set(&name, value.get());
        }
    }
    edit.text()
}

/// At most so many bytes will be kept of a request with a body of this length and these items, before it is answered.
pub fn kept_size(body: usize, items: &[Cow<str>]) -> usize {
    // What is added to each item: an id, a type, a status, a part around its text.
    const ADDED: usize = 220;
    const RESPONSE: usize = 1_200;
    let items = items.iter().map(|item| item.len() + ADDED).sum::<usize>();
    body + items + RESPONSE
}

/// Input items as they are kept and listed: with ids, and messages whose content is parts. A JSON array.
pub fn kept_items(items: &[Cow<str>], task: &str) -> String {
    let mut known = HashSet::new();
    let kept: Vec<String> = items
        .iter()
        .enumerate()
        .filter_map(|(at, item)| {
            let item = RawObject::parse(item).ok()?;
            // By its id an item is found again, so that each needs one of its own.
            let id = item.string("id").filter(|id| !id.is_empty());
            let is_good = id.is_some_and(|id| known.insert(id.into_owned()));
            Some(kept_item(item, is_good, at, task))
        })
        .collect();
    format!("[{}]", kept.join(","))
}

fn kept_item(item: RawObject, has_id: bool, at: usize, task: &str) -> String {
    let kind = item.string("type");
    let kind = kind.as_deref().unwrap_or("message");
    let mut edit = item.edit();
    if !has_id {
        let prefix = match kind {
            "function_call" => "fc",
            "function_call_output" => "fco",
            "custom_tool_call" => "ctc",
            "custom_tool_call_output" => "ctco",
            "reasoning" => "rs",
            _ => "msg",
        };
        edit.set("id", quote(&format!("{prefix}_{task}_in{at}")));
    }
    let status = item.string("status");
    let is_known = matches!(
        status.as_deref(),
        Some("in_progress" | "completed" | "incomplete")
    );
    if !is_known && (kind != "reasoning" || status.is_some()) {
        edit.set("status", "\"completed\"");
    }
    if kind == "message" {
        edit.set("type", "\"message\"");
        edit.set("content", parts(&item));
    }
    if kind == "reasoning" && item.present("summary").is_none() {
        edit.set("summary", "[]");
    }
    edit.text()
}

/// A message's content as parts.
fn parts(message: &RawObject) -> String {
    let is_answer = message.string("role").as_deref() == Some("assistant");
    let text = |text: &str| match is_answer {
        true => format!(r#"{{"type":"output_text","text":{text},"annotations":[]}}"#),
        false => format!(r#"{{"type":"input_text","text":{text}}}"#),
    };
    let Some(content) = message.get("content") else {
        return "[]".to_owned();
    };
    let Some(parts) = content.array() else {
        return format!("[{}]", text(content.get()));
    };
    let parts: Vec<String> = parts
        .into_iter()
        .map(|part| {
            let object = RawObject::of(part).unwrap_or_default();
            let needed = match object.string("type").as_deref() {
                Some("text") => {
                    let mut edit = object.edit();
                    let kind = if is_answer {
                        "output_text"
                    } else {
                        "input_text"
                    };
                    edit.set("type", quote(kind));
                    if is_answer {
                        edit.set("annotations", "[]");
                    }
                    return edit.text();
                }
                Some("input_image") => ("detail", "\"auto\""),
                Some("output_text") => ("annotations", "[]"),
                _ => return part.get().to_owned(),
            };
            with_defaults(&object, &[needed])
        })
        .collect();
    format!("[{}]", parts.join(","))
}

fn with_defaults(object: &RawObject, defaults: &[(&str, &'static str)]) -> String {
    let mut edit = object.edit();
    for (name, value) in defaults {
        if object.get(name).is_none() {
            edit.set(name, *value);
        }
    }
    edit.text()
}
