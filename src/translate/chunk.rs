use bytes::Bytes;

use super::{
    Transcript,
    finish::finish_reason,
    transcript::{Told, is_integer},
    view::{ChoiceView, View},
};
use crate::{
    fox::Failure,
    json::{Raw, RawObject},
};

/// As JSON text.
const OBJECT: &str = r#""chat.completion.chunk""#;

/// The parts of a `chat.completion.chunk` that foxbridge must understand; the rest travels on unread.
#[derive(Debug)]
pub struct Chunk<'a> {
    pub(super) data: &'a Bytes,
    pub(super) view: View<'a>,
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

impl ChoiceView<'_> {
    /// A choice without an index is known by its place.
    pub(super) fn index(&self, at: usize) -> u64 {
        self.index.unwrap_or(at as u64)
    }

    /// Whether the client can have this choice just as it is, after what it has been told of it.
    fn is_proper(&self, told: Option<&Told>) -> bool {
        let Some(delta) = &self.delta else {
            return false;
        };
        let reason = self.finish_reason.map(Raw::get);
        let has_role = told.is_some_and(|told| told.has_role);
        let is_finished = told.is_some_and(|told| told.finish_reason.is_some());
        self.index.is_some()
            && delta.role.is_some() != has_role
            && (reason.is_none() || !is_finished && reason == finish_reason(self.finish_reason))
            && delta
                .tool_calls
                .iter()
                .flatten()
                .all(|call| call.index.is_some())
    }
}

impl<'a> Chunk<'a> {
    /// Reads the data of one event.
    pub fn parse(data: &'a Bytes) -> Result<Self, NotAChunk> {
        let malformed = |error: &dyn std::fmt::Display| NotAChunk::Malformed(error.to_string());
        // What is skipped over is not looked at, so the whole is checked for being text first.
        let text = std::str::from_utf8(data).map_err(|error| malformed(&error))?;
        let view: View = serde_json::from_str(text).map_err(|error| malformed(&error))?;
        match (&view.choices, view.error) {
            (None, Some(_)) => Err(NotAChunk::Error(Failure::of_event(data))),
            // Some providers tell an error in mid-stream beside a choice that they call finished.
            (Some(_), Some(error)) if !matches!(error.get(), "\"\"" | "false") => {
                Err(NotAChunk::Error(Failure::of_event(data)))
            }
            (None, None) => Err(NotAChunk::Malformed("it has no choices".into())),
            // Which of the two comes first, and has the role, nobody can know.
            (Some(choices), _) if has_one_twice(choices) => {
                Err(NotAChunk::Malformed("it has a choice twice".into()))
            }
            (Some(_), _) => Ok(Self { data, view }),
        }
    }

    /// What the client gets of it, `told` being what it was told before: mostly the very bytes.
    ///
    /// Changed is only what OpenAI's types and helpers rely on: one id, time and model through a stream, the model
    /// being the one that was asked for; a role in the first delta of each choice; one finish reason a choice, of
    /// OpenAI's words. Usage is told once, behind all choices, and only to those who asked; nobody else gets a chunk
    /// without choices (WIRE.md: user code indexes `choices[0]`).
    pub fn for_client(&self, told: &Transcript, include_usage: bool) -> Option<Bytes> {
        let choices = self.view.choices.as_deref().unwrap_or_default();
        if choices.is_empty() && !(include_usage && self.is_final_usage(told) && !told.has_usage) {
            return None;
        }
        let proper_choices = choices
            .iter()
            .enumerate()
            .all(|(at, choice)| choice.is_proper(told.choice(choice.index(at))));
        let misplaced_usage = self.view.usage.is_some() && !choices.is_empty();
        if proper_choices && !misplaced_usage && self.has_proper_envelope(told) {
            return Some(self.data.clone());
        }
        let text = std::str::from_utf8(self.data).ok()?;
        let object = RawObject::parse(text).ok()?;
        let mut edit = object.edit();
        if !self.has_proper_envelope(told) {
            let envelope = told.envelope(self.view.id, self.view.created);
            edit.set("id", envelope.id);
            edit.set("object", OBJECT);
            edit.set("created", envelope.created);
            edit.set("model", envelope.model);
        }
        if misplaced_usage {
            edit.remove("usage");
        }
        if !proper_choices {
            let raw = object
                .get("choices")
                .and_then(Raw::array)
                .unwrap_or_default();
            let proper: Vec<String> = raw
                .into_iter()
                .zip(choices)
                .enumerate()
                .map(|(at, (raw, choice))| proper_choice(raw, choice, at, told))
                .collect();
            edit.set("choices", format!("[{}]", proper.join(",")));
        }
        edit.finish().map(Bytes::from)
    }

