use std::{borrow::Cow, collections::HashSet};

use bytes::Bytes;

use super::{
    messages::{Messages, kind},
    tools::tools,
};
use crate::{
    json::{self, Raw, RawObject, quote},
    openai::{Input, RequestFault, ResponseRequest},
};

/// What a chat has no words for, or other words.
const NOT_OF_CHATS: [&str; 16] = [
    "input",
    "instructions",
    "previous_response_id",
    "store",
    "background",
    "include",
    "truncation",
    "text",
    "reasoning",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "tools",
    "tool_choice",
    "stream_options",
    // What Codex notes for OpenAI, which is nobody else's business.
    "client_metadata",
];

/// The chat that a request asks for.
#[derive(Debug)]
pub struct Chat {
    /// A body of `/v1/chat/completions`.
    pub body: Bytes,
    /// Where the client wrote the content of each message.
    places: Vec<String>,
}

/// The items of a request's own input, each as JSON text; references to other items are replaced by what they refer to.
///
/// `find` gives the item of an id, of those that are kept. What is referred to may take `most` bytes, since a short reference
/// can stand for a long item.
pub fn input_items<'a>(
    request: &ResponseRequest<'a>,
    most: usize,
    mut find: impl FnMut(&str) -> Option<String>,
) -> Result<Vec<Cow<'a, str>>, RequestFault> {
    let mut left = most;
    let mut known = HashSet::new();
    let items = match &request.input {
        Input::Text(text) => {
            let message = format!(
                r#"{{"type":"message","role":"user","content":[{{"type":"input_text","text":{}}}]}}"#,
                text.get()
            );
            return Ok(vec![Cow::Owned(message)]);
        }
        Input::Items(items) => items,
    };
    items
        .iter()
        .enumerate()
        .map(|(at, item)| {
            let place = format!("input[{at}]");
            let object = RawObject::of(*item)
                .ok_or_else(|| RequestFault::wrong_type(&place, "an object", json::kind(*item)))?;
            if kind(&place, &object)? != "item_reference" {
                return Ok(Cow::Borrowed(item.get()));
            }
            let id = object.string("id").unwrap_or_default();
            if !known.insert(id.clone()) {
                return Err(RequestFault::invalid_value(
                    format!("{place}.id"),
                    format!("Duplicate item: '{place}' refers to the same item as one before it. Refer to it once."),
                ));
            }
            let found = find(&id);
            if let Some(item) = &found {
                left = left.checked_sub(item.len()).ok_or_else(|| {
                    RequestFault::invalid_value(
                        format!("{place}.id"),
                        format!("The items that 'input' refers to are longer than {most} bytes. Refer to fewer."),
                    )
                })?;
            }
            found.map(Cow::Owned).ok_or_else(|| {
                RequestFault {
                code: Some("item_not_found"),
                ..RequestFault::invalid_value(
                    format!("{place}.id"),
                    format!(
                        "Item with id '{}' not found. Items are kept with the response that they belong to, as long as \
                         'responses.max_age' allows and unless 'store' is false; send the item itself.",
                        super::messages::shown(&id)
                    ),
                )
            }
            })
        })
        .collect()
}

