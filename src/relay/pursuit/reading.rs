//! What is made of what the task's stream brings.

use std::time::Duration;

use bytes::Bytes;

use super::Pursuit;
use crate::{
    fox::{Failure, Frame},
    relay::{perform::LONGEST_EVENT, telling::Heard},
    sse::Item,
    task::{Event, Step},
    translate::{Chunk, NotAChunk},
};

impl Pursuit {
    /// Works off what has been read, until the machine wants something else than to read on.
    pub(super) fn use_up_read(&mut self) {
        let stream = self.ongoing.stream.as_ref();
        if self.has_ended() || stream.is_none_or(|stream| stream.decoder.is_used_up()) {
            return;
        }
        let now = self.accepted.elapsed();
        if self.limits.are_over(self.accepted + now) {
            return self.happened(Event::Deadline);
        }
        if self.target.context.stop.is_cancelled() {
            return self.happened(Event::Stop);
        }
        while let Some(item) = self.next_item() {
            let step = match item {
                Item::Event(event) => self.on_frame(now, Frame::read(&event.name, event.data)),
                Item::Oversized => {
                    self.on_unreadable(&format!("an event is over {LONGEST_EVENT} bytes"))
                }
            };
            if let Some(step) = step {
                // A stream that speaks makes the query needless that asked about its silence.
                self.ongoing.forget_query();
                self.go_on_with(step);
            }
        }
    }

    /// It is skipped; that alone says nothing about the rest of the stream.
    fn on_unreadable(&mut self, cause: &str) -> Option<Step> {
        tracing::warn!(
            task = self.task(),
            cause,
            "an event of the task's stream was skipped"
        );
        self.target.context.course.add_malformed();
        self.telling.miss();
        None
    }

    fn next_item(&mut self) -> Option<Item> {
        match self.step {
            Step::Read | Step::Query { .. } => self.ongoing.stream.as_mut()?.decoder.next(),
            _ => None,
        }
    }

    /// `None` for what means nothing to the machine.
    fn on_frame(&mut self, now: Duration, frame: Frame) -> Option<Step> {
        match frame {
            Frame::Chunk(data) => self.on_chunk(now, &data),
            Frame::Done { total } => {
                let done = Event::Done {
                    total,
                    finished: self.telling.is_finished(total.is_some()),
                    owes: self.telling.owes(),
                };
                Some(self.on_last_word(now, done))
            }
            Frame::Error(failure) => Some(self.on_stream_error(now, failure)),
            Frame::Beat => None,
        }
    }

    /// Behind its last word a stream has nothing more to say, whether it is believed or not.
    fn on_last_word(&mut self, now: Duration, event: Event) -> Step {
        self.ongoing.forget_stream();
        self.machine.on(now, event)
    }

    fn on_stream_error(&mut self, now: Duration, failure: Failure) -> Step {
        let failure = self.target.context.key.redacted(failure);
        self.on_last_word(now, Event::StreamError(failure))
    }

    fn on_chunk(&mut self, now: Duration, data: &Bytes) -> Option<Step> {
        if self.telling.hear_more(data) {
            return Some(self.on_told(now, true));
        }
        let chunk = match Chunk::parse(data) {
            Ok(chunk) => chunk,
            Err(NotAChunk::Error(failure)) => return Some(self.on_stream_error(now, failure)),
            Err(error @ NotAChunk::Malformed(_)) => return self.on_unreadable(&error.to_string()),
        };
        let is_new = match self.telling.hear(&chunk) {
            Heard::New => true,
            Heard::Known => false,
            Heard::Different => {
                self.limits.heard(self.accepted + now);
                return Some(self.on_last_word(now, Event::Diverged));
            }
        };
        Some(self.on_told(now, is_new))
    }

    /// The client has been told of a chunk, if it was new.
    fn on_told(&mut self, now: Duration, is_new: bool) -> Step {
        self.limits.heard(self.accepted + now);
        self.target.context.course.note_first(now);
        // What was to be forwarded has been told.
        match self.machine.on(now, Event::Chunk { is_new }) {
            Step::Forward => Step::Read,
            step => step,
        }
    }
}
