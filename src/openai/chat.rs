use std::borrow::Cow;

use super::RequestFault;
use crate::json::{self, Raw, RawObject};

/// A `POST /v1/chat/completions` body: checked as far as foxbridge must understand it, and otherwise as it came.
#[derive(Debug)]
pub struct ChatRequest<'a> {
    pub object: RawObject<'a>,
    pub model: Cow<'a, str>,
    pub stream: bool,
    /// `stream_options.include_usage`.
    pub include_usage: bool,
    pub max_tokens: Option<TokenLimit<'a>>,
    pub max_completion_tokens: Option<TokenLimit<'a>>,
    /// How many choices it asks for (`n`).
    pub choices: u64,
    /// Whether a message consists of parts, such as images.
    pub has_parts: bool,
    /// Whether the client wants to see the model reason, by `reasoning_effort` or `reasoning`.
    pub asks_for_reasoning: bool,
}

/// A limit as the client wrote it, and its value (numbers beyond `u64` count as the largest one).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLimit<'a> {
    pub text: &'a str,
    pub value: u64,
}

impl<'a> ChatRequest<'a> {
    /// Reads a body. Everything that would make a task fail for sure, or that two readers could understand
    /// differently, is refused here, before anything is bought.
    pub fn parse(body: &'a [u8]) -> Result<Self, RequestFault> {
        let object = parse_object(body, "'model' and 'messages'")?;
        let model = model(&object)?;
        let has_parts = check_messages(&object)?;
        let stream = boolean(object.present("stream"), "stream")?;
        let include_usage = match object.present("stream_options") {
            None => false,
            Some(value) => {
                let options = RawObject::of(value).ok_or_else(|| {
                    RequestFault::wrong_type("stream_options", "an object", json::kind(value))
                })?;
                if !stream {
                    return Err(RequestFault::invalid_value(
                        "stream_options",
                        "The 'stream_options' parameter is only allowed when 'stream' is true.",
                    ));
                }
                boolean(
                    options.present("include_usage"),
                    "stream_options.include_usage",
                )?
            }
        };
        let max_tokens = limit(&object, "max_tokens")?;
        let max_completion_tokens = limit(&object, "max_completion_tokens")?;
        if max_tokens.is_some() && max_completion_tokens.is_some() {
            return Err(RequestFault::invalid_value(
                "max_tokens",
                "'max_tokens' and 'max_completion_tokens' cannot both be set. Send 'max_completion_tokens' only.",
            ));
        }
        // What is no count is the upstream's to refuse.
        let choices = object
            .present("n")
            .and_then(|n| n.get().parse().ok())
            .unwrap_or(1);
        let asks = |name| {
            object
                .present(name)
                .is_some_and(|value: Raw| value.get() != "\"none\"")
        };
        let asks_for_reasoning = asks("reasoning_effort") || asks("reasoning");
        Ok(Self {
            object,
            model,
            stream,
            include_usage,
            max_tokens,
            max_completion_tokens,
            choices,
            has_parts,
            asks_for_reasoning,
        })
    }
}

/// Reads a body as an object that every reader would understand the same way. `members` says what belongs into it.
pub(super) fn parse_object<'a>(
    body: &'a [u8],
    members: &str,
) -> Result<RawObject<'a>, RequestFault> {
    if body.is_empty() {
        return Err(RequestFault::body(format!(
            "The request body is empty. Send a JSON object with {members}."
        )));
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        RequestFault::body(format!(
            "The request body is not UTF-8 (byte {at}). Send JSON encoded as UTF-8."
        ))
    })?;
    let object = RawObject::parse(text).map_err(|error| {
        if error.is_data() && !text.trim_start().starts_with('{') {
            RequestFault::body(format!(
                "The request body is not a JSON object. Send an object with {members}."
            ))
        } else {
            RequestFault::body(format!(
                "We could not parse the JSON body of your request: {error}."
            ))
        }
    })?;
    json::check(text).map_err(|fault| {
        RequestFault::body(format!(
            "The JSON body of your request cannot be taken: {fault}."
        ))
    })?;
    Ok(object)
}

