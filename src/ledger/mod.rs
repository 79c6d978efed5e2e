//! Which task belongs to which client request, so that a request that is sent again finds the task it has bought; and the
//! responses that clients want kept.
//!
//! A row holds a task id and keyed hashes; never a key, a prompt or an answer. Rows are found in memory, bounded by age
//! and number; with [`Store::File`] each is also written to an embedded database before its request is submitted, so that
//! it survives a crash.
//!
//! A kept response ([`Kept`]) does hold what was asked and answered, because that is what its client wants it for. It is
//! found by its id and by the caller who made it, and bounded by age and size.

mod claim;
mod file;
mod rows;
mod settings;
mod shelf;
mod writer;

pub use claim::{Caller, Claim, Claimed, Intent, NotNoted, Receipt};
pub use file::OpenError;
pub use settings::{IfDamaged, Keeping, Settings, Store};
pub use shelf::{Kept, KeptRequest};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};

use file::LedgerFile;
use rows::Rows;
use shelf::Shelf;
use writer::Writer;

/// What is needed to take up a task again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bought {
    pub task: String,
    pub stream_url: Option<String>,
    /// Unix seconds.
    pub created: u64,
    /// The name of the upstream key that bought it, where there were several.
    pub key: Option<String>,
    /// The upstream's name of the model that took it, where that is not the one that was asked first.
    pub model: Option<String>,
}

/// The ledger. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Ledger {
    rows: Arc<Mutex<Rows>>,
    shelf: Arc<Mutex<Shelf>>,
    secret: Arc<hmac::Key>,
}

impl Ledger {
    /// Opens the ledger with everything that its file remembers.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        let keeping = settings.responses.clone();
        let (secret, rows, shelf) = match &settings.store {
            Store::Memory => (
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
        Ok(Self {
            rows: Arc::new(Mutex::new(rows)),
            shelf: Arc::new(Mutex::new(shelf)),
            secret: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &secret)),
        })
    }

    /// Whether a response whose texts take `size` bytes would be kept.
    pub fn keeps(&self, size: usize) -> bool {
        self.shelf().takes(size)
    }

    /// Keeps a response for its caller, and gives the one that is kept: the same, if this request has come before.
    pub fn keep(
        &self,
        caller: Caller<'_>,
        id: String,
        bought: Bought,
        request: KeptRequest,
    ) -> Arc<Kept> {
        let kept = Kept::new(id, self.owner(caller), bought, request);
        self.shelf().keep(kept)
    }

    /// The response of this id, if it is this caller's and still kept.
    pub fn kept(&self, caller: Caller<'_>, id: &str) -> Option<Arc<Kept>> {
        let owner = self.owner(caller);
        self.shelf().find(owner, id)
    }

    /// What a response has come to is known now.
    pub fn settled(&self, kept: &Kept) {
        self.shelf().settled(kept);
    }

    /// Forgets a response, and says whether this caller had it.
    pub fn forget(&self, caller: Caller<'_>, id: &str) -> bool {
        let owner = self.owner(caller);
        self.shelf().forget(owner, id)
    }

    /// How many requests are remembered; how many responses are kept, and what these take, in bytes.
    pub fn levels(&self) -> (usize, usize, usize) {
        let entries = self.rows().len();
        let shelf = self.shelf();
        let (responses, size) = shelf.levels();
        (entries, responses, size)
    }

    fn owner(&self, Caller(caller): Caller<'_>) -> Hash {
        self.hash(&[b"owner", caller])
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when everything so far is in the file, as far as it can be written.
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

fn random() -> Result<[u8; 32], OpenError> {
    let mut secret = [0; 32];
    SystemRandom::new()
        .fill(&mut secret)
        .map_err(|_| OpenError::NoRandomness)?;
    Ok(secret)
}
