//! A response that is kept, and how it is written.

use std::{
    sync::{Arc, Mutex, OnceLock, atomic::AtomicBool},
    time::Instant,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{Bought, Hash};

/// What a kept response costs besides its texts, in bytes.
pub(super) const OVERHEAD: usize = 800;
/// A response that is kept for whoever made it. All texts are JSON.
#[derive(Debug)]
pub struct Kept {
    /// As clients call it.
    pub id: String,
    /// The task that answers.
    pub bought: Bought,
    pub request: KeptRequest,
    /// What it has come to, once that is known.
    pub outcome: Arc<OnceLock<Bytes>>,
    /// Cancelled when nobody is to follow it any more.
    pub cancelled: CancellationToken,
    /// What it was when its task was asked last, and when that was.
    pub seen: Seen,
    /// Whether its client has been charged with its tokens.
    pub is_charged: AtomicBool,
    pub(super) owner: Hash,
}

/// What a response was a moment ago.
pub(super) type Seen = Arc<Mutex<Option<(Instant, String)>>>;

/// What must be known of a request for its answer to be given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRequest {
    /// The response before it had come to anything.
    pub begun: String,
    /// Its input items, an array.
    pub input: String,
    /// The model's name as the client said it.
    pub model: String,
    pub previous: Option<String>,
    pub background: bool,
    /// Whether the task has a stream.
    pub follows: bool,
    pub summarizes: bool,
    pub wants_logprobs: bool,
    /// The names of the tools that take plain text.
    pub customs: Vec<String>,
}

/// A kept response as it is written to the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    owner: [u8; 16],
    /// When it was used last before it was written, in Unix milliseconds.
    pub(super) used: u64,
    task: String,
    stream_url: Option<String>,
    /// Unix seconds.
    created: u64,
    /// The name of the upstream key; absent in what was written before there could be several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    request: KeptRequest,
    outcome: Option<String>,
}

impl Record {
    pub(super) fn into_kept(self, id: String, outcome: Option<String>) -> Kept {
        let bought = Bought {
            task: self.task,
            stream_url: self.stream_url,
            created: self.created,
            key: self.key,
            model: None,
        };
        let kept = Kept::new(id, Hash(self.owner), bought, self.request);
        if let Some(known) = outcome.or(self.outcome) {
            // It was made just now, so that nobody else has set it.
            let _ = kept.outcome.set(known.into());
        }
        kept
    }
}

impl Kept {
    /// What a response has come to that its client has cancelled.
    pub const CANCELLED: &'static str = r#"{"status":"cancelled"}"#;

    pub(super) fn new(id: String, owner: Hash, bought: Bought, request: KeptRequest) -> Self {
        Self {
            id,
            bought,
            request,
            outcome: Arc::default(),
            cancelled: CancellationToken::new(),
            seen: Seen::default(),
            is_charged: AtomicBool::new(false),
            owner,
        }
    }

    /// As it is kept elsewhere, by now without what it has come to.
    pub(super) fn written(&self) -> String {
        let record = self.record(super::rows::unix_milliseconds(), None);
        // Texts and numbers have no way to fail to serialize.
        serde_json::to_string(&record).unwrap_or_default()
    }

    /// `used`: when it was used last, in Unix milliseconds.
    pub(super) fn record(&self, used: u64, outcome: Option<String>) -> Record {
        Record {
            owner: self.owner.0,
            used,
            task: self.bought.task.clone(),
            stream_url: self.bought.stream_url.clone(),
            created: self.bought.created,
            key: self.bought.key.clone(),
            request: self.request.clone(),
            outcome,
        }
    }

    pub(super) fn size(&self) -> usize {
        let outcome = self.outcome.get().map_or(0, Bytes::len);
        OVERHEAD + self.request.begun.len() + self.request.input.len() + outcome
    }

    /// Whether it runs on without anybody who waits for it.
    pub(super) fn is_running(&self) -> bool {
        self.request.background && self.outcome.get().is_none()
    }
}
