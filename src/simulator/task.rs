//! The life of one task, told from how long ago it was accepted (CONTRACT.md, sections 1 and 2).

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Settings,
    answer::Answer,
    chunks,
    script::{Ending, ErrorShape, MissingResults, Script},
    submission::Submission,
};
use crate::fox::paths;

#[derive(Debug)]
pub(super) struct Task {
    pub(super) identity: Identity,
    pub(super) script: Script,
    pub(super) answer: Answer,
    pub(super) timeline: Timeline,
    /// Whether it was submitted with `stream: true`.
    pub(super) streams: bool,
    /// Whether its stream ends with a usage chunk.
    pub(super) usage_chunk: bool,
    accepted: Instant,
    /// Queries received; scripted faults use them up.
    pub(super) queries: Counter,
    /// Attempts to open the stream.
    pub(super) opens: Counter,
    /// Streams that were opened.
    pub(super) connections: Counter,
    answered: Counter,
    answered_completed: Counter,
}

#[derive(Debug)]
pub(super) struct Identity {
    pub(super) id: String,
    /// The key that made it.
    pub(super) owner: String,
    /// Unix seconds.
    pub(super) created: u64,
}

/// Hands out 0, 1, 2, …
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// When what happens, from the moment of acceptance on.
#[derive(Debug)]
pub(super) struct Timeline {
    queue: Duration,
    first_chunk: Duration,
    chunk_interval: Duration,
    completion_lag: Duration,
    /// How many chunks the whole answer has.
    pub(super) all_chunks: usize,
    /// How many of them are made before the task ends.
    pub(super) chunks: usize,
}

impl Timeline {
    fn new(script: &Script, settings: &Settings, all_chunks: usize) -> Self {
        let made_at_most = script.fail_after.unwrap_or(match script.ending {
            Ending::Completed | Ending::Stuck => all_chunks,
            Ending::Failed | Ending::Cancelled => 0,
        });
        Self {
            queue: script.queue.unwrap_or(settings.queue),
            first_chunk: script.first_chunk.unwrap_or(settings.first_chunk),
            chunk_interval: script.chunk_interval.unwrap_or(settings.chunk_interval),
            completion_lag: script.completion_lag.unwrap_or(settings.completion_lag),
            all_chunks,
            chunks: match script.ending {
                Ending::Completed => all_chunks,
                _ => made_at_most.min(all_chunks),
            },
        }
    }

    /// When chunk number `nth`, counted from 0, is there.
    pub(super) fn chunk(&self, nth: usize) -> Duration {
        let gaps = u32::try_from(nth).unwrap_or(u32::MAX);
        let gaps = self.chunk_interval.saturating_mul(gaps);
        self.queue
            .saturating_add(self.first_chunk)
            .saturating_add(gaps)
    }

    /// When the last chunk is there.
    pub(super) fn last_chunk(&self) -> Duration {
        self.chunk(self.chunks.saturating_sub(1))
    }

    /// When the task ends, if it does.
    pub(super) fn end(&self) -> Duration {
        self.last_chunk().saturating_add(self.completion_lag)
    }

    fn chunks_at(&self, elapsed: Duration) -> usize {
        (0..self.chunks)
            .take_while(|nth| self.chunk(*nth) <= elapsed)
            .count()
    }

    /// 1 to 99.
    fn progress(&self, elapsed: Duration) -> u64 {
        let running = elapsed.saturating_sub(self.queue).as_secs_f64();
        let whole = self.end().saturating_sub(self.queue).as_secs_f64();
        let percent = 100.0 * running / whole.max(f64::EPSILON);
        (percent as u64).clamp(1, 99)
    }
}

impl Task {
    pub(super) fn new(
        identity: Identity,
        submission: &Submission,
        answer: Answer,
        settings: &Settings,
    ) -> Self {
        let script = submission.script.clone();
        let usage_chunk =
            submission.include_usage && script.usage_chunk.unwrap_or(settings.usage_in_stream);
        let all_chunks = chunks::cut(&answer, 1, usage_chunk).len();
        Self {
            identity,
            timeline: Timeline::new(&script, settings, all_chunks),
            script,
            answer,
            streams: submission.stream,
            usage_chunk,
            accepted: Instant::now(),
            queries: Counter::default(),
            opens: Counter::default(),
            connections: Counter::default(),
            answered: Counter::default(),
            answered_completed: Counter::default(),
        }
    }

