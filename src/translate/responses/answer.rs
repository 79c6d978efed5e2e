use bytes::Bytes;

use super::{
    output::{Call, Form, Item, Kind, Part, logprobs, outcome},
    usage::usage,
};
use crate::{
    json::{Raw, RawObject},
    translate::{NotACompletion, finish::finish_reason},
};

/// What a response comes to, from a whole `chat.completion`: an object of the members that change. `customs` are the names
/// of the tools that take plain text.
pub(super) fn outcome_of(
    chat: &Bytes,
    task: &str,
    form: Form,
    customs: &[String],
    now: u64,
) -> Result<String, NotACompletion> {
    let text = std::str::from_utf8(chat).map_err(|_| NotACompletion)?;
    let object = RawObject::parse(text).map_err(|_| NotACompletion)?;
    let choices = object.get("choices").and_then(Raw::array);
    let choice = choices
        .and_then(|choices| choices.into_iter().next())
        .and_then(RawObject::of)
        .ok_or(NotACompletion)?;
    let message = choice.object("message").ok_or(NotACompletion)?;
    let finish = finish_reason(choice.get("finish_reason")).unwrap_or("\"stop\"");
    let usage = object.present("usage").map(usage);
    let mut items = Vec::new();
    for kind in kinds(&choice, &message, task, customs) {
        items.push(Item::new(kind, task, items.len()));
    }
    Ok(outcome(&items, form, finish, usage.as_deref(), now))
}

/// What the message says, in the order in which models say it.
fn kinds(choice: &RawObject, message: &RawObject, task: &str, customs: &[String]) -> Vec<Kind> {
    let said = |name: &str| message.string(name).filter(|text| !text.is_empty());
    let mut kinds = Vec::new();
    if let Some(reasoning) = said("reasoning_content") {
        kinds.push(Kind::Reasoning(reasoning.into_owned()));
    }
    let mut parts = Vec::new();
    if let Some(text) = said("content") {
        parts.push(Part {
            is_refusal: false,
            text: text.into_owned(),
            logprobs: logprobs(choice),
        });
    }
    if let Some(text) = said("refusal") {
        parts.push(Part {
            text: text.into_owned(),
            ..Part::new(true)
        });
    }
    let calls = message
        .present("tool_calls")
        .and_then(Raw::array)
        .unwrap_or_default();
    if parts.is_empty() && calls.is_empty() {
        // An answer of no words is an answer all the same.
        parts.push(Part::new(false));
    }
    if !parts.is_empty() {
        kinds.push(Kind::Message(parts));
    }
    for (at, call) in calls.into_iter().filter_map(RawObject::of).enumerate() {
        let function = call.object("function").unwrap_or_default();
        let text = |name: &str| function.string(name).unwrap_or_default().into_owned();
        let id = call.string("id").filter(|id| !id.is_empty());
        let name = text("name");
        kinds.push(Kind::Call(Call {
            is_custom: customs.contains(&name),
            index: at as u64,
            call_id: id.map_or_else(|| call_id(task, at as u64), |id| id.into_owned()),
            name,
            arguments: text("arguments"),
        }));
    }
    kinds
}

/// A name for a call that the upstream gives none.
pub(super) fn call_id(task: &str, index: u64) -> String {
    format!("call_{task}_{index}")
}
