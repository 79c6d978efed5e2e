use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    fox::Failure,
    json::{self, RawObject},
};

/// The parts of a `chat.completion.chunk` that foxbridge must understand; the rest travels on unread.
#[derive(Debug)]
pub struct Chunk<'a> {
    data: &'a Bytes,
    view: View<'a>,
}

/// Why an event that should be a chunk is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAChunk {
    /// It is an error in a chunk's place.
    #[error("an error in a chunk's place")]
    Error(Failure),
    #[error("malformed chunk: {0}")]
    Malformed(String),
}

#[derive(Debug, Deserialize)]
struct View<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    created: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<Vec<ChoiceView<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct ChoiceView<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow, default)]
    delta: Option<DeltaView<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct DeltaView<'a> {
    #[serde(borrow, default)]
    role: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<ToolCallView<'a>>>,
}

#[derive(Debug, Deserialize)]
struct ToolCallView<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow, default)]
    function: Option<FunctionView<'a>>,
}

#[derive(Debug, Deserialize)]
struct FunctionView<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

impl<'a> Chunk<'a> {
    /// Reads the data of one event.
    pub fn parse(data: &'a Bytes) -> Result<Self, NotAChunk> {
        let view: View = serde_json::from_slice(data)
            .map_err(|error| NotAChunk::Malformed(error.to_string()))?;
        match (&view.choices, view.error) {
            (None, Some(_)) => Err(NotAChunk::Error(Failure::of_event(data))),
            (None, None) => Err(NotAChunk::Malformed("it has no choices".into())),
            (Some(_), _) => Ok(Self { data, view }),
        }
    }

    /// What the client gets of it: mostly the very bytes, and nothing (`None`) for a chunk that only carries
    /// usage when the client did not ask for usage (WIRE.md: user code indexes `choices[0]`).
    pub fn for_client(&self, include_usage: bool) -> Option<Bytes> {
        let has_choices = self
            .view
            .choices
            .as_ref()
            .is_some_and(|choices| !choices.is_empty());
        match (has_choices, self.view.usage) {
            (false, None) => None,
            (false, Some(_)) => include_usage.then(|| self.data.clone()),
            (true, Some(_)) if !include_usage => Some(self.without_usage()),
            (true, _) => Some(self.data.clone()),
        }
    }

    fn without_usage(&self) -> Bytes {
        let text = std::str::from_utf8(self.data).unwrap_or_default();
        let edited = RawObject::parse(text).ok().and_then(|object| {
            let mut edit = object.edit();
            edit.remove("usage");
            edit.finish()
        });
        edited.map_or_else(|| self.data.clone(), Bytes::from)
    }
}

/// What the client has been told so far, as far as the rest of the answer must go on from it.
#[derive(Debug, Default)]
pub struct Transcript {
    pub(super) id: Option<String>,
    /// JSON text.
    pub(super) created: Option<String>,
    pub(super) model: Option<String>,
    pub(super) choices: Vec<Told>,
    pub(super) has_usage: bool,
}

/// One choice of a transcript.
#[derive(Debug, Default, Clone)]
pub(super) struct Told {
    pub(super) index: u64,
    pub(super) has_role: bool,
    pub(super) content: String,
    pub(super) reasoning: String,
    pub(super) refusal: String,
    pub(super) tool_calls: Vec<ToldCall>,
    pub(super) is_finished: bool,
}

#[derive(Debug, Default, Clone)]
pub(super) struct ToldCall {
    pub(super) index: u64,
    pub(super) name: String,
    pub(super) arguments: String,
}

impl Transcript {
    /// Notes a chunk that is being forwarded.
    pub fn add(&mut self, chunk: &Chunk) {
        let view = &chunk.view;
        if self.id.is_none() {
            self.id = view.id.and_then(json::string).map(Cow::into_owned);
            self.created = view.created.map(|created| created.get().to_string());
            self.model = view.model.and_then(json::string).map(Cow::into_owned);
        }
        self.has_usage |= view.usage.is_some();
        for choice in view.choices.iter().flatten() {
            let told = find_or_add(
                &mut self.choices,
                |told| told.index == choice.index,
                || Told {
                    index: choice.index,
                    ..Told::default()
                },
            );
            told.is_finished |= choice.finish_reason.is_some();
            if let Some(delta) = &choice.delta {
                told.add(delta);
            }
        }
    }

