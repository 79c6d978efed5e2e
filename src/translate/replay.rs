use super::{
    Chunk, Transcript,
    distance::{Distance, Position},
    tail::member,
    transcript::{Told, ToldCall},
};
use crate::json::quote;

/// A stream that was opened again and starts over, on its way to where the client was left.
///
/// Whether a replay keeps ids, times and the boundaries of chunks is not known (CONTRACT.md, section 3), so what
/// counts is what the chunks add up to.
#[derive(Debug)]
pub struct Replay {
    transcript: Transcript,
    distance: Distance,
    chunks: u64,
    is_level: bool,
}

/// What a chunk of a replay means to the client.
#[derive(Debug, PartialEq, Eq)]
pub enum Met {
    /// It has been told all of it.
    Known,
    /// It has been told none of it, and the replay is over.
    New,
    /// It has been told a part; these chunks bring the rest, and the replay is over.
    Rest(Vec<String>),
    /// It has been told something else.
    Different,
}

impl Replay {
    /// A replay of what `told` tells.
    pub fn of(told: &Transcript) -> Self {
        Self {
            transcript: told.without_words(),
            distance: Distance::to(told),
            chunks: 0,
            is_level: false,
        }
    }

    /// Takes the next chunk of the replay of `told`, to which no text is added meanwhile. After [`Met::Rest`], the client
    /// has been told what this transcript says.
    pub fn meet(&mut self, told: &Transcript, chunk: &Chunk) -> Met {
        self.transcript.add(chunk);
        self.distance.update(told, &self.transcript, chunk);
        self.chunks += 1;
        let was_level = std::mem::take(&mut self.is_level);
        match self.distance.position() {
            Position::Behind => Met::Known,
            // It adds nothing, but it is one more than there were, or it is what the client still lacks.
            Position::Level
                if was_level
                    && (self.chunks > told.chunks
                        || chunk.is_final_usage(told) && !told.has_usage) =>
            {
                Met::New
            }
            Position::Level => {
                self.is_level = true;
                Met::Known
            }
            Position::Ahead if was_level => Met::New,
            Position::Ahead => Met::Rest(rest(told, &self.transcript)),
            Position::Different => Met::Different,
        }
    }

    /// Whether it says more of a choice that the client was told is finished. Nothing may follow a finish reason, so the
    /// client can no longer be told.
    pub fn is_late(&self, told: &Transcript) -> bool {
        told.choices
            .iter()
            .filter(|before| before.finish_reason.is_some())
            .filter_map(|before| Some((before, self.transcript.choice(before.index)?)))
            .any(|(before, now)| !delta(before, now).is_empty())
    }

    /// Whether this replay has told just what the client was told. If it ends here, it ends where the client is.
    pub fn is_level(&self) -> bool {
        self.is_level
    }

    /// Whether what comes next is new to the client, whatever it is.
    pub fn has_caught_up(&self, told: &Transcript) -> bool {
        self.is_level && self.chunks >= told.chunks
    }

    /// The replay's transcript, which takes the place of the one that it has overtaken.
    pub fn into_transcript(self) -> Transcript {
        self.transcript
    }
}

/// The chunks that bring the client from `told` to `replay`, which goes on from it.
fn rest(told: &Transcript, replay: &Transcript) -> Vec<String> {
    let envelope = told.envelope(None, None);
    let nothing = Told::default();
    let mut chunks = Vec::new();
    for choice in &replay.choices {
        let before = told.choice(choice.index).unwrap_or(&nothing);
        let delta = delta(before, choice);
        let reason = choice
            .finish_reason
            .filter(|_| before.finish_reason.is_none());
        if !delta.is_empty() || reason.is_some() {
            chunks.push(envelope.chunk(choice.index, &delta, None, reason));
        }
    }
    chunks
}

/// What `now` has more than `before`, as the inside of a delta.
fn delta(before: &Told, now: &Told) -> String {
    let mut delta = String::new();
    if !before.has_role {
        member(&mut delta, "role", "\"assistant\"");
    }
    for (name, before, now) in [
        ("content", &before.content, &now.content),
        ("reasoning_content", &before.reasoning, &now.reasoning),
        ("refusal", &before.refusal, &now.refusal),
    ] {
        match now.strip_prefix(before.as_str()) {
            Some(rest) if !rest.is_empty() => member(&mut delta, name, &quote(rest)),
            _ => {}
        }
    }
    let calls: Vec<String> = now
        .tool_calls
        .iter()
        .filter_map(|call| rest_of_call(before, call))
        .collect();
    if !calls.is_empty() {
        member(&mut delta, "tool_calls", &format!("[{}]", calls.join(",")));
    }
    delta
}

fn rest_of_call(before: &Told, now: &ToldCall) -> Option<String> {
    let index = now.index;
    let Some(before) = before.tool_calls.iter().find(|call| call.index == index) else {
        return Some(format!(
            r#"{{"index":{index},"id":{},"type":"function","function":{{"name":{},"arguments":{}}}}}"#,
            quote(&now.id),
            quote(&now.name),
            quote(&now.arguments)
        ));
    };
    let mut function = String::new();
    for (name, before, now) in [
        ("name", &before.name, &now.name),
        ("arguments", &before.arguments, &now.arguments),
    ] {
        match now.strip_prefix(before.as_str()) {
            Some(rest) if !rest.is_empty() => member(&mut function, name, &quote(rest)),
            _ => {}
        }
    }
    (!function.is_empty()).then(|| format!(r#"{{"index":{index},"function":{{{function}}}}}"#))
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
