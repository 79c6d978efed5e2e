use bytes::Bytes;

use super::{
    Identity, Transcript,
    finish::finish_reason,
    transcript::{Told, is_integer},
};
use crate::{
    json::{Raw, RawObject, quote},
    openai::Usage,
};

/// An answer in one piece.
#[derive(Debug)]
pub struct Completion {
    /// An OpenAI `chat.completion`.
    pub json: Bytes,
    /// The model that the upstream says it was served by.
    pub served: Option<String>,
    /// The tokens that were used, where that is told.
    pub usage: Option<Usage>,
}

/// `results[0]` is not an OpenAI completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the task's result is not a chat completion: it has no choices with a message each")]
pub struct NotACompletion;

/// Makes the client's answer of `results[0]` (CONTRACT.md, section 2): the same bytes, with what OpenAI's types
/// require added where the upstream left it out, and with the model that was asked for.
///
/// `told` is what the task's stream told while it was waited for; a whole stream gives the reasoning that results
/// lack, and the answer itself where the result never came.
pub fn completion(
    result: Option<&Bytes>,
    told: &Transcript,
    identity: &Identity,
) -> Result<Completion, NotACompletion> {
    let Some(result) = result else {
        return assembled(told);
    };
    let text = std::str::from_utf8(result).map_err(|_| NotACompletion)?;
    let object = RawObject::parse(text).map_err(|_| NotACompletion)?;
    let choices = object
        .get("choices")
        .and_then(Raw::array)
        .ok_or(NotACompletion)?;
    let proper: Option<Vec<String>> = choices
        .iter()
        .enumerate()
        .map(|(at, choice)| proper_choice(at, *choice, told))
        .collect();
    let proper = proper
        .filter(|choices| !choices.is_empty())
        .ok_or(NotACompletion)?;

    let mut edit = object.edit();
    if proper
        .iter()
        .zip(&choices)
        .any(|(proper, raw)| proper != raw.get())
    {
        edit.set("choices", format!("[{}]", proper.join(",")));
    }
    if object.string("id").is_none() {
        edit.set("id", quote(&identity.completion_id()));
    }
    if object.string("object").as_deref() != Some("chat.completion") {
        edit.set("object", r#""chat.completion""#);
    }
    if object
        .get("created")
        .is_none_or(|created| !is_integer(created.get()))
    {
        edit.set("created", identity.created.to_string());
    }
    let served = object.string("model").map(std::borrow::Cow::into_owned);
    if served.as_ref() != Some(&identity.model) {
        edit.set("model", quote(&identity.model));
    }
    let json = edit.finish().map_or_else(|| result.clone(), Bytes::from);
    let usage = object.present("usage").and_then(Usage::of);
    Ok(Completion {
        json,
        served,
        usage,
    })
}

/// A choice with what it lacks; `None` when it has no message.
fn proper_choice(at: usize, raw: Raw, told: &Transcript) -> Option<String> {
    let choice = RawObject::of(raw)?;
    let message = choice.object("message")?;
    let mut message_edit = message.edit();
    if message.string("role").is_none() {
        message_edit.set("role", "\"assistant\"");
    }
    if message.get("content").is_none() {
        message_edit.set("content", "null");
    }
    let own_index = choice
        .get("index")
        .and_then(|index| index.get().parse::<u64>().ok());
    let index = own_index.unwrap_or(at as u64);
    let reasoning = told
        .choice(index)
        .filter(|told| told.finish_reason.is_some())
        .map_or("", |told| &told.reasoning);
    if !reasoning.is_empty() && message.present("reasoning_content").is_none() {
        message_edit.set("reasoning_content", quote(reasoning));
    }

    let mut edit = choice.edit();
    if own_index.is_none() {
        edit.set("index", at.to_string());
    }
    let own_reason = choice.get("finish_reason");
    let has_calls = message
        .present("tool_calls")
        .and_then(Raw::array)
        .is_some_and(|calls| !calls.is_empty());
    let usual = if has_calls {
        "\"tool_calls\""
    } else {
        "\"stop\""
    };
    let reason = finish_reason(own_reason).unwrap_or(usual);
    if own_reason.map(Raw::get) != Some(reason) {
        edit.set("finish_reason", reason);
    }
    if choice.get("logprobs").is_none() {
        edit.set("logprobs", "null");
    }
    if let Some(message) = message_edit.finish() {
        edit.set("message", message);
    }
    Some(edit.finish().unwrap_or_else(|| raw.get().to_owned()))
}

/// The answer from a whole stream alone.
fn assembled(told: &Transcript) -> Result<Completion, NotACompletion> {
    if !told.is_finished() {
        return Err(NotACompletion);
    }
    let mut choices: Vec<&Told> = told.choices.iter().collect();
    choices.sort_by_key(|told| told.index);
    let choices: Vec<String> = choices.into_iter().map(Told::choice).collect();
    let envelope = told.envelope(None, None);
    let json = format!(
        r#"{{"id":{},"object":"chat.completion","created":{},"model":{},"choices":[{}]}}"#,
        envelope.id,
        envelope.created,
        envelope.model,
        choices.join(",")
    );
    Ok(Completion {
        json: json.into(),
        served: None,
        usage: told.spent(),
    })
}

impl Told {
    fn choice(&self) -> String {
        let or_null = |text: &str| {
            if text.is_empty() {
                "null".to_owned()
            } else {
                quote(text)
            }
        };
        let calls: Vec<String> = self
            .tool_calls
            .iter()
            .map(|call| {
                format!(
                    r#"{{"id":{},"type":"function","function":{{"name":{},"arguments":{}}}}}"#,
                    quote(&call.id),
                    quote(&call.name),
                    quote(&call.arguments)
                )
            })
            .collect();
        let content = if calls.is_empty() && self.refusal.is_empty() {
            quote(&self.content)
        } else {
            or_null(&self.content)
        };
        let mut message = format!(
            r#""role":"assistant","content":{content},"refusal":{}"#,
            or_null(&self.refusal)
        );
        if !self.reasoning.is_empty() {
            message += &format!(r#","reasoning_content":{}"#, quote(&self.reasoning));
        }
        if !calls.is_empty() {
            message += &format!(r#","tool_calls":[{}]"#, calls.join(","));
        }
        let reason = self.finish_reason.unwrap_or("\"stop\"");
        format!(
            r#"{{"index":{},"message":{{{message}}},"logprobs":null,"finish_reason":{reason}}}"#,
            self.index
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::Chunk;

    fn told(chunks: &[&'static str]) -> Transcript {
        let mut transcript = Transcript::new(&Identity::example());
        for chunk in chunks {
            transcript.add(&Chunk::parse(&Bytes::from_static(chunk.as_bytes())).unwrap());
        }
        transcript
    }

    fn translate(result: &str, told: &Transcript) -> Result<String, NotACompletion> {
        completion(
            Some(&Bytes::copy_from_slice(result.as_bytes())),
            told,
            &Identity::example(),
        )
        .map(|completion| String::from_utf8(completion.json.to_vec()).unwrap())
    }

    #[test]
    fn a_whole_completion_is_not_touched() {
        let whole = r#"{"id":"chatcmpl-1", "object":"chat.completion","created":1,"model":"m","x":1e400,
            "choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"logprobs":null,"finish_reason":"stop"}]}"#;
        assert_eq!(translate(whole, &told(&[])).as_deref(), Ok(whole));
    }

    #[test]
    fn what_is_missing_is_added() {
        assert_eq!(
            translate(r#"{"choices":[{"message":{"tool_calls":[{}]}}],"created":"soon","model":"m-2026"}"#, &told(&[])).as_deref(),
            Ok(concat!(
                r#"{"choices":[{"message":{"tool_calls":[{}],"role":"assistant","content":null},"index":0,"#,
                r#""finish_reason":"tool_calls","logprobs":null}],"created":1776874481,"model":"m","#,
                r#""id":"chatcmpl-task-1","object":"chat.completion"}"#
            ))
        );
        let served = completion(
            Some(&Bytes::from_static(
                br#"{"model":"m-2026","choices":[{"message":{}}]}"#,
            )),
            &told(&[]),
            &Identity::example(),
        );
        assert_eq!(served.unwrap().served.as_deref(), Some("m-2026"));
    }

    const THOUGHT: [&str; 2] = [
        r#"{"id":"c","created":1,"choices":[{"index":0,"delta":{"reasoning_content":"because"}}]}"#,
        r#"{"id":"c","created":1,"choices":[{"index":0,"delta":{"content":"yes"},"finish_reason":"stop"}]}"#,
    ];

    #[test]
    fn the_streams_reasoning_joins_the_result() {
        let result = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"logprobs":null,"finish_reason":"stop","message":{"role":"assistant","content":"yes"}}]}"#;
        let json = translate(result, &told(&THOUGHT)).unwrap();
        assert!(
            json.contains(r#""content":"yes","reasoning_content":"because"}"#),
            "{json}"
        );
        // Half a thought is not told as a whole one.
        assert_eq!(
            translate(result, &told(&THOUGHT[..1])).as_deref(),
            Ok(result)
        );
    }

    #[test]
    fn a_whole_stream_is_an_answer_without_a_result() {
        let completion = completion(None, &told(&THOUGHT), &Identity::example()).unwrap();
        assert_eq!(
            completion.json,
            r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"yes","refusal":null,"reasoning_content":"because"},"logprobs":null,"finish_reason":"stop"}]}"#
        );
        assert!(super::completion(None, &told(&THOUGHT[..1]), &Identity::example()).is_err());
    }

    #[test]
    fn what_is_no_completion_is_said_to_be_none() {
        for result in [
            "{}",
            r#"{"choices":[]}"#,
            r#"{"choices":[{}]}"#,
            r#"{"choices":{"message":{}}}"#,
        ] {
            assert_eq!(
                translate(result, &told(&[])),
                Err(NotACompletion),
                "{result}"
            );
        }
    }
}
