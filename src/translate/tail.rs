use std::fmt::Write;

use bytes::Bytes;

use super::{
    Transcript,
    chunk::with_index,
    finish::finish_reason,
    transcript::{Envelope, Told},
};
use crate::{
    json::{Raw, RawObject, quote},
    openai::Usage,
};

/// The task's result does not go on from what the client was already told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the task's result does not continue what was already streamed: {0}")]
pub struct Mismatch(&'static str);

/// The chunks that are still owed when a stream ends early and the task's result has the whole answer.
///
/// What the client already has must be a prefix of the result; otherwise nothing true can follow it. With an empty
/// transcript this is the whole answer as a stream. Usage comes last, in a chunk of its own, when it is asked for
/// and was not sent yet.
pub fn tail(
    told: &Transcript,
    result: &Bytes,
    include_usage: bool,
) -> Result<Vec<String>, Mismatch> {
    let text = std::str::from_utf8(result).map_err(|_| Mismatch("it is not UTF-8"))?;
    let result = RawObject::parse(text).map_err(|_| Mismatch("it is not an object"))?;
    let choices: Vec<RawObject> = result
        .get("choices")
        .and_then(Raw::array)
        .unwrap_or_default()
        .into_iter()
        .filter_map(RawObject::of)
        .collect();
    if choices.is_empty() {
        return Err(Mismatch("it has no choices"));
    }
    let envelope = told.envelope(result.get("id"), result.get("created"));
    let nothing = Told::default();
    let mut chunks = Vec::new();
    let mut met = 0;
    for (at, choice) in choices.iter().enumerate() {
        let index = choice
            .get("index")
            .and_then(|index| index.get().parse().ok())
            .unwrap_or(at as u64);
        let before = told.choices.iter().find(|told| told.index == index);
        met += usize::from(before.is_some());
        let before = before.unwrap_or(&nothing);
        let message = choice
            .object("message")
            .ok_or(Mismatch("a choice has no message"))?;
        let delta = if before.has_said_anything() {
            rest_of_message(before, &message)?
        } else {
            whole_message(before, &message)
        };
        if before.finish_reason.is_some() {
            if !delta.is_empty() {
                return Err(Mismatch("a finished choice has more text"));
            }
            continue;
        }
        if !delta.is_empty() {
            let logprobs = choice
                .get("logprobs")
                .filter(|_| !before.has_said_anything());
            chunks.push(envelope.chunk(index, &delta, logprobs, None));
        }
        let reason = finish_reason(choice.get("finish_reason")).unwrap_or("\"stop\"");
        chunks.push(envelope.chunk(index, "", None, Some(reason)));
    }
    if met < told.choices.len() {
        return Err(Mismatch("a choice is missing"));
    }
    if include_usage && !told.has_usage {
        let usage = result
            .present("usage")
            .map(Raw::get)
            .or(told.usage.as_deref());
        chunks.extend(usage.map(|usage| envelope.usage(usage)));
    }
    Ok(chunks)
}

/// The tokens that a task's result says were used.
pub fn spent(result: &Bytes) -> Option<Usage> {
    let result = RawObject::parse(std::str::from_utf8(result).ok()?).ok()?;
    result.present("usage").and_then(Usage::of)
}

/// The usage chunk that is owed behind a whole stream, from the task's result or from the stream itself; `None` when
/// neither tells.
pub fn usage_chunk(told: &Transcript, result: Option<&Bytes>) -> Option<String> {
    let text = result.and_then(|result| std::str::from_utf8(result).ok());
    let result = text
        .and_then(|text| RawObject::parse(text).ok())
        .unwrap_or_default();
    let usage = result
        .present("usage")
        .map(Raw::get)
        .or(told.usage.as_deref())?;
    Some(
        told.envelope(result.get("id"), result.get("created"))
            .usage(usage),
    )
}

impl Envelope {
    fn begin(&self) -> String {
        let Self { id, created, model } = self;
        format!(
            r#"{{"id":{id},"object":"chat.completion.chunk","created":{created},"model":{model},"#
        )
    }

    /// `delta` is the inside of the delta object; `reason` is JSON text.
    pub(super) fn chunk(
        &self,
        index: u64,
        delta: &str,
        logprobs: Option<Raw>,
        reason: Option<&str>,
    ) -> String {
        let logprobs = logprobs.map_or(String::new(), |logprobs| {
            format!(r#""logprobs":{},"#, logprobs.get())
        });
        let reason = reason.unwrap_or("null");
        format!(
            r#"{}"choices":[{{"index":{index},"delta":{{{delta}}},{logprobs}"finish_reason":{reason}}}]}}"#,
            self.begin()
        )
    }

    fn usage(&self, usage: &str) -> String {
        format!(r#"{}"choices":[],"usage":{}}}"#, self.begin(), usage)
    }
}

impl Told {
    fn has_said_anything(&self) -> bool {
        self.finish_reason.is_some()
            || !self.tool_calls.is_empty()
            || [&self.content, &self.reasoning, &self.refusal]
                .iter()
                .any(|text| !text.is_empty())
    }
}

/// A message of which at most the role has been told, as the inside of a delta: every member, unknown ones too.
fn whole_message(told: &Told, message: &RawObject) -> String {
    let mut edit = message.edit();
    if told.has_role {
        edit.remove("role");
    } else {
        edit.set("role", "\"assistant\"");
    }
    if let Some(calls) = message.present("tool_calls").and_then(Raw::array) {
        let calls: Vec<String> = calls
            .iter()
            .enumerate()
            .map(|(at, call)| with_index(at as u64, *call))
            .collect();
        edit.set("tool_calls", format!("[{}]", calls.join(",")));
    } else {
        edit.remove("tool_calls");
    }
    let text = edit.text();
    text.strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
        .unwrap_or_default()
        .to_string()
}

/// What of a message has not been told yet, as the inside of a delta.
fn rest_of_message(told: &Told, message: &RawObject) -> Result<String, Mismatch> {
    let mut delta = String::new();
    // Results mostly lack the reasoning, and one in other words is not worth losing the answer for.
    let reasoning = message.string("reasoning_content").unwrap_or_default();
    match reasoning.strip_prefix(told.reasoning.as_str()) {
        Some(rest) if !rest.is_empty() => member(&mut delta, "reasoning_content", &quote(rest)),
        _ => {}
    }
    for (name, before) in [("content", &told.content), ("refusal", &told.refusal)] {
        let whole = message.string(name).unwrap_or_default();
        let rest = whole
            .strip_prefix(before.as_str())
            .ok_or(Mismatch("the text differs"))?;
        if !rest.is_empty() {
            member(&mut delta, name, &quote(rest));
        }
    }
    let calls = message
        .present("tool_calls")
        .and_then(Raw::array)
        .unwrap_or_default();
    if told
        .tool_calls
        .iter()
        .any(|call| call.index >= calls.len() as u64)
    {
        return Err(Mismatch("a tool call is missing"));
    }
    let mut rests = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        let Some(before) = told
            .tool_calls
            .iter()
            .find(|before| before.index == at as u64)
        else {
            rests.push(with_index(at as u64, *call));
            continue;
        };
        let function = RawObject::of(*call)
            .and_then(|call| call.object("function"))
            .unwrap_or_default();
        let name = function.string("name").unwrap_or_default();
        let arguments = function.string("arguments").unwrap_or_default();
        let rest = arguments
            .strip_prefix(before.arguments.as_str())
            .filter(|_| name == before.name)
            .ok_or(Mismatch("a tool call differs"))?;
        if !rest.is_empty() {
            rests.push(format!(
                r#"{{"index":{at},"function":{{"arguments":{}}}}}"#,
                quote(rest)
            ));
        }
    }
    if !rests.is_empty() {
        member(&mut delta, "tool_calls", &format!("[{}]", rests.join(",")));
    }
    Ok(delta)
}

pub(super) fn member(object: &mut String, name: &str, value: &str) {
    let comma = if object.is_empty() { "" } else { "," };
    // Writing to a string cannot fail.
    let _ = write!(object, "{comma}\"{name}\":{value}");
}

#[cfg(test)]
#[path = "tail_tests.rs"]
mod tests;
