use bytes::{Bytes, BytesMut};

use super::{
    Completion, Events, NotACompletion, Responder,
    text::{self, TextChunks},
};
use crate::{
    api_error::ApiError,
    sse::{DONE, write_data},
};

/// The words in which a client is answered. Up to here everything is a chat.
#[derive(Debug)]
pub enum Dialect {
    /// `/v1/chat/completions`: nothing is changed.
    Chat,
    /// `/v1/completions`, the legacy API.
    Text(TextChunks),
    /// `/v1/responses`, in one piece.
    Response(Box<Responder>),
    /// `/v1/responses`, as a stream.
    Events(Box<Events>),
}

impl Dialect {
    /// The answer, from a whole `chat.completion`, at `now` in Unix seconds.
    pub fn completion(&self, chat: Completion, now: u64) -> Result<Completion, NotACompletion> {
        let json = match self {
            Self::Chat | Self::Events(_) => return Ok(chat),
            Self::Text(_) => text::completion(&chat.json)?,
            Self::Response(responder) => responder.response(&chat.json, now)?,
        };
        Ok(Completion { json, ..chat })
    }

    /// Writes what comes before the first chunk.
    pub fn begin(&mut self, out: &mut BytesMut) {
        if let Self::Events(events) = self {
            events.begin(out);
        }
    }

    /// Writes the frames of the next `chat.completion.chunk`.
    pub fn tell(&mut self, chunk: Bytes, out: &mut BytesMut) {
        match self {
            Self::Chat | Self::Response(_) => write_data(out, &chunk),
            Self::Text(chunks) => write_data(out, &chunks.chunk(chunk)),
            Self::Events(events) => events.hear(&chunk, out),
        }
    }

    /// Breaks a silence in its own way, if it has one, and says whether that was written or a comment must do.
    pub fn break_silence(&mut self, out: &mut BytesMut) -> Option<bool> {
        match self {
            Self::Events(events) => Some(events.break_silence(out)),
            _ => None,
        }
    }

    /// Writes what comes behind a whole answer, and only there, at `now` in Unix seconds.
    pub fn finish(&mut self, now: u64, out: &mut BytesMut) {
        match self {
            Self::Events(events) => events.finish(now, out),
            _ => out.extend_from_slice(DONE),
        }
    }

    /// Writes what went wrong, behind which nothing follows. `is_final`: the task itself has failed.
    pub fn fail(&mut self, error: &ApiError, is_final: bool, out: &mut BytesMut) {
        match self {
            Self::Events(events) => events.fail(error, is_final, out),
            _ => write_data(out, &error.body()),
        }
    }
}
