//! The messages of a submit: roles, content parts, media, and the markers in their texts.

use serde_json::{Value, value::RawValue};

use super::{
    marker,
    models::{Model, Part},
    reply::Refusal,
    script::Script,
    submission::Fields,
};

const ROLES: [&str; 6] = [
    "system",
    "developer",
    "user",
    "assistant",
    "tool",
    "function",
];

/// One message, as far as it matters for an answer.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) role: String,
    /// All its text parts, one a line, without markers.
    pub(super) text: String,
    pub(super) media: Vec<Part>,
    /// Ids and names of the tools that an assistant's message calls.
    pub(super) called: Vec<(String, String)>,
    /// Of a tool's message: which call it answers.
    pub(super) tool_call_id: Option<String>,
}

/// Reads `messages`; the markers in their texts go into `script`.
pub(super) fn read_all(
    fields: &Fields,
    model: Model,
    script: &mut Script,
) -> Result<Vec<Message>, Refusal> {
    let messages: Vec<Box<RawValue>> = fields
        .get("messages", "a list of objects")?
        .ok_or_else(|| Refusal::invalid_param("messages is required."))?;
    if messages.is_empty() {
        return Err(Refusal::invalid_param("messages must not be empty."));
    }
    messages
        .iter()
        .enumerate()
        .map(|(at, message)| read(at, message, model, script))
        .collect()
}

fn read(
    at: usize,
    message: &RawValue,
    model: Model,
    script: &mut Script,
) -> Result<Message, Refusal> {
    let invalid = |complaint: &str| Refusal::invalid_param(format!("messages[{at}]{complaint}."));
    let fields = Fields::parse(message.get()).map_err(|_| invalid(" must be an object"))?;
    let role: String = fields
        .get("role", "a string")?
        .ok_or_else(|| invalid(".role is required"))?;
    if !ROLES.contains(&role.as_str()) {
        let expected = format!(".role must be one of {}", ROLES.join(", "));
        return Err(invalid(&expected));
    }
    let (texts, media) = match fields.get("content", "a string or a list of parts")? {
        None if role == "assistant" => (Vec::new(), Vec::new()),
        None => return Err(invalid(".content is required")),
        Some(Value::String(text)) => (vec![text], Vec::new()),
        Some(Value::Array(parts)) => read_parts(at, &parts, model)?,
        Some(_) => return Err(invalid(".content must be a string or a list of parts")),
    };
    let mut left = Vec::new();
    for text in texts {
        let marked = marker::take(&text).map_err(Refusal::invalid_param)?;
        for (key, value) in marked.pairs {
            script.set(&key, &value).map_err(Refusal::invalid_param)?;
        }
        if !marked.text.is_empty() {
            left.push(marked.text);
        }
    }
    let tool_call_id: Option<String> = fields.get("tool_call_id", "a string")?;
    if role == "tool" && tool_call_id.is_none() {
        return Err(invalid(".tool_call_id is required"));
    }
    let calls: Vec<Value> = fields.get("tool_calls", "a list")?.unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(Message {
        role,
        text: left.join("\n"),
        media,
        called: calls
            .iter()
            .map(|call| (word(&call["id"]), word(&call["function"]["name"])))
            .collect(),
        tool_call_id,
    })
}

fn read_parts(
    at: usize,
    parts: &[Value],
    model: Model,
) -> Result<(Vec<String>, Vec<Part>), Refusal> {
    let (mut texts, mut media) = (Vec::new(), Vec::new());
    for (nth, part) in parts.iter().enumerate() {
        let place = format!("messages[{at}].content[{nth}]");
        let invalid = |complaint: &str| Refusal::invalid_param(format!("{place}{complaint}."));
        let word = part["type"]
            .as_str()
            .ok_or_else(|| invalid(".type must be a string"))?;
        let kind = Part::from_word(word)
            .filter(|kind| model.takes(*kind))
            .ok_or_else(|| {
                Refusal::invalid_param(format!("{place}: {} does not support {word}.", model.id))
                    .code("model_not_support_capability")
            })?;
        if kind == Part::Text {
            let text = part["text"]
                .as_str()
                .ok_or_else(|| invalid(".text must be a string"))?;
            texts.push(text.to_owned());
        } else {
            let url = part[word]["url"]
                .as_str()
                .ok_or_else(|| invalid(&format!(".{word}.url must be a string")))?;
            if !is_fetchable(url) {
                let expected = format!(".{word}.url must be http, https or a base64 data URI");
                return Err(invalid(&expected));
            }
            media.push(kind);
        }
    }
    Ok((texts, media))
}

fn is_fetchable(url: &str) -> bool {
    let scheme_then_rest = |scheme| {
        url.strip_prefix(scheme)
            .is_some_and(|rest: &str| !rest.is_empty())
    };
    let inline = url.strip_prefix("data:").is_some_and(|rest| {
        rest.split_once(";base64,")
            .is_some_and(|(mime, data)| mime.contains('/') && !data.is_empty())
    });
    scheme_then_rest("http://") || scheme_then_rest("https://") || inline
}
