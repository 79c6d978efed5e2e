//! What the fake upstream has been asked.

use serde::{Deserialize, Serialize};

/// Counts since the fake upstream began, or between two moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stats {
    pub(crate) submits: u64,
    pub(crate) queries: u64,
    pub(crate) streams: u64,
    /// Connections that were accepted.
    pub(crate) connections: u64,
    /// Streams that are open now.
    pub(crate) open: u64,
}

impl Stats {
    pub(crate) fn calls(&self) -> u64 {
        self.submits + self.queries + self.streams
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            submits: self.submits - before.submits,
            queries: self.queries - before.queries,
            streams: self.streams - before.streams,
            connections: self.connections - before.connections,
            open: self.open,
        }
    }
}
