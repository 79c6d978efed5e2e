//! The legacy API's words for a chat: a prompt for a message, a `text_completion` for a `chat.completion`.
//!
//! The legacy default of 16 tokens is not added: it would cut off answers that nobody asked to be short.

mod answer;
mod logprobs;
mod request;

pub use answer::TextChunks;
pub(super) use answer::completion;
pub(super) use request::request;
