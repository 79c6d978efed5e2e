//! What keys and rows are called, so that nobody who reads Redis learns whose they are.

use std::fmt;

use ring::hmac;

/// What every key begins with.
const PREFIX: &str = "fb:";

/// Whose keys they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(pub(super) [u8; 16]);

/// What hashes are keyed with, the same for all replicas.
pub(super) struct Secret {
    pub(super) bytes: [u8; 32],
    pub(super) key: hmac::Key,
}

impl Secret {
    pub(super) fn new(bytes: [u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        Self { bytes, key }
    }
}

/// What a row of a replica is called, and who has it.
pub fn row_id(replica: &str, number: u64) -> String {
    format!("{replica}.{number}")
}

/// A hash that tells nothing to whoever does not have its key.
pub fn hash(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 16] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        // With their lengths, no two lists of parts are the same text.
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    let mut hash = [0; 16];
    if let Some(head) = context.sign().as_ref().get(..hash.len()) {
        hash.copy_from_slice(head);
    }
    hash
}

impl Tag {
    pub fn of(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// The key of this caller's that ends so.
    pub fn key(self, end: &str) -> String {
        format!("{PREFIX}{{{self}}}{end}")
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = self;
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
