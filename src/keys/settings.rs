use super::Hash;
use crate::translate::Pattern;

/// The most keys of one list. Each request is compared with all of them, which takes some microseconds for a thousand.
pub const MOST_KEYS: usize = 10_000;

/// A client's key, as the operator lists it (`server.keys_file`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is called in the log and towards its client; no two have the same.
    pub name: String,
    pub hash: Hash,
    /// The models that it may use, by the client's name for them or by the upstream's; `None`: all.
    pub models: Option<Vec<Pattern>>,
    pub limits: Limits,
}

/// How much a key may have; `None` is as much as it likes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests that may buy or are relayed.
    pub requests_per_minute: Option<u32>,
    /// Tokens of prompts and answers.
    pub tokens_per_minute: Option<u32>,
    /// Requests that are being answered at the same time.
    pub concurrency: Option<u32>,
}
