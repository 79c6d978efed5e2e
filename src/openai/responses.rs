use std::borrow::Cow;

use super::{
    RequestFault,
    chat::{boolean, model, parse_object},
};
use crate::json::{self, Raw, RawObject};

/// Members that would change what is answered in a way that cannot be had from a chat model; and what to do instead.
const UNSERVED: [(&str, &str); 5] = [
    (
        "conversation",
        "Conversations are not kept here. Go on from a response with 'previous_response_id', or send the whole \
         conversation as 'input'.",
    ),
    (
        "prompt",
        "Prompt templates are not kept here. Send their text as 'instructions' and 'input'.",
    ),
    (
        "context_management",
        "Contexts are not compacted here. Leave it out, and send less 'input' when it grows too long.",
    ),
    (
        "moderation",
        "FoxAPI does not moderate. Leave it out, and ask a moderation service yourself.",
    ),
    (
        "background_options",
        "Background responses begin at once. Leave it out.",
    ),
];

/// What a chat calls otherwise, and its name here.
const OF_CHATS: [(&str, &str); 6] = [
    ("messages", "input"),
    ("max_tokens", "max_output_tokens"),
    ("max_completion_tokens", "max_output_tokens"),
    ("response_format", "text.format"),
    ("reasoning_effort", "reasoning.effort"),
    ("functions", "tools"),
];

/// A `POST /v1/responses` body: checked as far as foxbridge must understand it, and otherwise as it came.
///
/// What it has in common with a chat is checked where that is.
#[derive(Debug)]
pub struct ResponseRequest<'a> {
    pub object: RawObject<'a>,
    pub model: Cow<'a, str>,
    pub input: Input<'a>,
    pub stream: bool,
    pub background: bool,
    /// Whether the response is to be kept; true unless the client says otherwise.
    pub store: bool,
    /// `previous_response_id`.
    pub previous: Option<Cow<'a, str>>,
    /// `reasoning`, where it is given.
    pub reasoning: RawObject<'a>,
    /// `text`, where it is given.
    pub text: RawObject<'a>,
    /// Whether the client asks for the probabilities of the text's tokens.
    pub wants_logprobs: bool,
}

