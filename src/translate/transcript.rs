use std::borrow::Cow;

use super::{
    Identity, Mold,
    chunk::Chunk,
    finish::finish_reason,
    mold::Piece,
    view::{ChoiceView, DeltaView, ToolCallView},
};
use crate::{
    json::{Raw, quote},
    openai::Usage,
};

/// What the client has been told so far, as far as the rest of the answer must go on from it.
#[derive(Debug)]
pub struct Transcript {
    /// What all chunks have in common, once the first one has been told.
    pub(super) begun: Option<Envelope>,
    /// What they have in common where the first one does not say.
    pub(super) own: Envelope,
    pub(super) choices: Vec<Told>,
    /// Whether the client has had its usage chunk.
    pub(super) has_usage: bool,
    /// Usage that came with or before choices, as JSON text; OpenAI's clients expect it behind all of them.
    pub(super) usage: Option<String>,
    /// What the usage says.
    spent: Option<Usage>,
    /// How many chunks it took.
    pub(super) chunks: u64,
    /// How many choices were asked for.
    expected: u64,
}

/// What all chunks of a stream have in common. All of it is JSON text.
#[derive(Debug, Clone)]
pub(super) struct Envelope {
    pub(super) id: String,
    pub(super) created: String,
    /// The model that the client asked for.
    pub(super) model: String,
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
    /// As JSON text.
    pub(super) finish_reason: Option<&'static str>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct ToldCall {
    pub(super) index: u64,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

impl Transcript {
    pub fn new(identity: &Identity) -> Self {
        Self {
            begun: None,
            own: Envelope {
                id: quote(&identity.completion_id()),
                created: identity.created.to_string(),
                model: quote(&identity.model),
            },
            choices: Vec::new(),
            has_usage: false,
            usage: None,
            spent: None,
            chunks: 0,
            expected: identity.choices,
        }
    }

    /// The transcript of the same answer before a word was told. Which choices were begun stays known, because a role is
    /// not to be told again.
    pub(super) fn without_words(&self) -> Self {
        let begun = self.choices.iter().map(|told| Told {
            index: told.index,
            has_role: told.has_role,
            ..Told::default()
        });
        Self {
            begun: self.begun.clone(),
            own: self.own.clone(),
            choices: begun.collect(),
            has_usage: self.has_usage,
            usage: self.usage.clone(),
            spent: self.spent,
            chunks: 0,
            expected: self.expected,
        }
    }

    /// Whether nothing has been told yet.
    pub fn is_empty(&self) -> bool {
        self.chunks == 0
    }

    /// Notes a chunk that is being forwarded.
    pub fn add(&mut self, chunk: &Chunk) {
        let view = &chunk.view;
        self.chunks += 1;
        if self.begun.is_none() {
            self.begun = Some(self.envelope(view.id, view.created));
        }
        match view.usage {
            Some(usage) if chunk.is_final_usage(self) => {
                self.has_usage = true;
                self.spent = Usage::of(usage);
            }
            Some(usage) => {
                self.usage = Some(usage.get().to_owned());
                self.spent = Usage::of(usage);
            }
            None => {}
        }
        for (at, choice) in view.choices.iter().flatten().enumerate() {
            let index = choice.index(at);
            let told = find_or_add(
                &mut self.choices,
                |told| told.index == index,
                || Told {
                    index,
                    ..Told::default()
                },
            );
            told.add(choice);
        }
    }

    /// Notes a chunk of this mold that is being forwarded; `false`, and nothing is noted, for any other.
    pub fn add_molded(&mut self, mold: &Mold, data: &[u8]) -> bool {
        let told = self
            .choices
            .iter_mut()
            .find(|told| told.index == mold.index());
        let (Some(text), Some(told)) = (mold.text(data).and_then(Raw::string), told) else {
            return false;
        };
        match mold.piece() {
            Piece::Content => told.content.push_str(&text),
            Piece::Reasoning => told.reasoning.push_str(&text),
        }
        self.chunks += 1;
        true
    }

    /// A chunk that says nothing new, for clients that count chunks; `None` when every choice is finished, for nothing may
    /// follow that. As the first chunk of a choice it gives its role.
    pub fn silent_chunk(&mut self) -> Option<String> {
        if self.choices.is_empty() {
            self.choices.push(Told {
                has_role: true,
                ..Told::default()
            });
            let envelope = self.envelope(None, None);
            let chunk = envelope.chunk(0, r#""role":"assistant","content":"""#, None, None);
            self.begun = Some(envelope);
            return Some(chunk);
        }
        let index = self
            .choices
            .iter()
            .find(|told| told.finish_reason.is_none())?
            .index;
        Some(self.envelope(None, None).chunk(index, "", None, None))
    }

    /// Whether every choice is finished, and as many were begun as were asked for.
    pub fn has_all_choices(&self) -> bool {
        self.is_finished() && self.choices.len() as u64 >= self.expected
    }

    /// Whether every choice that was begun has been given its finish reason.
    pub fn is_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|told| told.finish_reason.is_some())
    }

    /// Whether the client has had its usage chunk.
    pub fn has_usage(&self) -> bool {
        self.has_usage
    }

    /// What the stream told of the tokens that were used.
    pub fn spent(&self) -> Option<Usage> {
        self.spent
    }

    /// Whether the stream told the usage, in whichever way.
    pub fn knows_usage(&self) -> bool {
        self.has_usage || self.usage.is_some()
    }

