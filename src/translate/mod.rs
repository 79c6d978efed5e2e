//! Words into words: the client's request into a submission, the upstream's answer into OpenAI's. Pure.

mod chunk;
mod completion;
mod dialect;
mod distance;
mod error;
mod fallbacks;
mod finish;
mod media;
mod mime;
mod models;
mod mold;
mod pattern;
mod replay;
mod responses;
mod settings;
mod submission;
mod tail;
mod text;
mod transcript;
mod view;

pub use chunk::{Chunk, NotAChunk};
pub use completion::{Completion, NotACompletion, completion};
pub use dialect::Dialect;
pub use error::{
    ambiguous, ended, keys_rest, refused, shut, unreachable, upload_failed, upload_refused,
};
pub use fallbacks::{Fallbacks, Instead, may_fall_back};
pub use media::{Upload, suspect};
pub use models::{Model, NotAModelList, add_aliases, model_list};
pub use mold::Mold;
pub use pattern::{ByModel, Pattern};
pub use replay::{Met, Replay};
pub use responses::{
    About, Chat, Events, Outcome, Responder, Told, begun, chat, customs, input_items, kept_items,
    kept_size, response_id, task_of_item, with_outcome,
};
pub use settings::{Settings, Wait};
pub use submission::{Draft, draft};
pub use tail::{Mismatch, spent, tail, usage_chunk};
pub use text::{TextChunks, text_chat};
pub use transcript::Transcript;

/// What an answer is called where the upstream leaves it out.
#[derive(Debug, Clone)]
pub struct Identity {
    pub task: String,
    /// The model that the client asked for.
    pub model: String,
    /// Unix seconds.
    pub created: u64,
    /// How many choices it asked for (`n`).
    pub choices: u64,
}

impl Identity {
    /// An answer's id that tells which task it came from.
    fn completion_id(&self) -> String {
        format!("chatcmpl-{}", self.task)
    }

    #[cfg(test)]
    fn example() -> Self {
        Self {
            task: "task-1".into(),
            model: "m".into(),
            created: 1_776_874_481,
            choices: 1,
        }
    }
}
