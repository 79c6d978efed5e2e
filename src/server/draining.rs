use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// Whether foxbridge was told to stop. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Draining {
    /// Every answer looks at it, and the token has a lock.
    has_begun: Arc<AtomicBool>,
    begun: CancellationToken,
}

impl Draining {
    pub(super) fn begin(&self) {
        self.has_begun.store(true, Relaxed);
        self.begun.cancel();
    }

    pub fn has_begun(&self) -> bool {
        self.has_begun.load(Relaxed)
    }

    /// Resolves when it has begun.
    pub(super) fn begun(&self) -> WaitForCancellationFuture<'_> {
        self.begun.cancelled()
    }
}
