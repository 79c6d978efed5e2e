use super::{RequestFault, chat::parse_object};
use crate::json::{self, Raw, RawObject};

/// The most alternatives to a token that the legacy API tells.
const MAX_LOGPROBS: u32 = 5;

/// Members that belong to a chat: the first contradicts the prompt, the others lead to answers that a text
/// completion has no words for.
const OF_CHATS: [&str; 3] = ["messages", "tools", "functions"];

/// A `POST /v1/completions` body (the legacy API): checked for what sets it apart from a chat, otherwise as it came.
///
/// What both APIs call the same (`model`, `stream`, limits) is checked where it is checked for a chat.
#[derive(Debug)]
pub struct CompletionRequest<'a> {
    pub object: RawObject<'a>,
    /// The one prompt: a JSON string as the client wrote it.
    pub prompt: Raw<'a>,
    /// How many alternatives to each token are asked for, 0 to 5; absent where no probabilities are.
    pub logprobs: Option<Raw<'a>>,
}

impl<'a> CompletionRequest<'a> {
    /// Reads a body. What cannot be had from a chat model, or not with one task, is refused by its name.
    ///
    /// # Errors
    /// Names the parameter at fault, and what to do instead.
    pub fn parse(body: &'a [u8]) -> Result<Self, RequestFault> {
        let object = parse_object(body, "'model' and 'prompt'")?;
        let prompt = match object.present("prompt") {
            None => return Err(RequestFault::missing("prompt")),
            Some(value) => one_prompt(value)?,
        };
        if let Some(name) = OF_CHATS.iter().find(|name| object.present(name).is_some()) {
            return Err(unsupported(
                name,
                format!(
                    "Unsupported parameter: '{name}' belongs to a chat. Send it to /v1/chat/completions."
                ),
            ));
        }
        check_echo(&object)?;
        if object.present("suffix").is_some() {
            return Err(unsupported(
                "suffix",
                "Unsupported parameter: 'suffix'. Text cannot be inserted before a suffix; leave it out, or say in the \
                 prompt what is to follow.",
            ));
        }
        check_best_of(&object)?;
        let logprobs = object.present("logprobs").map(token_alternatives);
        Ok(Self {
            prompt,
            logprobs: logprobs.transpose()?,
            object,
        })
    }
}

/// One HTTP request buys one task, so that a retry or a failure never concerns more than one bill. Several prompts
/// would be several tasks.
fn one_prompt(value: Raw) -> Result<Raw, RequestFault> {
    const EXPECTED: &str = "a string or an array of one string";
    if Raw::string(value).is_some() {
        return Ok(value);
    }
    let prompts = Raw::array(value)
        .ok_or_else(|| RequestFault::wrong_type("prompt", EXPECTED, json::kind(value)))?;
    let wrong = prompts
        .iter()
        .enumerate()
        .find(|(_, prompt)| prompt.string().is_none());
    match (wrong, prompts.as_slice()) {
        (Some((_, prompt)), _) if ["a number", "an array"].contains(&json::kind(*prompt)) => {
            Err(unsupported(
                "prompt",
                "Unsupported value: 'prompt' holds tokens, which FoxAPI does not take. Send the prompt as a string.",
            ))
        }
        (Some((at, prompt)), _) => Err(RequestFault::wrong_type(
            format!("prompt[{at}]"),
            "a string",
            json::kind(*prompt),
        )),
        (None, []) => Err(RequestFault {
            message: "Invalid 'prompt': empty array. Send one prompt.".into(),
            param: Some("prompt".into()),
            code: Some("empty_array"),
        }),
        (None, [prompt]) => Ok(*prompt),
        (None, several) => Err(unsupported(
            "prompt",
            format!(
                "Unsupported value: 'prompt' holds {} prompts, and one request buys one FoxAPI task. Send one request \
                 for each prompt.",
                several.len()
            ),
        )),
    }
}

fn check_echo(object: &RawObject) -> Result<(), RequestFault> {
    match object.present("echo") {
        None => Ok(()),
        Some(echo) => match echo.get() {
            "false" => Ok(()),
            "true" => Err(unsupported(
                "echo",
                "Unsupported value: 'echo' cannot be true. Leave it out, and put the prompt before the answer yourself.",
            )),
            _ => Err(RequestFault::wrong_type(
                "echo",
                "a boolean",
                json::kind(echo),
            )),
        },
    }
}