/// What the model is told.
#[derive(Debug)]
pub enum Input<'a> {
    /// The JSON string of what a user says.
    Text(Raw<'a>),
    Items(Vec<Raw<'a>>),
}

impl<'a> ResponseRequest<'a> {
    /// Reads a body. What cannot be had here is refused by its name.
    ///
    /// # Errors
    /// Names the parameter at fault, and what to do instead.
    pub fn parse(body: &'a [u8]) -> Result<Self, RequestFault> {
        let object = parse_object(body, "'model' and 'input'")?;
        let model = model(&object)?;
        check_names(&object)?;
        let input = match object.present("input") {
            None => return Err(RequestFault::missing("input")),
            Some(value) => input(value)?,
        };
        string_or_absent(&object, "instructions")?;
        let background = boolean(object.present("background"), "background")?;
        let store = match object.present("store") {
            None => true,
            store => boolean(store, "store")?,
        };
        if background && !store {
            return Err(RequestFault::invalid_value(
                "background",
                "A background response must be stored to be asked for later. Leave 'store' out or set it to true.",
            ));
        }
        check_shown(&object)?;
        let wants_logprobs = includes_logprobs(&object)?
            || object
                .present("top_logprobs")
                .is_some_and(|top| top.get() != "0");
        Ok(Self {
            model,
            input,
            stream: boolean(object.present("stream"), "stream")?,
            background,
            store,
            previous: string_or_absent(&object, "previous_response_id")?,
            reasoning: object_or_absent(&object, "reasoning")?,
            text: object_or_absent(&object, "text")?,
            wants_logprobs,
            object,
        })
    }

    /// Whether the model's reasoning is to be told as a summary, which is the only form that many clients show.
    pub fn wants_summary(&self) -> bool {
        ["summary", "generate_summary"]
            .iter()
            .any(|name| self.reasoning.present(name).is_some())
    }
}

fn check_names(object: &RawObject) -> Result<(), RequestFault> {
    for (name, instead) in UNSERVED {
        if object.present(name).is_some() {
            return Err(unsupported(
                name,
                format!("Unsupported parameter: '{name}'. {instead}"),
            ));
        }
    }
    for (name, here) in OF_CHATS {
        if object.present(name).is_some() {
            return Err(unsupported(
                name,
                format!(
                    "Unsupported parameter: '{name}'. In the Responses API it is called '{here}'."
                ),
            ));
        }
    }
    if object.present("n").is_some_and(|n| n.get() != "1") {
        return Err(unsupported(
            "n",
            "Unsupported parameter: 'n'. A response is one answer; send one request for each.",
        ));
    }
    Ok(())
}

fn input(value: Raw) -> Result<Input, RequestFault> {
    if Raw::string(value).is_some() {
        return Ok(Input::Text(value));
    }
    match Raw::array(value) {
        Some(items) => Ok(Input::Items(items)),
        None if json::kind(value) == "an array" => Err(RequestFault::invalid_value(
            "input",
            format!(
                "Invalid 'input': more than {} items. Send fewer.",
                json::MAX_ELEMENTS
            ),
        )),
        None => Err(RequestFault::wrong_type(
            "input",
            "a string or an array of items",
            json::kind(value),
        )),
    }
}

fn includes_logprobs(object: &RawObject) -> Result<bool, RequestFault> {
    let Some(value) = object.present("include") else {
        return Ok(false);
    };
    let included = Raw::array(value).ok_or_else(|| {
        RequestFault::wrong_type("include", "an array of strings", json::kind(value))
    })?;
    if let Some(other) = included.iter().find(|name| name.string().is_none()) {
        return Err(RequestFault::wrong_type(
            "include",
            "an array of strings",
            json::kind(*other),
        ));
    }
    Ok(included
        .iter()
        .any(|name| name.get() == "\"message.output_text.logprobs\""))
}

/// What the response shows again must not make it another than its types say.
fn check_shown(object: &RawObject) -> Result<(), RequestFault> {
    for name in ["stream_options", "metadata"] {
        object_or_absent(object, name)?;
    }
    for name in [
        "user",
        "prompt_cache_key",
        "safety_identifier",
        "service_tier",
    ] {
        string_or_absent(object, name)?;
    }
    for name in ["temperature", "top_p", "max_tool_calls", "top_logprobs"] {
        if let Some(value) = object.present(name)
            && json::kind(value) != "a number"
        {
            return Err(RequestFault::wrong_type(
                name,
                "a number",
                json::kind(value),
            ));
        }
    }
    boolean(object.present("parallel_tool_calls"), "parallel_tool_calls")?;
    check_metadata(&object_or_absent(object, "metadata")?)?;
    one_of(object, "truncation", "truncation", &["auto", "disabled"])?;
    let reasoning = object_or_absent(object, "reasoning")?;
    let summaries = ["auto", "concise", "detailed"];
    one_of(&reasoning, "summary", "reasoning.summary", &summaries)
}

/// As OpenAI takes it: 16 texts of 512 characters, with names of 64.
fn check_metadata(metadata: &RawObject) -> Result<(), RequestFault> {
    let fault = |message: &str| Err(RequestFault::invalid_value("metadata", message));
    if metadata.members().count() > 16 {
        return fault("Invalid 'metadata': more than 16 pairs. Send fewer.");
    }
    for (name, value) in metadata.members() {
        let length = |text: Raw| text.string().map(|text| text.chars().count());
        match (length(name), length(value)) {
            (Some(..=64), Some(..=512)) => {}
            (_, None) => return fault("Invalid 'metadata': its values must be strings."),
            _ => {
                return fault(
                    "Invalid 'metadata': names have at most 64 characters, and values 512. Send shorter ones.",
                );
            }
        }
    }
    Ok(())
}

fn one_of(object: &RawObject, name: &str, param: &str, known: &[&str]) -> Result<(), RequestFault> {
    match string_or_absent(object, name)?.as_deref() {
        Some(said) if !known.contains(&said) => Err(RequestFault::invalid_value(
            param,
            format!("Invalid '{param}': send {}.", known.join(", ")),
        )),
        _ => Ok(()),
    }
}

fn string_or_absent<'a>(
    object: &RawObject<'a>,
    name: &str,
) -> Result<Option<Cow<'a, str>>, RequestFault> {
    object
        .present(name)
        .map(|value| {
            Raw::string(value)
                .ok_or_else(|| RequestFault::wrong_type(name, "a string", json::kind(value)))
        })
        .transpose()
}

