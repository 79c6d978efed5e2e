use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::task::Turns;

/// The order in which tasks are taken up that were bought before. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Returning {
    start: Instant,
    turns: Arc<Mutex<Turns>>,
}

impl Default for Returning {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            turns: Arc::default(),
        }
    }
}

impl Returning {
    /// How long to wait before the upstream is asked for one.
    pub(super) fn turn(&self) -> Duration {
        let now = self.start.elapsed();
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.take(now)
    }
}