pub(super) fn model<'a>(object: &RawObject<'a>) -> Result<Cow<'a, str>, RequestFault> {
    let value = object
        .present("model")
        .ok_or_else(|| RequestFault::missing("model"))?;
    let model = Raw::string(value)
        .ok_or_else(|| RequestFault::wrong_type("model", "a string", json::kind(value)))?;
    if model.trim().is_empty() {
        return Err(RequestFault::invalid_value(
            "model",
            "Invalid 'model': it is empty. Name a model; GET /v1/models lists them.",
        ));
    }
    Ok(model)
}

/// Whether a message consists of parts.
fn check_messages(object: &RawObject) -> Result<bool, RequestFault> {
    let value = object
        .present("messages")
        .ok_or_else(|| RequestFault::missing("messages"))?;
    let messages = Raw::array(value).ok_or_else(|| match json::kind(value) {
        "an array" => RequestFault::invalid_value(
            "messages",
            format!(
                "Invalid 'messages': more than {} of them. Send fewer.",
                json::MAX_ELEMENTS
            ),
        ),
        other => RequestFault::wrong_type("messages", "an array of objects", other),
    })?;
    if messages.is_empty() {
        return Err(RequestFault {
            message: "Invalid 'messages': empty array. Send at least one message.".into(),
            param: Some("messages".into()),
            code: Some("empty_array"),
        });
    }
    let mut has_parts = false;
    for (at, message) in messages.into_iter().enumerate() {
        has_parts |= check_message(message, at)?;
    }
    Ok(has_parts)
}

/// Whether the message consists of parts.
fn check_message(value: Raw, at: usize) -> Result<bool, RequestFault> {
    let path = |rest: &str| format!("messages[{at}]{rest}");
    let message = RawObject::of(value)
        .ok_or_else(|| RequestFault::wrong_type(path(""), "an object", json::kind(value)))?;
    let role = match message.present("role") {
        None => return Err(RequestFault::missing(&path(".role"))),
        Some(value) => value.string().ok_or_else(|| {
            RequestFault::wrong_type(path(".role"), "a string", json::kind(value))
        })?,
    };
    let Some(content) = message.present("content") else {
        // An assistant message may consist of tool calls or a refusal alone.
        return match &*role {
            "user" | "system" | "developer" | "tool" => Err(RequestFault::wrong_type(
                path(".content"),
                "a string or an array of content parts",
                "null",
            )),
            _ => Ok(false),
        };
    };
    if json::kind(content) == "a string" {
        return Ok(false);
    }
    let path = path(".content");
    let parts = Raw::array(content).ok_or_else(|| {
        RequestFault::wrong_type(
            &path,
            "a string or an array of content parts",
            json::kind(content),
        )
    })?;
    for (at, part) in parts.into_iter().enumerate() {
        let path = format!("{path}[{at}]");
        let part = RawObject::of(part)
            .ok_or_else(|| RequestFault::wrong_type(&path, "an object", json::kind(part)))?;
        match part.present("type") {
            None => return Err(RequestFault::missing(&format!("{path}.type"))),
            Some(kind) if Raw::string(kind).is_none() => {
                return Err(RequestFault::wrong_type(
                    format!("{path}.type"),
                    "a string",
                    json::kind(kind),
                ));
            }
            Some(_) => {}
        }
    }
    Ok(true)
}

pub(super) fn boolean(value: Option<Raw>, param: &str) -> Result<bool, RequestFault> {
    match value.map(Raw::get) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(RequestFault::wrong_type(
            param,
            "a boolean",
            value.map_or("null", json::kind),
        )),
    }
}

fn limit<'a>(object: &RawObject<'a>, param: &str) -> Result<Option<TokenLimit<'a>>, RequestFault> {
    let Some(value) = object.present(param) else {
        return Ok(None);
    };
    let text = value.get();
    if json::kind(value) != "a number" {
        return Err(RequestFault::wrong_type(
            param,
            "an integer",
            json::kind(value),
        ));
    }
    if text.starts_with('-') || text == "0" {
        return Err(RequestFault {
            message: format!(
                "Invalid '{param}': integer below minimum value. Expected a value >= 1, but got {text}."
            ),
            param: Some(param.into()),
            code: Some("integer_below_min_value"),
        });
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RequestFault::wrong_type(
            param,
            "an integer",
            "a decimal number",
        ));
    }
    // Only digits are left, so the sole way to fail is to be too large.
    let value = text.parse().unwrap_or(u64::MAX);
    Ok(Some(TokenLimit { text, value }))
}

#[cfg(test)]
#[path = "chat_tests.rs"]
mod tests;
