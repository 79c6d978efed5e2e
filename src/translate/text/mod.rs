//! The legacy API's words for a chat: a prompt for a message, a `text_completion` for a `chat.completion`.
//!
//! The legacy default of 16 tokens is not added: it would cut off answers that nobody asked to be short.

mod answer;
mod logprobs;
mod request;

pub use answer::TextChunks;
pub(super) use answer::completion;

use bytes::Bytes;

use crate::openai::{CompletionRequest, RequestFault};

/// The chat request that the body of a legacy request asks for.
///
/// # Errors
/// What the legacy API can say and a chat cannot; what is wrong in both is found when the chat request is read.
pub fn text_chat(body: &Bytes) -> Result<Bytes, RequestFault> {
    CompletionRequest::parse(body).map(|request| request::request(&request))
}
