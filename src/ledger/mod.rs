//! Which task belongs to which client request, so that a request that is sent again finds the task it has bought.
//!
//! A row holds a task id and keyed hashes; never a key, a prompt or an answer. Rows are kept in memory, bounded by age and
//! number.

mod claim;
mod rows;

pub use claim::{Caller, Claim, Claimed, Intent, Receipt};

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};

use rows::Rows;

/// How much is remembered (`[ledger]` in proxy.toml).
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a request can be found again, from its first arrival.
    pub max_age: Duration,
    /// The most requests that are remembered; the oldest are forgotten first.
    pub max_entries: usize,
}

/// What is needed to take up a task again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bought {
    pub task: String,
    pub stream_url: Option<String>,
    /// Unix seconds.
    pub created: u64,
}

/// The ledger. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Ledger {
    rows: Arc<Mutex<Rows>>,
    secret: Arc<hmac::Key>,
}

/// There is no randomness to key the ledger's hashes with.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

impl Ledger {
    pub fn new(settings: Settings) -> Result<Self, NoRandomness> {
        let mut secret = [0; 32];
        SystemRandom::new()
            .fill(&mut secret)
            .map_err(|_| NoRandomness)?;
        Ok(Self {
            rows: Arc::new(Mutex::new(Rows::new(settings))),
            secret: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &secret)),
        })
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A hash that tells nothing to whoever reads the ledger.
    fn hash(&self, parts: &[&[u8]]) -> Hash {
        let mut context = hmac::Context::with_key(&self.secret);
        for part in parts {
            // With their lengths, no two lists of parts are the same text.
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut hash = [0; 16];
        if let Some(head) = context.sign().as_ref().get(..hash.len()) {
            hash.copy_from_slice(head);
        }
        Hash(hash)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Hash([u8; 16]);
