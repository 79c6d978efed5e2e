//! The client's words: what OpenAI's API lets a client say, and how it says that something is wrong.

mod chat;
mod completions;
mod error_body;
mod request_fault;
mod responses;
mod usage;

pub use chat::{ChatRequest, TokenLimit};
pub use completions::CompletionRequest;
pub use error_body::ErrorBody;
pub use request_fault::RequestFault;
pub use responses::{Input, ResponseRequest};
pub use usage::Usage;