    /// Whether every choice that was begun has been given its finish reason.
    pub fn is_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|told| told.is_finished)
    }
}

impl Told {
    fn add(&mut self, delta: &DeltaView) {
        self.has_role |= delta.role.is_some();
        append(&mut self.content, delta.content);
        append(&mut self.reasoning, delta.reasoning_content);
        append(&mut self.refusal, delta.refusal);
        for call in delta.tool_calls.iter().flatten() {
            let told = find_or_add(
                &mut self.tool_calls,
                |told| told.index == call.index,
                || ToldCall {
                    index: call.index,
                    ..ToldCall::default()
                },
            );
            if let Some(function) = &call.function {
                append(&mut told.name, function.name);
                append(&mut told.arguments, function.arguments);
            }
        }
    }
}

fn append(text: &mut String, piece: Option<&RawValue>) {
    if let Some(piece) = piece.and_then(json::string) {
        text.push_str(&piece);
    }
}

fn find_or_add<T>(
    items: &mut Vec<T>,
    is_it: impl Fn(&T) -> bool,
    make: impl FnOnce() -> T,
) -> &mut T {
    let at = items.iter().position(is_it).unwrap_or_else(|| {
        items.push(make());
        items.len() - 1
    });
    &mut items[at]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[test]
    fn only_usage_is_ever_taken_out() {
        let plain = bytes(
            r#"{"id":"c","choices":[{"index":0,"delta":{"content":"a","x":1e400}}],"usage":null}"#,
        );
        let both = bytes(
            r#"{"id":"c","choices":[{"index":0,"delta":{}}],"usage":{"total_tokens":1},"y":2}"#,
        );
        let usage = bytes(r#"{"id":"c","choices":[],"usage":{"total_tokens":1}}"#);
        let empty = bytes(r#"{"id":"c","choices":[],"prompt_filter_results":[]}"#);
        let client = |data: &Bytes, wants| Chunk::parse(data).unwrap().for_client(wants);
        assert_eq!(client(&plain, false), Some(plain.clone()));
        assert_eq!(client(&plain, true), Some(plain.clone()));
        assert_eq!(client(&both, true), Some(both.clone()));
        assert_eq!(
            client(&both, false),
            Some(bytes(
                r#"{"id":"c","choices":[{"index":0,"delta":{}}],"y":2}"#
            ))
        );
        assert_eq!(client(&usage, true), Some(usage.clone()));
        assert_eq!(client(&usage, false), None);
        assert_eq!(client(&empty, true), None);
    }

    #[test]
    fn what_is_no_chunk() {
        let parse = |text: &str| Chunk::parse(&bytes(text)).map(|_| ()).unwrap_err();
        assert!(
            matches!(parse(r#"{"error":{"message":"x"}}"#), NotAChunk::Error(failure) if failure.message == "x")
        );
        for malformed in [
            "{",
            "",
            "[]",
            "7",
            "{}",
            r#"{"choices":3}"#,
            r#"{"choices":[{"delta":"x"}]}"#,
            "\u{0}",
        ] {
            assert!(
                matches!(parse(malformed), NotAChunk::Malformed(_)),
                "{malformed}"
            );
        }
    }

    #[test]
    fn a_transcript_remembers_what_was_told() {
        let mut transcript = Transcript::default();
        assert!(!transcript.is_finished());
        for text in [
            r#"{"id":"c1","created":5,"model":"m","choices":[{"index":1,"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"id":"c1","choices":[{"index":1,"delta":{"content":"h\u00e9"}},{"index":0,"delta":{"reasoning_content":"r"}}]}"#,
            r#"{"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":2,"id":"t","function":{"name":"f","arguments":"{"}}]}}]}"#,
            r#"{"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":2,"function":{"arguments":"}"}}]},"finish_reason":"tool_calls"}]}"#,
        ] {
            transcript.add(&Chunk::parse(&bytes(text)).unwrap());
        }
        assert_eq!(transcript.id.as_deref(), Some("c1"));
        let one = &transcript.choices[0];
        assert_eq!(
            (
                one.index,
                one.has_role,
                one.content.as_str(),
                one.is_finished
            ),
            (1, true, "hé", false)
        );
        let zero = &transcript.choices[1];
        assert_eq!(
            (
                zero.reasoning.as_str(),
                zero.tool_calls[0].arguments.as_str()
            ),
            ("r", "{}")
        );
        assert!(zero.is_finished && !transcript.is_finished());
    }
}
