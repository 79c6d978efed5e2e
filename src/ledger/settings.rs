use std::{path::PathBuf, time::Duration};

/// How much is remembered, and where (`[ledger]` in proxy.toml).
#[derive(Debug, Clone)]
pub struct Settings {
    pub store: Store,
    pub if_damaged: IfDamaged,
    /// How long a request can be found again, from its first arrival.
    pub max_age: Duration,
    /// The most requests that are remembered; the oldest are forgotten first.
    pub max_entries: usize,
    pub responses: Keeping,
}

/// How long responses are kept, and how many (`[responses]` in proxy.toml).
#[derive(Debug, Clone)]
pub struct Keeping {
    /// How long a response is kept, from when it was made; zero keeps none.
    pub max_age: Duration,
    /// What all of them may take, in bytes; the oldest are forgotten first.
    pub max_size: usize,
}

/// Where requests are remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// Until the process ends.
    Memory,
    /// In this file too, so that they survive a crash.
    File(PathBuf),
    /// By the fleet, so that other replicas find them.
    Fleet,
}

/// What becomes of a ledger file that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfDamaged {
    /// foxbridge does not start.
    Refuse,
    /// It is renamed, and a new one is begun.
    MoveAside,
}