    /// Whether these are its very bytes.
    pub fn is(&self, data: &Bytes) -> bool {
        self.data.as_ptr() == data.as_ptr() && self.data.len() == data.len()
    }

    /// Whether this is the chunk behind all choices that tells the usage.
    pub(super) fn is_only_usage(&self) -> bool {
        self.view.usage.is_some() && self.view.choices.as_ref().is_none_or(Vec::is_empty)
    }

    /// Whether this tells the usage of the whole answer. What comes earlier is an intermediate count.
    pub(super) fn is_final_usage(&self, told: &Transcript) -> bool {
        self.is_only_usage() && told.has_all_choices()
    }

    /// The index of each choice that it says something of.
    pub(super) fn choice_indices(&self) -> impl Iterator<Item = u64> {
        let choices = self.view.choices.iter().flatten().enumerate();
        choices.map(|(at, choice)| choice.index(at))
    }

    fn has_proper_envelope(&self, told: &Transcript) -> bool {
        let View {
            id,
            created,
            model,
            object,
            ..
        } = &self.view;
        let is = |value: &Option<Raw>, text: &str| value.is_some_and(|value| value.get() == text);
        let has_proper_source = match &told.begun {
            Some(begun) => is(id, &begun.id) && is(created, &begun.created),
            None => {
                id.is_some_and(|id| id.get().starts_with('"'))
                    && created.is_some_and(|created| is_integer(created.get()))
            }
        };
        has_proper_source && is(model, &told.own.model) && is(object, OBJECT)
    }
}

fn has_one_twice(choices: &[ChoiceView]) -> bool {
    if choices.len() < 2 {
        return false;
    }
    let indices = choices.iter().enumerate();
    let mut indices: Vec<u64> = indices.map(|(at, choice)| choice.index(at)).collect();
    indices.sort_unstable();
    indices.windows(2).any(|pair| pair.first() == pair.last())
}

/// A choice with what it lacks, and without a second finish reason.
fn proper_choice(raw: Raw, choice: &ChoiceView, at: usize, told: &Transcript) -> String {
    let before = told.choice(choice.index(at));
    let object = RawObject::of(raw).unwrap_or_default();
    let mut edit = object.edit();
    if choice.index.is_none() {
        edit.set("index", at.to_string());
    }
    let is_finished = before.is_some_and(|before| before.finish_reason.is_some());
    let reason = finish_reason(choice.finish_reason).filter(|_| !is_finished);
    edit.set("finish_reason", reason.unwrap_or("null"));

    let delta = object.object("delta").unwrap_or_default();
    let mut delta_edit = delta.edit();
    let has_role = before.is_some_and(|before| before.has_role);
    if has_role {
        // The official helpers join the strings of all deltas, this one too.
        delta_edit.remove("role");
    } else if delta.present("role").is_none() {
        delta_edit.set("role", "\"assistant\"");
    }
    let calls = choice
        .delta
        .as_ref()
        .and_then(|delta| delta.tool_calls.as_deref())
        .unwrap_or_default();
    if calls.iter().any(|call| call.index.is_none()) {
        let raw = delta
            .get("tool_calls")
            .and_then(Raw::array)
            .unwrap_or_default();
        // The calls of one delta count on from each other, as they will when they have been told.
        let mut so_far = before.cloned().unwrap_or_default();
        let numbered = raw.into_iter().zip(calls).map(|(raw, call)| {
            let index = so_far.call_index(call);
            so_far.add_call(call);
            with_index(index, raw)
        });
        let numbered: Vec<String> = numbered.collect();
        delta_edit.set("tool_calls", format!("[{}]", numbered.join(",")));
    }
    if let Some(delta) = delta_edit.finish() {
        edit.set("delta", delta);
    } else if object.present("delta").is_none() {
        edit.set("delta", "{}");
    }
    edit.finish().unwrap_or_else(|| raw.get().to_owned())
}

/// A tool call as deltas have it: with an index, this one where it has none.
pub(super) fn with_index(index: u64, call: Raw) -> String {
    let Some(object) = RawObject::of(call) else {
        return call.get().to_owned();
    };
    let mut edit = object.edit();
    if object.present("index").is_none() {
        edit.set("index", index.to_string());
    }
    edit.finish().unwrap_or_else(|| call.get().to_owned())
}

#[cfg(test)]
#[path = "chunk_tests.rs"]
mod tests;