/// The best `n` of `n` candidates are all of them; only more candidates than answers would be another thing.
fn check_best_of(object: &RawObject) -> Result<(), RequestFault> {
    let wanted = object.present("n").map_or("1", Raw::get);
    match object.present("best_of") {
        Some(best_of) if best_of.get() != wanted => Err(unsupported(
            "best_of",
            "Unsupported value: 'best_of' can only be what 'n' is, because FoxAPI gives every answer that it makes. \
             Leave it out.",
        )),
        _ => Ok(()),
    }
}

fn token_alternatives(value: Raw) -> Result<Raw, RequestFault> {
    if json::kind(value) != "a number" {
        return Err(RequestFault::wrong_type(
            "logprobs",
            "an integer",
            json::kind(value),
        ));
    }
    match value.get().parse::<u32>() {
        Ok(0..=MAX_LOGPROBS) => Ok(value),
        _ => Err(RequestFault::invalid_value(
            "logprobs",
            format!("Invalid 'logprobs': expected an integer from 0 to {MAX_LOGPROBS}."),
        )),
    }
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
    fn what_is_understood() {
        for (rest, prompt, logprobs) in [
            (r#""prompt":"a\u0062""#, r#""a\u0062""#, None),
            (r#""prompt":[ "x" ]"#, r#""x""#, None),
            (r#""prompt":"","messages":null,"tools":null"#, r#""""#, None),
            (
                r#""prompt":"x","echo":false,"suffix":null,"best_of":1"#,
                r#""x""#,
                None,
            ),
            (
                r#""prompt":"x","best_of":3,"n":3,"logprobs":null"#,
                r#""x""#,
                None,
            ),
            (r#""prompt":"x","logprobs":0"#, r#""x""#, Some("0")),
            (r#""prompt":"x","logprobs":5"#, r#""x""#, Some("5")),
        ] {
            let body = format!(r#"{{"model":"m",{rest}}}"#);
            let request = CompletionRequest::parse(body.as_bytes()).expect(rest);
            assert_eq!(request.prompt.get(), prompt);
            assert_eq!(request.logprobs.map(Raw::get), logprobs);
        }
    }

    #[test]
    fn what_is_refused() {
        for (rest, param, code) in [
            ("", "prompt", "missing_required_parameter"),
            (r#""prompt":null"#, "prompt", "missing_required_parameter"),
            (r#""prompt":7"#, "prompt", "invalid_type"),
            (r#""prompt":{}"#, "prompt", "invalid_type"),
            (r#""prompt":[]"#, "prompt", "empty_array"),
            (r#""prompt":[null]"#, "prompt[0]", "invalid_type"),
            (r#""prompt":["x",{}]"#, "prompt[1]", "invalid_type"),
            (r#""prompt":["x","y"]"#, "prompt", "unsupported_parameter"),
            (r#""prompt":[1,2]"#, "prompt", "unsupported_parameter"),
            (r#""prompt":[[1],[2]]"#, "prompt", "unsupported_parameter"),
            (
                r#""prompt":"x","echo":true"#,
                "echo",
                "unsupported_parameter",
            ),
            (r#""prompt":"x","echo":1"#, "echo", "invalid_type"),
            (
                r#""prompt":"x","suffix":"""#,
                "suffix",
                "unsupported_parameter",
            ),
            (
                r#""prompt":"x","best_of":2"#,
                "best_of",
                "unsupported_parameter",
            ),
            (
                r#""prompt":"x","best_of":1,"n":2"#,
                "best_of",
                "unsupported_parameter",
            ),
            (
                r#""prompt":"x","logprobs":true"#,
                "logprobs",
                "invalid_type",
            ),
            (r#""prompt":"x","logprobs":6"#, "logprobs", "invalid_value"),
            (r#""prompt":"x","logprobs":-1"#, "logprobs", "invalid_value"),
            (
                r#""prompt":"x","messages":[]"#,
                "messages",
                "unsupported_parameter",
            ),
            (
                r#""prompt":"x","tools":[]"#,
                "tools",
                "unsupported_parameter",
            ),
        ] {
            let comma = if rest.is_empty() { "" } else { "," };
            let body = format!(r#"{{"model":"m"{comma}{rest}}}"#);
            let fault = CompletionRequest::parse(body.as_bytes()).expect_err(rest);
            assert_eq!(
                (fault.param.as_deref(), fault.code),
                (Some(param), Some(code)),
                "{rest}"
            );
            let place = format!("'{param}'");
            assert!(fault.message.contains(&place), "{}", fault.message);
        }
    }

    #[test]
    fn a_body_that_is_no_object_is_told_what_to_send() {
        for body in ["", "[]"] {
            let fault = CompletionRequest::parse(body.as_bytes()).expect_err(body);
            assert!(
                fault.message.contains("'model' and 'prompt'"),
                "{}",
                fault.message
            );
        }
    }
}
