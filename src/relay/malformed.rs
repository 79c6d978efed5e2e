use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How many events of a task's streams could not be read. Cheap to clone; all clones are one, so that whoever asks for
/// the task can tell the count even when the pursuit has been dropped.
#[derive(Debug, Clone, Default)]
pub struct Malformed(Arc<AtomicU64>);

impl Malformed {
    /// `None` when there were none.
    pub fn count(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|count| *count > 0)
    }

    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
