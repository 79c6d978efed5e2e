use bytes::Bytes;

use super::{
    Completion, NotACompletion,
    text::{self, TextChunks},
};
use crate::openai::{CompletionRequest, RequestFault};

/// The words in which a client asks and is answered. In between everything is a chat.
#[derive(Debug)]
pub enum Dialect {
    /// `/v1/chat/completions`: nothing is changed.
    Chat,
    /// `/v1/completions`, the legacy API.
    Text(TextChunks),
}

impl Dialect {
    /// The chat request that this body asks for.
    ///
    /// # Errors
    /// What this dialect can say and a chat cannot; what is wrong in both is found when the chat request is read.
    pub fn chat_request(&self, body: &Bytes) -> Result<Bytes, RequestFault> {
        match self {
            Self::Chat => Ok(body.clone()),
            Self::Text(_) => CompletionRequest::parse(body).map(|request| text::request(&request)),
        }
    }

    /// The answer, from a whole `chat.completion`.
    pub fn completion(&self, chat: Completion) -> Result<Completion, NotACompletion> {
        match self {
            Self::Chat => Ok(chat),
            Self::Text(_) => Ok(Completion {
                json: text::completion(&chat.json)?,
                ..chat
            }),
        }
    }

    /// The next chunk, from the next `chat.completion.chunk`.
    pub fn chunk(&mut self, chunk: Bytes) -> Bytes {
        match self {
            Self::Chat => chunk,
            Self::Text(chunks) => chunks.chunk(chunk),
        }
    }
}