    /// The moment that comes so long after the acceptance.
    pub(super) fn moment(&self, elapsed: Duration) -> Option<Instant> {
        self.accepted.checked_add(elapsed)
    }

    /// The reply to its submit.
    pub(super) fn submitted(&self) -> Value {
        let mut object = self.object("pending", 0);
        object["usage"] = json!({"credits_reserved": 1});
        object
    }

    /// The reply to one query; `sync_upstream` is what the query said of it.
    pub(super) fn query(&self, sync_upstream: bool) -> Value {
        let elapsed = self.accepted.elapsed();
        if let Some(word) = self.script.status.at(self.answered.next()) {
            return self.object(word, 0);
        }
        if elapsed < self.timeline.queue {
            return self.object("pending", 0);
        }
        let mut object = if self.script.ending == Ending::Stuck || elapsed < self.timeline.end() {
            self.object("processing", self.timeline.progress(elapsed))
        } else {
            match self.script.ending {
                Ending::Failed => self.failed("failed"),
                Ending::Cancelled => self.failed("cancelled"),
                Ending::Completed | Ending::Stuck => self.completed(elapsed, sync_upstream),
            }
        };
        if self.streams {
            object["data"] = self.accumulated(elapsed);
        }
        object
    }

    /// The message of the failure, as the provider put it.
    pub(super) fn failure_message(&self) -> &str {
        let usual = match self.script.ending {
            Ending::Cancelled => "The task was cancelled.",
            _ => "The provider could not generate an answer.",
        };
        self.script.error_message.as_deref().unwrap_or(usual)
    }

    fn object(&self, status: &str, progress: u64) -> Value {
        json!({
            "id": self.identity.id,
            "object": "llm.generation.task",
            "type": "llm",
            "model": self.answer.model,
            "status": status,
            "progress": self.script.progress.map_or(progress, u64::from),
            "created": self.identity.created,
            "stream": self.streams.then(|| self.stream_address()),
            "results": null,
            "error": null,
        })
    }

    fn stream_address(&self) -> Value {
        match self.script.stream_url.as_deref() {
            Some("null") => Value::Null,
            Some(url) => json!({"url": url.replace("{id}", &self.identity.id)}),
            None => json!({"url": paths::stream(&self.identity.id)}),
        }
    }

    fn completed(&self, elapsed: Duration, sync_upstream: bool) -> Value {
        let mut object = self.object("completed", 100);
        let filled = self
            .timeline
            .end()
            .saturating_add(self.script.results_after);
        if elapsed < filled {
            return object;
        }
        object["results"] = match self.script.results.at(self.answered_completed.next()) {
            Some(MissingResults::Null) => Value::Null,
            Some(MissingResults::Empty) => json!([]),
            Some(MissingResults::Stale) if sync_upstream => Value::Null,
            Some(MissingResults::Stale) | None => json!([self.result()]),
        };
        object
    }

    fn result(&self) -> Value {
        let mut completion = self.answer.completion();
        if let Some(text) = &self.script.result_text
            && let Some(choices) = completion["choices"].as_array_mut()
        {
            for choice in choices {
                choice["message"]["content"] = Value::String(text.clone());
            }
        }
        completion
    }

    fn failed(&self, status: &str) -> Value {
        let mut object = self.object(status, 100);
        let usual = match self.script.ending {
            Ending::Cancelled => "task_cancelled",
            _ => "provider_error",
        };
        let code = self.script.error_code.as_deref().unwrap_or(usual);
        let message = self.failure_message();
        let provider = || {
            let error = json!({"message": message, "type": "invalid_request_error", "code": code});
            json!({ "error": error }).to_string()
        };
        let mut error = json!({"code": code, "message": message, "type": "task_error"});
        match self.script.error_shape {
            ErrorShape::Plain => {}
            ErrorShape::Nested => error["message"] = Value::String(provider()),
            ErrorShape::Raw => {
                error["message"] = json!("Provider returned error");
                error["metadata"] = json!({"raw": provider(), "provider_name": "simulated"});
            }
        }
        object["error"] = error;
        object
    }

    /// The seed page says that `task.data` accumulates the answer while it streams, but not in which shape.
    fn accumulated(&self, elapsed: Duration) -> Value {
        let chunks = chunks::cut(&self.answer, 1, self.usage_chunk);
        let made = self.timeline.chunks_at(elapsed).min(chunks.len());
        let content = chunks::text_so_far(&chunks[..made]);
        json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": content}}]})
    }
}