    /// How many bytes of text it is.
    pub fn length(&self) -> usize {
        let of_call = |call: &ToldCall| call.name.len() + call.arguments.len();
        let of_choice = |told: &Told| {
            let calls: usize = told.tool_calls.iter().map(of_call).sum();
            told.content.len() + told.reasoning.len() + told.refusal.len() + calls
        };
        self.choices.iter().map(of_choice).sum()
    }

    /// The envelope of the chunks told so far, else of a first chunk or result with this id and time.
    pub(super) fn envelope(&self, id: Option<Raw>, created: Option<Raw>) -> Envelope {
        if let Some(begun) = &self.begun {
            return begun.clone();
        }
        let text = |value: Option<Raw>, is_good: fn(&str) -> bool, own: &str| {
            value
                .map(Raw::get)
                .filter(|text| is_good(text))
                .unwrap_or(own)
                .to_owned()
        };
        Envelope {
            id: text(id, |text| text.starts_with('"'), &self.own.id),
            created: text(created, is_integer, &self.own.created),
            model: self.own.model.clone(),
        }
    }

    pub(super) fn choice(&self, index: u64) -> Option<&Told> {
        self.choices.iter().find(|told| told.index == index)
    }
}

impl Told {
    fn add(&mut self, choice: &ChoiceView) {
        if let Some(delta) = &choice.delta {
            self.add_delta(delta);
        }
        // A first chunk without a role is given one on its way to the client.
        self.has_role = true;
        self.finish_reason = self.finish_reason.or(finish_reason(choice.finish_reason));
    }

    /// Which tool call a delta goes on with. Some providers leave the index out: then a new id begins a new call, and
    /// what has no id goes on with the last one.
    pub(super) fn call_index(&self, call: &ToolCallView) -> u64 {
        if let Some(index) = call.index {
            return index;
        }
        let last = self.tool_calls.iter().map(|told| told.index).max();
        let id = call.id.and_then(Raw::string).filter(|id| !id.is_empty());
        let Some(id) = id else {
            return last.unwrap_or(0);
        };
        let known = self.tool_calls.iter().find(|told| told.id == *id);
        known.map_or(last.map_or(0, |last| last + 1), |told| told.index)
    }

    fn add_delta(&mut self, delta: &DeltaView) {
        append(&mut self.content, delta.content);
        append(&mut self.reasoning, delta.reasoning_content);
        append(&mut self.refusal, delta.refusal);
        for call in delta.tool_calls.iter().flatten() {
            self.add_call(call);
        }
    }

    pub(super) fn add_call(&mut self, call: &ToolCallView) {
        let index = self.call_index(call);
        let told = find_or_add(
            &mut self.tool_calls,
            |told| told.index == index,
            || ToldCall {
                index,
                ..ToldCall::default()
            },
        );
        if told.id.is_empty() {
            append(&mut told.id, call.id);
        }
        if let Some(function) = &call.function {
            append(&mut told.name, function.name);
            append(&mut told.arguments, function.arguments);
        }
    }
}

pub(super) fn is_integer(text: &str) -> bool {
    text.parse::<i64>().is_ok()
}

fn append(text: &mut String, piece: Option<Raw>) {
    if let Some(piece) = piece.and_then(Raw::string) {
        match piece {
            Cow::Owned(piece) if text.is_empty() => *text = piece,
            piece => text.push_str(&piece),
        }
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
    use bytes::Bytes;

    #[test]
    fn silence_is_broken_without_saying_anything() {
        let mut transcript = Transcript::new(&Identity::example());
        let chunk = |delta: &str| {
            format!(
                r#"{{"id":"chatcmpl-task-1","object":"chat.completion.chunk","created":1776874481,"model":"m","choices":[{{"index":0,"delta":{{{delta}}},"finish_reason":null}}]}}"#
            )
        };
        let first = transcript.silent_chunk();
        assert_eq!(first, Some(chunk(r#""role":"assistant","content":"""#)));
        assert_eq!(transcript.silent_chunk(), Some(chunk("")));
        let last = Bytes::from_static(
            br#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        );
        transcript.add(&Chunk::parse(&last).unwrap());
        assert_eq!(transcript.silent_chunk(), None);
    }

    #[test]
    fn a_transcript_remembers_what_was_told() {
        let mut transcript = Transcript::new(&Identity::example());
        assert!(!transcript.is_finished());
        for text in [
            r#"{"id":"c1","created":5,"model":"m","choices":[{"index":1,"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"id":"c2","choices":[{"index":1,"delta":{"content":"h\u00e9"}},{"index":0,"delta":{"reasoning_content":"r"}}]}"#,
            r#"{"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":2,"id":"t","function":{"name":"f","arguments":"{"}}]}}]}"#,
            r#"{"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":2,"function":{"arguments":"}"}}]},"finish_reason":"tool_use"}]}"#,
        ] {
            transcript.add(&Chunk::parse(&Bytes::from_static(text.as_bytes())).unwrap());
        }
        assert_eq!(
            transcript.begun.as_ref().map(|begun| begun.id.as_str()),
            Some("\"c1\"")
        );
        let one = transcript.choice(1).unwrap();
        assert_eq!((one.content.as_str(), one.finish_reason), ("hé", None));
        let zero = transcript.choice(0).unwrap();
        let call = &zero.tool_calls[0];
        assert_eq!(
            (
                zero.reasoning.as_str(),
                call.id.as_str(),
                call.arguments.as_str()
            ),
            ("r", "t", "{}")
        );
        assert_eq!(zero.finish_reason, Some("\"tool_calls\""));
        assert!(!transcript.is_finished());
    }
}
