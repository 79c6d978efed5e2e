use super::{Chunk, Transcript};
use crate::json::Raw;

/// What the chunks of a stream have in common from one to the next: nearly all of them differ in one string, the piece of
/// text that they add.
///
/// A chunk that fits needs no parsing. It has the bytes of the one before, but for what is inside of that string, and
/// what is there is the inside of a string too: so whoever would parse it would find the same members with the same
/// values, and another text. `mold_tests.rs` holds that.
#[derive(Debug)]
pub struct Mold {
    /// Up to and with the string's opening quote.
    before: Vec<u8>,
    /// From its closing quote on.
    behind: Vec<u8>,
    piece: Piece,
    /// The index of the choice that goes on.
    index: u64,
}

/// Which text goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Content,
    Reasoning,
}

impl Mold {
    /// The mold of a chunk that adds text to one choice and says nothing else; `None` for any other. `told` has the chunk
    /// already.
    pub fn of(chunk: &Chunk, told: &Transcript) -> Option<Self> {
        let [choice] = chunk.view.choices.as_deref()? else {
            return None;
        };
        let (index, delta) = (choice.index?, choice.delta.as_ref()?);
        let says_more = chunk.view.usage.is_some()
            || choice.finish_reason.is_some()
            || delta.role.is_some()
            || delta.refusal.is_some()
            || delta.tool_calls.is_some();
        // What follows a finish reason is not forwarded as it is.
        let is_finished = told.choice(index)?.finish_reason.is_some();
        if says_more || is_finished {
            return None;
        }
        let (piece, text) = match (delta.content, delta.reasoning_content) {
            (Some(text), None) => (Piece::Content, text),
            (None, Some(text)) => (Piece::Reasoning, text),
            _ => return None,
        };
        text.string()?;
        let data: &[u8] = chunk.data;
        let start = text.get().as_ptr().addr() - data.as_ptr().addr() + 1;
        let end = start + text.get().len() - 2;
        Some(Self {
            before: data.get(..start)?.to_vec(),
            behind: data.get(end..)?.to_vec(),
            piece,
            index,
        })
    }

    /// The text that a chunk adds, quoted, if it is of this mold.
    pub(super) fn text<'a>(&self, data: &'a [u8]) -> Option<Raw<'a>> {
        let inside = data
            .strip_prefix(&*self.before)?
            .strip_suffix(&*self.behind)?;
        let start = self.before.len() - 1;
        let quoted = data.get(start..start + inside.len() + 2)?;
        Raw::parse(std::str::from_utf8(quoted).ok()?).ok()
    }

    pub(super) fn piece(&self) -> Piece {
        self.piece
    }

    pub(super) fn index(&self) -> u64 {
        self.index
    }
}

#[cfg(test)]
#[path = "mold_tests.rs"]
mod tests;
