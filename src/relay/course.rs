use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::openai::Usage;

/// What is noted of a request on its way, for the log and the metrics. Cheap to clone; all clones are one, so that whoever
/// asks for the task can tell it even when the pursuit has been dropped.
#[derive(Debug, Clone, Default)]
pub struct Course(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// Events of the task's streams that could not be read.
    malformed: AtomicU64,
    queries: AtomicU64,
    openings: AtomicU64,
    /// Chunks that the client was told.
    told: AtomicU64,
    running: Moment,
    first: Moment,
    ended: Moment,
    has_usage: AtomicU64,
    /// Whether its client has left before it was answered.
    is_left: AtomicBool,
    usage: [AtomicU64; 4],
}

/// A time from the task's acceptance that is noted once: microseconds, and one more, so that zero means never.
#[derive(Debug, Default)]
struct Moment(AtomicU64);

impl Course {
    /// `None` when there were none.
    pub fn malformed(&self) -> Option<u64> {
        Some(self.0.malformed.load(Relaxed)).filter(|count| *count > 0)
    }

    pub fn queries(&self) -> u32 {
        self.0.queries.load(Relaxed) as u32
    }

    /// How often the stream was opened again.
    pub fn resumes(&self) -> u32 {
        self.0.openings.load(Relaxed).saturating_sub(1) as u32
    }

    /// How many chunks the client was told.
    pub fn told(&self) -> u64 {
        self.0.told.load(Relaxed)
    }

    /// When the task was first seen running, from its acceptance.
    pub fn running(&self) -> Option<Duration> {
        self.0.running.get()
    }

    /// When the client was told the first chunk.
    pub fn first(&self) -> Option<Duration> {
        self.0.first.get()
    }

    /// When it was over.
    pub fn ended(&self) -> Option<Duration> {
        self.0.ended.get()
    }

    /// What the answer took, where it was told.
    pub fn usage(&self) -> Option<Usage> {
        if self.0.has_usage.load(Relaxed) == 0 {
            return None;
        }
        let [input, output, cached, reasoning] = &self.0.usage;
        Some(Usage {
            input: input.load(Relaxed),
            output: output.load(Relaxed),
            cached: cached.load(Relaxed),
            reasoning: reasoning.load(Relaxed),
        })
    }

    /// Whether the client has left, so that nobody would hear of what is begun from here on.
    pub fn is_left(&self) -> bool {
        self.0.is_left.load(Relaxed)
    }

    pub fn note_left(&self) {
        self.0.is_left.store(true, Relaxed);
    }

    pub fn note_usage(&self, usage: Usage) {
        let [input, output, cached, reasoning] = &self.0.usage;
        input.store(usage.input, Relaxed);
        output.store(usage.output, Relaxed);
        cached.store(usage.cached, Relaxed);
        reasoning.store(usage.reasoning, Relaxed);
        self.0.has_usage.store(1, Relaxed);
    }

    pub(super) fn note_told(&self, chunks: u64) {
        self.0.told.store(chunks, Relaxed);
    }

    pub(super) fn add_malformed(&self) {
        self.0.malformed.fetch_add(1, Relaxed);
    }

    pub(super) fn add_query(&self) {
        self.0.queries.fetch_add(1, Relaxed);
    }

    pub(super) fn add_opening(&self) {
        self.0.openings.fetch_add(1, Relaxed);
    }

    pub(super) fn note_running(&self, at: Duration) {
        self.0.running.set(at);
    }

    pub(super) fn note_first(&self, at: Duration) {
        self.0.first.set(at);
    }

    pub(super) fn note_ended(&self, at: Duration) {
        self.0.ended.set(at);
    }
}

impl Moment {
    fn get(&self) -> Option<Duration> {
        let noted = self.0.load(Relaxed);
        noted.checked_sub(1).map(Duration::from_micros)
    }

    fn set(&self, at: Duration) {
        // One pursuit notes it, so nobody comes in between.
        if self.0.load(Relaxed) == 0 {
            self.0.store(at.as_micros() as u64 + 1, Relaxed);
        }
    }
}
