use std::{collections::HashMap, time::Duration};

use super::Faults;

/// How the simulated service behaves when a request says nothing of its own ([`MARKER_HELP`](super::MARKER_HELP)
/// tells how it can).
///
/// The defaults suit a demonstration: a visible stream, and a short answer in about a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// With a seed, the same requests in the same order get the same ids, times (`created`) and texts.
    pub seed: Option<u64>,
    /// From a submit being read to its reply.
    pub submit_latency: Duration,
    /// How long a task stays `pending`.
    pub queue: Duration,
    /// From `processing` to the first chunk.
    pub first_chunk: Duration,
    /// Between two chunks; one chunk is about one word.
    pub chunk_interval: Duration,
    /// From the last chunk to `completed`.
    pub completion_lag: Duration,
    /// Whether a stream ends with a usage chunk when `stream_options.include_usage` asks for it. CONTRACT.md,
    /// section 7, leaves open what the service does.
    pub usage_in_stream: bool,
    /// How long a task can be queried, from its submit.
    pub task_retention: Duration,
    /// The most tasks that are kept; the oldest are forgotten first.
    pub max_tasks: usize,
    /// The longest request body, in bytes; a longer one gets the front proxy's HTML 413.
    pub max_body: usize,
    /// The largest file that can be uploaded, in bytes after decoding; above it, HTML 413.
    pub max_upload: usize,
    /// The most requests that the journal keeps.
    pub journal_requests: usize,
    /// The most body bytes that the journal keeps, over all its requests.
    pub journal_bytes: usize,
    /// Keys that are refused with 401 although they look well-formed.
    pub refused_keys: Vec<String>,
    /// What becomes of the submits of a key, before anything else is looked at: of the marker's keys, `submit` and
    /// `retry-after` count. A plan goes through all valid submits with this key.
    pub keys: HashMap<String, Faults>,
    /// Keys of a marker for every request; those in the request's own markers override them.
    pub faults: Faults,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: None,
            submit_latency: Duration::from_millis(50),
            queue: Duration::from_millis(150),
            first_chunk: Duration::from_millis(200),
            chunk_interval: Duration::from_millis(25),
            completion_lag: Duration::from_millis(50),
            usage_in_stream: false,
            task_retention: Duration::from_secs(15 * 60),
            max_tasks: 10_000,
            max_body: 64 << 20,
            max_upload: 50 << 20,
            journal_requests: 1_000,
            journal_bytes: 32 << 20,
            refused_keys: Vec::new(),
            keys: HashMap::new(),
            faults: Faults::default(),
        }
    }
}

impl Settings {
    /// No delay anywhere, and repeatable: a task is completed before its submit is answered.
    pub fn instant() -> Self {
        Self {
            seed: Some(1),
            submit_latency: Duration::ZERO,
            queue: Duration::ZERO,
            first_chunk: Duration::ZERO,
            chunk_interval: Duration::ZERO,
            completion_lag: Duration::ZERO,
            ..Self::default()
        }
    }
}
