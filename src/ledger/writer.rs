use std::{
    io,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::oneshot;

use super::file::{Changes, Entry, LedgerFile};

/// The most changes that are written at once, so that those who wait for the first are not kept by the last.
const BATCH: usize = 4096;
/// When changes that could not be written are tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Writes to the ledger's file from a thread of its own: what comes while one write is under way goes into the next, so
/// that many requests share the wait for the disk.
///
/// What waits to be written is bounded, because a request only goes on when its own intent is written. When this is
/// dropped, everything is written, as far as it can be, and the file is free.
pub(super) struct Writer {
    /// Both are there until it is dropped.
    changes: Option<Sender<Change>>,
    thread: Option<JoinHandle<()>>,
}

enum Change {
    Put(u64, Entry),
    Remove(u64),
    /// A response and its record, or that it is to be forgotten.
    Keep(String, Option<Vec<u8>>),
    /// To be told whether everything before this is safe.
    Tell(oneshot::Sender<bool>),
}

impl Writer {
    pub(super) fn start(file: LedgerFile) -> io::Result<Self> {
        let (sender, changes) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || write_all(file, &changes))?;
        Ok(Self {
            changes: Some(sender),
            thread: Some(thread),
        })
    }

    pub(super) fn put(&self, id: u64, entry: Entry) {
        self.send(Change::Put(id, entry));
    }

    pub(super) fn remove(&self, id: u64) {
        self.send(Change::Remove(id));
    }

    pub(super) fn keep(&self, id: String, record: Option<Vec<u8>>) {
        self.send(Change::Keep(id, record));
    }

    /// Resolves to `true` when everything so far is safe from a crash; to `false`, or not at all, when it could not be
    /// written.
    pub(super) fn written(&self) -> oneshot::Receiver<bool> {
        let (tell, told) = oneshot::channel();
        self.send(Change::Tell(tell));
        told
    }

    fn send(&self, change: Change) {
        let changes = self.changes.as_ref();
        if changes.is_none_or(|changes| changes.send(change).is_err()) {
            // Whoever depends on it is told by `written`, which resolves to nothing now.
            tracing::error!("the ledger's file is not written any more; start foxbridge again");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.changes = None;
        if let Some(thread) = self.thread.take() {
            // What made it panic is on standard error already.
            let _ = thread.join();
        }
    }
}

/// Changes that are not safe yet, and who waits for them.
#[derive(Default)]
struct Pending {
    rows: Changes<u64, Entry>,
    responses: Changes<String, Vec<u8>>,
    waiting: Vec<oneshot::Sender<bool>>,
}

impl Pending {
    fn take(&mut self, change: Change) {
        match change {
            Change::Put(id, entry) => drop(self.rows.insert(id, Some(entry))),
            Change::Remove(id) => match self.rows.get(&id) {
                // An intent that waits here is not in the file yet. With the request given up it never needs to be, or
                // those that are refused while nothing can be written would pile up.
                Some(Some(Entry { bought: None, .. })) => drop(self.rows.remove(&id)),
                _ => drop(self.rows.insert(id, None)),
            },
            Change::Keep(id, record) => drop(self.responses.insert(id, record)),
            Change::Tell(tell) => self.waiting.push(tell),
        }
    }
}

fn write_all(mut file: LedgerFile, changes: &Receiver<Change>) {
    let mut pending = Pending::default();
    let mut is_failing = false;
    loop {
        let first = if is_failing {
            changes.recv_timeout(RETRY)
        } else {
            changes.recv().map_err(RecvTimeoutError::from)
        };
        match first {
            Ok(change) => pending.take(change),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        for change in changes.try_iter().take(BATCH) {
            pending.take(change);
        }
        let is_nothing = pending.rows.is_empty() && pending.responses.is_empty();
        let is_written = is_nothing || write(&mut file, &mut pending, &mut is_failing);
        for waiting in pending.waiting.drain(..) {
            // Who left in the meantime needs no answer.
            let _ = waiting.send(is_written);
        }
    }
}

fn write(file: &mut LedgerFile, pending: &mut Pending, is_failing: &mut bool) -> bool {
    match file.write(&pending.rows, &pending.responses) {
        Ok(()) => {
            pending.rows.clear();
            pending.responses.clear();
            if std::mem::take(is_failing) {
                tracing::info!("the ledger's file can be written again");
            }
            true
        }
        Err(error) => {
            if !std::mem::replace(is_failing, true) {
                tracing::error!(
                    %error,
                    "the ledger's file cannot be written: new requests are refused until it can. Is the disk full?"
                );
            }
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ledger::{Bought, Hash};

    #[test]
    fn what_was_never_written_need_not_be_removed() {
        let entry = |bought| Entry {
            content: Hash([1; 16]),
            key: None,
            arrived: 1,
            bought,
        };
        let bought = Bought {
            task: "t".to_owned(),
            stream_url: None,
            created: 1,
            key: None,
            model: None,
        };
        let mut pending = Pending::default();
        for id in 0..100 {
            pending.take(Change::Put(id, entry(None)));
            pending.take(Change::Remove(id));
        }
        assert!(pending.rows.is_empty());
        pending.take(Change::Put(1, entry(Some(bought))));
        pending.take(Change::Remove(1));
        pending.take(Change::Remove(2));
        assert_eq!(pending.rows, BTreeMap::from([(1, None), (2, None)]));
    }
}