fn object_or_absent<'a>(object: &RawObject<'a>, name: &str) -> Result<RawObject<'a>, RequestFault> {
    object
        .present(name)
        .map_or(Ok(RawObject::default()), |value| {
            RawObject::of(value)
                .ok_or_else(|| RequestFault::wrong_type(name, "an object", json::kind(value)))
        })
}

fn unsupported(param: &str, message: impl Into<String>) -> RequestFault {
    RequestFault {
        message: message.into(),
        param: Some(param.into()),
        code: Some("unsupported_parameter"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read() {
        let body = br#"{"model":"m","input":"hi","stream":true,"store":false,"previous_response_id":"resp_1",
            "reasoning":{"effort":"low","summary":"auto"},"include":["message.output_text.logprobs"]}"#;
        let request = ResponseRequest::parse(body).unwrap();
        assert!(matches!(request.input, Input::Text(text) if text.get() == "\"hi\""));
        assert!(request.stream && !request.store && !request.background);
        assert!(request.wants_summary() && request.wants_logprobs);
        assert_eq!(request.previous.as_deref(), Some("resp_1"));
        let plain =
            ResponseRequest::parse(br#"{"model":"m","input":[],"top_logprobs":0}"#).unwrap();
        assert!(plain.store && !plain.wants_summary() && !plain.wants_logprobs);
    }

    #[test]
    fn what_cannot_be_had_is_refused_by_its_name() {
        for (members, param) in [
            (r#""input":"x","conversation":"c""#, "conversation"),
            (r#""input":"x","prompt":{"id":"p"}"#, "prompt"),
            (r#""input":"x","max_tokens":3"#, "max_tokens"),
            (r#""messages":[]"#, "messages"),
            (
                r#""input":"x","background":true,"store":false"#,
                "background",
            ),
            (r#""input":3"#, "input"),
            (r#""instructions":"x""#, "input"),
            (r#""input":"x","instructions":["x"]"#, "instructions"),
            (r#""input":"x","stream":"yes""#, "stream"),
            (r#""input":"x","reasoning":"low""#, "reasoning"),
            (r#""input":"x","include":"all""#, "include"),
            (r#""input":"x","metadata":5"#, "metadata"),
            (r#""input":"x","metadata":{"a":1}"#, "metadata"),
            (r#""input":"x","include":[1]"#, "include"),
            (r#""input":"x","truncation":"some""#, "truncation"),
            (r#""input":"x","user":5"#, "user"),
            (r#""input":"x","top_p":"x""#, "top_p"),
            (r#""input":"x","n":2"#, "n"),
            (
                r#""input":"x","reasoning":{"summary":"long"}"#,
                "reasoning.summary",
            ),
            (
                r#""input":"x","previous_response_id":7"#,
                "previous_response_id",
            ),
        ] {
            let body = format!(r#"{{"model":"m",{members}}}"#);
            let fault = ResponseRequest::parse(body.as_bytes()).unwrap_err();
            assert_eq!(fault.param.as_deref(), Some(param), "{members}: {fault}");
        }
        let null = br#"{"model":"m","input":"x","conversation":null,"max_tokens":null}"#;
        assert!(ResponseRequest::parse(null).is_ok());
    }
}
