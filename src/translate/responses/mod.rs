//! The Responses API's words for a chat: items for messages, a response for a `chat.completion`, events for its chunks.
//!
//! How much of an answer an event tells is up to the chunks, but for background responses: several streams tell these,
//! on several connections, so what each event says depends on nothing but the answer.

mod answer;
mod cut;
mod events;
mod kept;
mod messages;
mod numbered;
mod output;
mod request;
mod tools;
mod usage;

use bytes::Bytes;

pub use events::{Events, Outcome, Told};
pub use kept::{About, begun, kept_items, kept_size, response_id, task_of_item, with_outcome};
pub use request::{Chat, chat, input_items};
pub use tools::customs;

use super::NotACompletion;
use output::Form;

/// Answers one request of `/v1/responses`.
#[derive(Debug)]
pub struct Responder {
    /// The response before it has come to anything.
    pub begun: String,
    /// The task that answers.
    pub task: String,
    /// Whether reasoning is told as a summary.
    pub summarizes: bool,
    pub wants_logprobs: bool,
    /// The names of the tools that take plain text.
    pub customs: Vec<String>,
    /// Where it is noted what the response has come to.
    pub outcome: Outcome,
}

impl Responder {
    /// The whole response, from a whole `chat.completion`, at `now` in Unix seconds.
    pub(super) fn response(&self, chat: &Bytes, now: u64) -> Result<Bytes, NotACompletion> {
        let outcome = answer::outcome_of(chat, &self.task, self.form(), &self.customs, now)?;
        let response = with_outcome(&self.begun, &outcome).into();
        // Whoever has come to an end before has come to the same.
        let _ = self.outcome.set(outcome.into());
        Ok(response)
    }

    /// The response as a stream.
    pub fn events(self) -> Events {
        Events::new(self)
    }

    /// The same as every other stream of it, but for the events up to the number `after`.
    pub fn even_events(self, after: Option<u64>) -> Events {
        self.events().evenly(after)
    }

    fn form(&self) -> Form {
        match self.summarizes {
            true => Form::Summary,
            false => Form::Text,
        }
    }
}
