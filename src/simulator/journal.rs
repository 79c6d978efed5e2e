use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use hyper::{HeaderMap, Method, header::AUTHORIZATION};
use tokio::sync::watch;

/// What the simulator has seen since it started.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    /// Submits received, refused ones too.
    pub submits: u64,
    /// Tasks made: what a real service would bill.
    pub accepted: u64,
    /// Task queries received.
    pub queries: u64,
    /// Requests to open a stream received.
    pub stream_opens: u64,
    /// Streams that are being written right now.
    pub open_streams: u64,
    /// Upload requests received.
    pub uploads: u64,
    /// Model list requests received.
    pub model_lists: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections that are open right now.
    pub open_connections: u64,
    /// Connections that ended in a panic: a fault of the simulator itself.
    pub panics: u64,
    /// The last requests, oldest first; how many is bounded by the settings.
    pub requests: Vec<Arc<Recorded>>,
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub method: Method,
    /// Path and query as sent.
    pub path: String,
    pub headers: HeaderMap,
    /// Of submits and uploads, as far as it was read; empty for all other requests.
    pub body: Bytes,
}

impl Recorded {
    /// The value of the `Authorization` header.
    pub fn authorization(&self) -> Option<&str> {
        self.headers.get(AUTHORIZATION)?.to_str().ok()
    }
}

/// Keeps the journal, bounded, and tells whoever waits that it changed.
#[derive(Debug)]
pub(super) struct Journalist {
    notes: Mutex<Notes>,
    changed: watch::Sender<()>,
    most_requests: usize,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct Notes {
    /// All but its requests, which are kept beside it.
    counts: Journal,
    requests: VecDeque<Arc<Recorded>>,
    kept_bytes: usize,
    tallies: HashMap<String, Tally>,
    tallied: VecDeque<String>,
}

/// How often one submit, told by its marker's id or by its body, was seen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) attempts: u64,
    pub(super) accepted: u64,
}

/// The most identities that are told apart; the oldest are forgotten first.
const MOST_TALLIES: usize = 100_000;

impl Journalist {
    pub(super) fn new(most_requests: usize, most_bytes: usize) -> Self {
        Self {
            notes: Mutex::default(),
            changed: watch::Sender::new(()),
            most_requests,
            most_bytes,
        }
    }

    pub(super) fn journal(&self) -> Journal {
        let notes = self.notes();
        Journal {
            requests: notes.requests.iter().cloned().collect(),
            ..notes.counts.clone()
        }
    }

    /// Resolves after the next change that comes after this call.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Changes the counts.
    pub(super) fn count(&self, change: impl FnOnce(&mut Journal)) {
        change(&mut self.notes().counts);
        self.changed.send_replace(());
    }

    pub(super) fn record(&self, request: Recorded) {
        let mut notes = self.notes();
        notes.kept_bytes += request.body.len();
        notes.requests.push_back(Arc::new(request));
        while notes.requests.len() > self.most_requests || notes.kept_bytes > self.most_bytes {
            let Some(oldest) = notes.requests.pop_front() else {
                break;
            };
            notes.kept_bytes -= oldest.body.len();
        }
        drop(notes);
        self.changed.send_replace(());
    }

    /// Counts one more attempt and returns how many there were before.
    pub(super) fn attempt(&self, identity: &str) -> u64 {
        let mut notes = self.notes();
        let tally = notes.tally(identity);
        tally.attempts += 1;
        tally.attempts - 1
    }

    pub(super) fn accept(&self, identity: &str) {
        let mut notes = self.notes();
        notes.tally(identity).accepted += 1;
        notes.counts.accepted += 1;
        drop(notes);
        self.changed.send_replace(());
    }

    pub(super) fn tally(&self, identity: &str) -> Tally {
        self.notes()
            .tallies
            .get(identity)
            .copied()
            .unwrap_or_default()
    }

    /// A panic elsewhere leaves whole notes behind, because every change is a single step.
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    fn tally(&mut self, identity: &str) -> &mut Tally {
        if !self.tallies.contains_key(identity) {
            self.tallied.push_back(identity.to_owned());
            if self.tallied.len() > MOST_TALLIES
                && let Some(oldest) = self.tallied.pop_front()
            {
                self.tallies.remove(&oldest);
            }
        }
        self.tallies.entry(identity.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_bounded_in_requests_and_bytes() {
        let journalist = Journalist::new(3, 10);
        let record = |body: &'static str| {
            journalist.record(Recorded {
                method: Method::POST,
                path: "/".to_owned(),
                headers: HeaderMap::new(),
                body: Bytes::from_static(body.as_bytes()),
            });
            let kept = journalist.journal().requests;
            kept.iter()
                .map(|kept| kept.body.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(record("a"), ["a"]);
        record("b");
        record("c");
        assert_eq!(record("d"), ["b", "c", "d"]);
        assert_eq!(record("12345678"), ["c", "d", "12345678"]);
        assert_eq!(record("longer than ten"), Vec::<&str>::new());
    }
}
