use std::borrow::Cow;

use super::tools::CUSTOM_INPUT;
use crate::json::{Raw, RawObject, quote};

/// How a model's reasoning is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As the text that it is.
    Text,
    /// As a summary, because the client asked for one: the only form that many clients show.
    Summary,
}

/// One item of a response's output.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) is_done: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    Reasoning(String),
    /// What the model says to the user.
    Message(Vec<Part>),
    Call(Call),
}

/// A part of a message.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) is_refusal: bool,
    pub(super) text: String,
    /// JSON objects with commas between them.
    pub(super) logprobs: String,
}

/// A call of a function, or of a tool that takes plain text, which is a function of one string to a chat.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) is_custom: bool,
    /// Its number among the calls of the chat.
    pub(super) index: u64,
    pub(super) call_id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// What an item is said to be while it is begun, and when it is over.
pub(super) const IN_PROGRESS: &str = "in_progress";
pub(super) const COMPLETED: &str = "completed";
pub(super) const INCOMPLETE: &str = "incomplete";

impl Item {
    /// The item at this place of the output of `task`.
    pub(super) fn new(kind: Kind, task: &str, at: usize) -> Self {
        let prefix = match kind {
            Kind::Reasoning(_) => "rs",
            Kind::Message(_) => "msg",
            Kind::Call(Call {
                is_custom: true, ..
            }) => "ctc",
            Kind::Call(_) => "fc",
        };
        Self {
            id: format!("{prefix}_{task}_{at}"),
            kind,
            is_done: false,
        }
    }

    pub(super) fn json(&self, form: Form, status: &str) -> String {
        let id = quote(&self.id);
        match &self.kind {
            Kind::Reasoning(text) => {
                let part = match text.as_str() {
                    "" => String::new(),
                    text => reasoning_part(form, text),
                };
                match form {
                    Form::Text => format!(
                        r#"{{"id":{id},"type":"reasoning","status":"{status}","summary":[],"content":[{part}]}}"#
                    ),
                    Form::Summary => format!(
                        r#"{{"id":{id},"type":"reasoning","status":"{status}","summary":[{part}]}}"#
                    ),
                }
            }
            Kind::Message(parts) => {
                let parts: Vec<String> = parts.iter().map(Part::json).collect();
                format!(
                    r#"{{"id":{id},"type":"message","status":"{status}","role":"assistant","content":[{}]}}"#,
                    parts.join(",")
                )
            }
            Kind::Call(call) if call.is_custom => format!(
                r#"{{"id":{id},"type":"custom_tool_call","status":"{status}","call_id":{},"name":{},"input":{}}}"#,
                quote(&call.call_id),
                quote(&call.name),
                quote(&call.input())
            ),
            Kind::Call(call) => format!(
                r#"{{"id":{id},"type":"function_call","status":"{status}","call_id":{},"name":{},"arguments":{}}}"#,
                quote(&call.call_id),
                quote(&call.name),
                quote(&call.arguments)
            ),
        }
    }
}

impl Call {
    /// Whether nothing can follow: the arguments are a whole JSON object.
    pub(super) fn is_whole(&self) -> bool {
        self.arguments.starts_with('{') && Raw::parse(&self.arguments).is_ok()
    }

    /// The text that a custom tool is called with. What is no call of a function of one string is that text itself.
    pub(super) fn input(&self) -> Cow<'_, str> {
        let arguments = RawObject::parse(&self.arguments);
        let input = arguments
            .ok()
            .and_then(|arguments| arguments.string(CUSTOM_INPUT));
        input.unwrap_or(Cow::Borrowed(&self.arguments))
    }
}

impl Part {
    pub(super) fn new(is_refusal: bool) -> Self {
        Self {
            is_refusal,
            text: String::new(),
            logprobs: String::new(),
        }
    }

    pub(super) fn json(&self) -> String {
        let text = quote(&self.text);
        match self.is_refusal {
            true => format!(r#"{{"type":"refusal","refusal":{text}}}"#),
            false => format!(
                r#"{{"type":"output_text","text":{text},"annotations":[],"logprobs":[{}]}}"#,
                self.logprobs
            ),
        }
    }
}

/// A part of a reasoning item.
pub(super) fn reasoning_part(form: Form, text: &str) -> String {
    let kind = match form {
        Form::Text => "reasoning_text",
        Form::Summary => "summary_text",
    };
    format!(r#"{{"type":"{kind}","text":{}}}"#, quote(text))
}

/// The members of a response that its end decides, as an object. `finish` is the chat's finish reason, as JSON text; what
/// has not been given to the end is the last item. `now` is in Unix seconds.
pub(super) fn outcome(
    items: &[Item],
    form: Form,
    finish: &str,
    usage: Option<&str>,
    now: u64,
) -> String {
    let reason = incomplete_reason(finish);
    let (status, details) = match reason {
        None => (COMPLETED, "null".to_owned()),
        Some(reason) => (INCOMPLETE, format!(r#"{{"reason":"{reason}"}}"#)),
    };
    let completed_at = match reason {
        None => now.to_string(),
        Some(_) => "null".to_owned(),
    };
    let output: Vec<String> = items
        .iter()
        .enumerate()
        .map(|(at, item)| match at + 1 == items.len() {
            true => item.json(form, status),
            false => item.json(form, COMPLETED),
        })
        .collect();
    format!(
        r#"{{"status":"{status}","completed_at":{completed_at},"incomplete_details":{details},"output":[{}],"usage":{}}}"#,
        output.join(","),
        usage.unwrap_or("null")
    )
}

/// Why an answer is not whole; `None` where it is.
pub(super) fn incomplete_reason(finish: &str) -> Option<&'static str> {
    match finish {
        "\"length\"" => Some("max_output_tokens"),
        "\"content_filter\"" => Some("content_filter"),
        _ => None,
    }
}

/// The probabilities of a choice's tokens: JSON objects with commas between them, with every member that OpenAI's types
/// require.
pub(super) fn logprobs(choice: &RawObject) -> String {
    let tokens = choice
        .object("logprobs")
        .and_then(|logprobs| logprobs.get("content"))
        .and_then(Raw::array)
        .unwrap_or_default();
    let tokens: Vec<String> = tokens
        .into_iter()
        .filter_map(RawObject::of)
        .map(|token| {
            let top = token.get("top_logprobs").and_then(Raw::array);
            let top: Vec<String> = top
                .unwrap_or_default()
                .into_iter()
                .filter_map(RawObject::of)
                .map(|token| with_bytes(&token, None))
                .collect();
            with_bytes(&token, Some(format!("[{}]", top.join(","))))
        })
        .collect();
    tokens.join(",")
}

fn with_bytes(token: &RawObject, top: Option<String>) -> String {
    let mut edit = token.edit();
    if token.present("bytes").is_none() {
        let text = token.string("token").unwrap_or_default();
        let bytes: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
        edit.set("bytes", format!("[{}]", bytes.join(",")));
    }
    if let Some(top) = top {
        edit.set("top_logprobs", top);
    }
    edit.text()
}