/// Puts a request in a chat's words.
///
/// `earlier` are the items of the conversation before it, as JSON arrays, the oldest first; `items` are its own. Members
/// that are not named here keep their bytes, also ones nobody has heard of.
///
/// # Errors
/// Names the item or parameter that a chat has no words for.
pub fn chat(
    request: &ResponseRequest,
    earlier: &[Cow<str>],
    items: &[Cow<str>],
) -> Result<Chat, RequestFault> {
    let (messages, places) = messages(request, earlier, items)?;
    let object = &request.object;
    let mut edit = object.edit();
    for name in NOT_OF_CHATS {
        edit.remove(name);
    }
    edit.set("messages", messages);
    let tools = tools(object)?;
    match tools.json {
        Some(json) => edit.set("tools", json),
        // A chat without tools may not speak of how they are called.
        None => drop(edit.remove("parallel_tool_calls")),
    }
    if let Some(choice) = tools.choice {
        edit.set("tool_choice", choice);
    }
    if let Some(limit) = object.present("max_output_tokens") {
        edit.set("max_completion_tokens", limit.get());
    }
    if let Some(format) = response_format(&request.text)? {
        edit.set("response_format", format);
    }
    if let Some(verbosity) = request.text.present("verbosity") {
        edit.set("verbosity", verbosity.get());
    }
    if let Some(effort) = request.reasoning.present("effort") {
        edit.set("reasoning_effort", effort.get());
    }
    if request.wants_logprobs {
        edit.set("logprobs", "true");
    }
    if request.background {
        // Only a task with a stream can be followed, again and again.
        edit.set("stream", "true");
    }
    if request.stream || request.background {
        edit.set("stream_options", r#"{"include_usage":true}"#);
    }
    Ok(Chat {
        body: edit.text().into(),
        places,
    })
}

impl Chat {
    /// What the client calls what a chat calls `param`.
    pub fn own_name(&self, param: &str) -> String {
        let message = param
            .strip_prefix("messages[")
            .and_then(|rest| rest.split_once(']'))
            .and_then(|(at, rest)| Some((self.places.get(at.parse::<usize>().ok()?)?, rest)));
        if let Some((place, rest)) = message {
            let rest = rest.strip_prefix(".content").unwrap_or(rest);
            return format!("{place}{}", rest.replacen(".file.", ".", 1));
        }
        match param {
            "messages" => "input",
            "max_completion_tokens" | "max_tokens" => "max_output_tokens",
            "response_format" => "text.format",
            "reasoning_effort" => "reasoning.effort",
            other => other,
        }
        .to_owned()
    }

    /// The same in a sentence.
    pub fn own_words(&self, said: &str) -> String {
        let mut own = said.to_owned();
        // The last first, so that no place is taken for a longer one.
        for (at, place) in self.places.iter().enumerate().rev() {
            let chats = format!("messages[{at}]");
            if own.contains(&chats) {
                own = own
                    .replace(&format!("{chats}.content"), place)
                    .replace(&chats, place);
            }
        }
        for (chats, here) in [
            ("response_format", "text.format"),
            ("reasoning_effort", "reasoning.effort"),
            ("max_completion_tokens", "max_output_tokens"),
            ("max_tokens", "max_output_tokens"),
        ] {
            own = own.replace(chats, here);
        }
        own
    }
}

fn messages(
    request: &ResponseRequest,
    earlier: &[Cow<str>],
    items: &[Cow<str>],
) -> Result<(String, Vec<String>), RequestFault> {
    let mut messages = Messages::default();
    if let Some(instructions) = request.object.present("instructions") {
        messages.instruct(instructions);
    }
    for items in earlier {
        for item in parsed(items)?.elements() {
            messages.add("previous_response_id", item)?;
        }
    }
    match request.input {
        Input::Text(text) => messages.ask(text),
        Input::Items(_) => {
            for (at, item) in items.iter().enumerate() {
                messages.add(&format!("input[{at}]"), parsed(item)?)?;
            }
        }
    }
    let (json, places) = messages.finish();
    if places.is_empty() {
        return Err(RequestFault {
            message: "Invalid 'input': it has no message. Send at least one.".into(),
            param: Some("input".into()),
            code: Some("empty_array"),
        });
    }
    Ok((json, places))
}

/// Texts that come here have been read before.
fn parsed(text: &str) -> Result<Raw<'_>, RequestFault> {
    Raw::parse(text).map_err(|error| RequestFault::body(error.to_string()))
}

/// The chat's `response_format`; `None` for plain text.
fn response_format(text: &RawObject) -> Result<Option<String>, RequestFault> {
    let Some(value) = text.present("format") else {
        return Ok(None);
    };
    let format = RawObject::of(value)
        .ok_or_else(|| RequestFault::wrong_type("text.format", "an object", json::kind(value)))?;
    match format.string("type").as_deref() {
        Some("text") => Ok(None),
        Some("json_schema") => {
            let mut schema = format.edit();
            schema.remove("type");
            Ok(Some(format!(
                r#"{{"type":"json_schema","json_schema":{}}}"#,
                schema.text()
            )))
        }
        // Another one the upstream judges.
        Some(other) => Ok(Some(format!(r#"{{"type":{}}}"#, quote(other)))),
        None => Err(RequestFault::missing("text.format.type")),
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
