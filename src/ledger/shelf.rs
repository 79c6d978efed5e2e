use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{Bought, Hash, settings::Keeping, writer::Writer};

/// What a kept response costs besides its texts, in bytes.
const OVERHEAD: usize = 600;

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
    caller: Hash,
    since: Instant,
}

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
    caller: [u8; 16],
    /// Unix milliseconds.
    arrived: u64,
    task: String,
    stream_url: Option<String>,
    /// Unix seconds.
    created: u64,
    request: KeptRequest,
    outcome: Option<String>,
}

/// The responses that are kept, the oldest of which make room for new ones.
pub(super) struct Shelf {
    settings: Keeping,
    writer: Option<Arc<Writer>>,
    kept: HashMap<String, Arc<Kept>>,
    /// The oldest first, with what each takes; ids of responses that are gone may still be in it.
    order: VecDeque<String>,
    /// What all of them take, in bytes, by what each took when it was last counted.
    sizes: HashMap<String, usize>,
    size: usize,
}

impl Kept {
    pub(super) fn new(id: String, caller: Hash, bought: Bought, request: KeptRequest) -> Self {
        Self {
            id,
            bought,
            request,
            outcome: Arc::default(),
            cancelled: CancellationToken::new(),
            caller,
            since: Instant::now(),
        }
    }

    fn size(&self) -> usize {
        let outcome = self.outcome.get().map_or(0, Bytes::len);
        OVERHEAD + self.request.begun.len() + self.request.input.len() + outcome
    }

    fn record(&self) -> Record {
        let age = self.since.elapsed().as_millis() as u64;
        let outcome = self.outcome.get();
        Record {
            caller: self.caller.0,
            arrived: super::rows::unix_milliseconds().saturating_sub(age),
            task: self.bought.task.clone(),
            stream_url: self.bought.stream_url.clone(),
            created: self.bought.created,
            request: self.request.clone(),
            outcome: outcome.map(|outcome| String::from_utf8_lossy(outcome).into_owned()),
        }
    }

    fn restored(id: String, record: Record) -> Self {
        let age = super::rows::unix_milliseconds().saturating_sub(record.arrived);
        let outcome = OnceLock::new();
        if let Some(known) = record.outcome {
            // It was made just now, so that nobody else has set it.
            let _ = outcome.set(known.into());
        }
        let age = Duration::from_millis(age);
        Self {
            id,
            bought: Bought {
                task: record.task,
                stream_url: record.stream_url,
                created: record.created,
            },
            request: record.request,
            outcome: Arc::new(outcome),
            cancelled: CancellationToken::new(),
            caller: Hash(record.caller),
            since: Instant::now().checked_sub(age).unwrap_or_else(Instant::now),
        }
    }
}

impl Shelf {
    pub(super) fn new(settings: Keeping, writer: Option<Arc<Writer>>) -> Self {
        Self {
            settings,
            writer,
            kept: HashMap::new(),
            order: VecDeque::new(),
            sizes: HashMap::new(),
            size: 0,
        }
    }

    /// Takes up what the file remembers. Records that are not as this version writes them are left out.
    pub(super) fn restore(&mut self, records: Vec<(String, Vec<u8>)>) {
        let mut kept: Vec<Kept> = records
            .into_iter()
            .filter_map(|(id, record)| {
                let record: Record = serde_json::from_slice(&record).ok()?;
                Some(Kept::restored(id, record))
            })
            .collect();
        kept.sort_by_key(|kept| kept.since);
        for kept in kept {
            self.insert(Arc::new(kept));
        }
        self.make_room();
    }

    /// Whether a response of this size would be kept.
    pub(super) fn takes(&self, size: usize) -> bool {
        !self.settings.max_age.is_zero() && size + OVERHEAD <= self.settings.max_size
    }

    /// Keeps a response, unless it is kept already, and gives the one that is.
    pub(super) fn keep(&mut self, kept: Kept) -> Arc<Kept> {
        if let Some(known) = self.kept.get(&kept.id)
            && known.caller == kept.caller
        {
            return known.clone();
        }
        let kept = Arc::new(kept);
        self.insert(kept.clone());
        self.write(&kept);
        self.make_room();
        kept
    }

    /// What a response has come to is known now.
    pub(super) fn settled(&mut self, kept: &Kept) {
        let Some(known) = self.kept.get(&kept.id).cloned() else {
            return;
        };
        self.count(&known);
        self.write(&known);
        self.make_room();
    }

    /// How many there are, and what they take, in bytes.
    pub(super) fn levels(&self) -> (usize, usize) {
        (self.kept.len(), self.size)
    }

    /// The response of this id, if it is this caller's.
    pub(super) fn find(&mut self, caller: Hash, id: &str) -> Option<Arc<Kept>> {
        self.make_room();
        self.kept
            .get(id)
            .filter(|kept| kept.caller == caller)
            .cloned()
    }

    /// Forgets a response, and says whether this caller had it.
    pub(super) fn forget(&mut self, caller: Hash, id: &str) -> bool {
        let is_known = self.find(caller, id).is_some();
        if is_known {
            self.remove(id);
        }
        is_known
    }

    fn insert(&mut self, kept: Arc<Kept>) {
        self.count(&kept);
        self.order.push_back(kept.id.clone());
        self.kept.insert(kept.id.clone(), kept);
    }

    fn count(&mut self, kept: &Kept) {
        let size = kept.size();
        let before = self.sizes.insert(kept.id.clone(), size);
        self.size = self.size + size - before.unwrap_or(0);
    }

    fn remove(&mut self, id: &str) {
        if self.kept.remove(id).is_none() {
            return;
        }
        self.size -= self.sizes.remove(id).unwrap_or(0);
        if let Some(writer) = &self.writer {
            writer.keep(id.to_owned(), None);
        }
        // Places of responses that are gone are cleared away now and then, all at once.
        if self.order.len() > 2 * self.kept.len() + 64 {
            self.order.retain(|id| self.kept.contains_key(id));
        }
    }

    fn make_room(&mut self) {
        while let Some(oldest) = self.order.front().cloned() {
            let is_old = self
                .kept
                .get(&oldest)
                .is_none_or(|kept| kept.since.elapsed() > self.settings.max_age);
            if !is_old && self.size <= self.settings.max_size {
                break;
            }
            self.order.pop_front();
            self.remove(&oldest);
        }
    }

    fn write(&self, kept: &Kept) {
        if let Some(writer) = &self.writer {
            // Texts and numbers have no way to fail to serialize.
            let record = serde_json::to_vec(&kept.record()).unwrap_or_default();
            writer.keep(kept.id.clone(), Some(record));
        }
    }
}

#[cfg(test)]
#[path = "shelf_tests.rs"]
mod tests;
