use bytes::Bytes;

use super::Identity;
use crate::json::{self, RawObject};

/// `results[0]` is not an OpenAI completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the task's result is not a chat completion: it has no choices with a message each")]
pub struct NotACompletion;

/// Makes the client's answer of `results[0]` (CONTRACT.md, section 2): the same bytes, with what OpenAI's types
/// require added where the upstream left it out.
pub fn completion(result: &Bytes, identity: &Identity) -> Result<Bytes, NotACompletion> {
    let text = std::str::from_utf8(result).map_err(|_| NotACompletion)?;
    let object = RawObject::parse(text).map_err(|_| NotACompletion)?;
    let choices = object
        .get("choices")
        .and_then(json::array)
        .ok_or(NotACompletion)?;
    let has_message = |choice: &&serde_json::value::RawValue| {
        RawObject::of(choice).is_some_and(|choice| choice.object("message").is_some())
    };
    if choices.is_empty() || !choices.iter().all(has_message) {
        return Err(NotACompletion);
    }

    let mut edit = object.edit();
    if object.string("id").is_none() {
        edit.set("id", json::quote(&identity.completion_id()));
    }
    if object.string("object").as_deref() != Some("chat.completion") {
        edit.set("object", r#""chat.completion""#);
    }
    if object
        .get("created")
        .is_none_or(|created| created.get().parse::<i64>().is_err())
    {
        edit.set("created", identity.created.to_string());
    }
    if object.string("model").is_none() {
        edit.set("model", json::quote(identity.model));
    }
    Ok(edit.finish().map_or_else(|| result.clone(), Bytes::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity = Identity {
        task: "task-1",
        model: "gpt-5.5",
        created: 1_776_874_481,
    };

    fn translate(result: &str) -> Result<String, NotACompletion> {
        completion(&Bytes::copy_from_slice(result.as_bytes()), &IDENTITY)
            .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn a_whole_completion_is_not_touched() {
        let whole = r#"{"id":"chatcmpl-1", "object":"chat.completion","created":1,"model":"m","x":1e400,
            "choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;
        assert_eq!(translate(whole).as_deref(), Ok(whole));
    }

    #[test]
    fn what_is_missing_is_added() {
        assert_eq!(
            translate(r#"{"choices":[{"message":{}}],"created":"soon"}"#).as_deref(),
            Ok(concat!(
                r#"{"choices":[{"message":{}}],"created":1776874481,"id":"chatcmpl-task-1","#,
                r#""object":"chat.completion","model":"gpt-5.5"}"#
            ))
        );
    }

    #[test]
    fn what_is_no_completion_is_said_to_be_none() {
        for result in [
            "{}",
            r#"{"choices":[]}"#,
            r#"{"choices":[{}]}"#,
            r#"{"choices":{"message":{}}}"#,
        ] {
            assert_eq!(translate(result), Err(NotACompletion), "{result}");
        }
    }
}
