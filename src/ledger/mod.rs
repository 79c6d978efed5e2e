//! Which task belongs to which client request, so that a request that is sent again finds the task it has bought; and the
//! responses that clients want kept.
//!
//! A row holds a task id and keyed hashes; never a key, a prompt or an answer. Rows are found in memory, bounded by age
//! and number; with [`Store::File`] each is also written to an embedded database before its request is submitted, so that
//! it survives a crash. With [`Store::Fleet`] Redis has them, for all replicas to find (`claim_shared`); what is in memory is then
//! a copy of this replica's own rows, for when Redis is away or has lost them.
//!
//! A kept response ([`Kept`]) does hold what was asked and answered, because that is what its client wants it for. It is
//! found by its id and by the caller who made it, and bounded by age and size.

mod claim;
mod claim_asked;
mod claim_shared;
mod file;
mod kept;
mod rows;
mod settings;
mod shelf;
mod shelf_shared;
mod writer;

pub use claim::{Caller, Claim, Claimed, Delivered, Intent, NotNoted, Receipt, Take};
pub use file::OpenError;
pub use kept::{Kept, KeptRequest};
pub use settings::{IfDamaged, Keeping, Settings, Store};

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};

use serde::{Deserialize, Serialize};

use crate::fleet::{self, Fleet};
use file::LedgerFile;
use rows::Rows;
use shelf::Shelf;
use shelf_shared::Followed;
use writer::Writer;

/// What is needed to take up a task again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bought {
    pub task: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_url: Option<String>,
    /// Unix seconds.
    pub created: u64,
    /// The name of the upstream key that bought it, where there were several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The upstream's name of the model that took it, where that is not the one that was asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Bought {
    /// As other replicas read it, of other versions too: what they do not know they leave out.
    fn written(&self) -> String {
        // Texts and numbers have no way to fail to serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The ledger. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

/// Only the ledger sees it, whose clones share it.
pub struct Inner {
    rows: Arc<Mutex<Rows>>,
    shelf: Mutex<Shelf>,
    secret: hmac::Key,
    /// With whom rows and responses are shared.
    fleet: Option<Fleet>,
    followed: Arc<Mutex<Followed>>,
    keeping: Keeping,
}

impl Deref for Ledger {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Ledger {
    /// Opens the ledger with everything that its file remembers.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        Self::open_beside(None, settings)
    }

    fn open_beside(fleet: Option<Fleet>, settings: Settings) -> Result<Self, OpenError> {
        let keeping = settings.responses.clone();
        let kept = keeping.clone();
        let (secret, rows, shelf) = match &settings.store {
            Store::Memory | Store::Fleet => (
                random()?,
                Rows::new(settings, None),
                Shelf::new(keeping, None),
            ),
            Store::File(path) => {
                let (file, contents) = LedgerFile::open(path, settings.if_damaged)?;
                let writer = Writer::start(file).map_err(|error| OpenError::Io {
                    path: path.clone(),
                    error,
                })?;
                let writer = Arc::new(writer);
                let mut rows = Rows::new(settings, Some(writer.clone()));
                for (id, entry) in contents.entries {
                    rows.restore(id, entry);
                }
                let mut shelf = Shelf::new(keeping, Some(writer));
                shelf.restore(contents.responses);
                (contents.secret, rows, shelf)
            }
        };
        Ok(Self(Arc::new(Inner {
            rows: Arc::new(Mutex::new(rows)),
            shelf: Mutex::new(shelf),
            secret: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            fleet,
            followed: Arc::default(),
            keeping: kept,
        })))
    }

    /// Opens a ledger that is shared with other replicas. What is remembered is there as soon as Redis answers.
    pub fn share(settings: Settings, fleet: fleet::Settings) -> Result<Self, OpenError> {
        let fleet = Fleet::start(fleet, random()?).map_err(OpenError::NoThread)?;
        let ledger = Self::open_beside(Some(fleet.clone()), settings)?;
        ledger.listen_to(&fleet);
        Ok(ledger)
    }

    /// With whom rows, responses and limits are shared.
    pub fn fleet(&self) -> Option<&Fleet> {
        self.fleet.as_ref()
    }

    /// Whether a response whose texts take `size` bytes would be kept.
    pub fn keeps(&self, size: usize) -> bool {
        self.shelf().takes(size)
    }

    /// How many requests are remembered; how many responses are kept, and what these take, in bytes.
    pub fn levels(&self) -> (usize, usize, usize) {
        let entries = self.rows().len();
        let shelf = self.shelf();
        let (responses, size) = shelf.levels();
        (entries, responses, size)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when everything so far is in the file, as far as it can be written. Redis is waited for where that matters.
    pub async fn flush(&self) {
        let written = self.rows().written();
        if let Some(written) = written {
            // What cannot be written has been logged.
            let _ = written.await;
        }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A hash that tells nothing to whoever reads the ledger.
    fn hash(&self, parts: &[&[u8]]) -> Hash {
        Hash(match &self.fleet {
            Some(fleet) => fleet.hash(parts),
            None => fleet::hash(&self.secret, parts),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Hash([u8; 16]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = self;
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn random() -> Result<[u8; 32], OpenError> {
    let mut secret = [0; 32];
    SystemRandom::new()
        .fill(&mut secret)
        .map_err(|_| OpenError::NoRandomness)?;
    Ok(secret)
}
