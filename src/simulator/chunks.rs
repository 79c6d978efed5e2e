//! An answer cut into the `chat.completion.chunk` objects of its stream. Concatenated they are the answer exactly.

use serde_json::{Value, json};

use super::answer::{Answer, Choice, FINGERPRINT};

/// How many characters of a tool call's arguments come at once, when one token does.
const ARGUMENT_PIECE: usize = 9;

/// One chunk to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chunk {
    Delta { choice: usize, delta: Delta },
    Usage,
}

/// What a chunk adds to its choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delta {
    Role,
    Reasoning(String),
    /// Tokens of the text.
    Text(Vec<String>),
    /// The index of a tool call, with its id and name.
    Call(usize),
    /// The index of a tool call, and more of its arguments.
    Arguments(usize, String),
    Finish,
}

/// Cuts an answer into chunks of `grain` tokens each; choices take turns.
pub(super) fn cut(answer: &Answer, grain: usize, with_usage: bool) -> Vec<Chunk> {
    let mut turns: Vec<_> = answer
        .choices
        .iter()
        .map(|choice| deltas(choice, grain).into_iter())
        .enumerate()
        .collect();
    let mut chunks = Vec::new();
    loop {
        let before = chunks.len();
        for (choice, deltas) in &mut turns {
            let choice = *choice;
            chunks.extend(deltas.next().map(|delta| Chunk::Delta { choice, delta }));
        }
        if chunks.len() == before {
            break;
        }
    }
    if with_usage {
        chunks.push(Chunk::Usage);
    }
    chunks
}

fn deltas(choice: &Choice, grain: usize) -> Vec<Delta> {
    let mut deltas = vec![Delta::Role];
    deltas.extend(
        choice
            .reasoning
            .chunks(grain)
            .map(|tokens| Delta::Reasoning(tokens.concat())),
    );
    deltas.extend(
        choice
            .content
            .iter()
            .flat_map(|content| content.chunks(grain))
            .map(|tokens| Delta::Text(tokens.to_vec())),
    );
    for (index, call) in choice.tool_calls.iter().enumerate() {
        deltas.push(Delta::Call(index));
        let characters: Vec<char> = call.arguments.chars().collect();
        deltas.extend(
            characters
                .chunks(ARGUMENT_PIECE * grain)
                .map(|piece| Delta::Arguments(index, piece.iter().collect())),
        );
    }
    deltas.push(Delta::Finish);
    deltas
}

/// How one stream words its chunks.
#[derive(Debug)]
pub(super) struct Wording<'a> {
    pub(super) answer: &'a Answer,
    /// Differs from the answer's own where a replay is to look different.
    pub(super) id: String,
    /// OpenAI writes `"usage": null` into all chunks before the one with the usage.
    pub(super) with_usage: bool,
}

impl Wording<'_> {
    /// The object that goes over the wire.
    pub(super) fn chunk(&self, chunk: &Chunk) -> Value {
        let (choices, usage) = match chunk {
            Chunk::Delta { choice, delta } => (json!([self.choice(*choice, delta)]), Value::Null),
            Chunk::Usage => (json!([]), self.answer.usage()),
        };
        let mut object = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.answer.created,
            "model": self.answer.model,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
        });
        if self.with_usage {
            object["usage"] = usage;
        }
        object
    }

    fn choice(&self, index: usize, delta: &Delta) -> Value {
        let Some(choice) = self.answer.choices.get(index) else {
            return Value::Null;
        };
        let mut logprobs = Value::Null;
        let mut finish_reason = None;
        let delta = match delta {
            Delta::Role => {
                let content = choice.content.as_ref().map(|_| "");
                json!({"role": "assistant", "content": content, "refusal": null})
            }
            Delta::Reasoning(text) => json!({"reasoning_content": text}),
            Delta::Text(tokens) => {
                logprobs = self.answer.logprobs_of(Some(tokens));
                json!({"content": tokens.concat()})
            }
            Delta::Call(call) => {
                json!({"tool_calls": choice.tool_calls.get(*call).map(|begun| [json!({
                    "index": call,
                    "id": begun.id,
                    "type": "function",
                    "function": {"name": begun.name, "arguments": ""},
                })])})
            }
            Delta::Arguments(call, piece) => {
                json!({"tool_calls": [{"index": call, "function": {"arguments": piece}}]})
            }
            Delta::Finish => {
                finish_reason = Some(choice.finish_reason);
                json!({})
            }
        };
        json!({"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason})
    }
}

/// The same chunks with other words.
pub(super) fn reworded(mut chunks: Vec<Chunk>) -> Vec<Chunk> {
    for chunk in &mut chunks {
        if let Chunk::Delta {
            delta: Delta::Text(tokens),
            ..
        } = chunk
        {
            for token in tokens {
                *token = token.to_uppercase();
            }
        }
    }
    chunks
}

/// The text of the first choice as far as these chunks tell it.
pub(super) fn text_so_far(chunks: &[Chunk]) -> String {
    let texts = chunks.iter().filter_map(|chunk| match chunk {
        Chunk::Delta {
            choice: 0,
            delta: Delta::Text(tokens),
        } => Some(tokens.concat()),
        _ => None,
    });
    texts.collect()
}
