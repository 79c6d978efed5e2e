//! Words into words: the client's request into a submission, the upstream's answer into OpenAI's. Pure.

mod chunk;
mod completion;
mod error;
mod media;
mod models;
mod pattern;
mod settings;
mod submission;
mod tail;

pub use chunk::{Chunk, NotAChunk, Transcript};
pub use completion::{NotACompletion, completion};
pub use error::{ambiguous, ended, refused, unreachable, upload_failed, upload_refused};
pub use media::{Upload, suspect};
pub use models::{NotAModelList, model_list};
pub use pattern::{ByModel, Pattern};
pub use settings::{Settings, Wait};
pub use submission::{Draft, draft};
pub use tail::{Mismatch, tail};

/// What an answer is called where the upstream leaves it out.
#[derive(Debug, Clone)]
pub struct Identity<'a> {
    pub task: &'a str,
    /// The model that the client asked for.
    pub model: &'a str,
    /// Unix seconds.
    pub created: u64,
}

impl Identity<'_> {
    /// An answer's id that tells which task it came from.
    fn completion_id(&self) -> String {
        format!("chatcmpl-{}", self.task)
    }
}
