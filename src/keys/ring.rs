use std::{collections::HashMap, fmt, time::Instant};

use subtle::ConditionallySelectable;

use super::{Client, Entry, Hash};

/// All clients that have a key.
pub struct Ring {
    /// Beside each other, so that to compare with all of them is to read on.
    hashes: Vec<Hash>,
    /// In the same order.
    clients: Vec<Client>,
}

impl Ring {
    pub fn new(entries: Vec<Entry>) -> Self {
        Self {
            hashes: Vec::new(),
            clients: Vec::new(),
        }
        .renewed(entries)
    }

    /// Another list in place of this one. A key that has the limits that it had goes on from what it has used of them.
    pub fn renewed(&self, entries: Vec<Entry>) -> Self {
        let now = Instant::now();
        let known: HashMap<&Hash, &Client> = self.hashes.iter().zip(&self.clients).collect();
        let (hashes, clients) = entries
            .into_iter()
            .map(|entry| {
                let before = known.get(&entry.hash).copied();
                (entry.hash.clone(), Client::new(entry, before, now))
            })
            .unzip();
        Self { hashes, clients }
    }

    /// Whose key this is, if anybody's. It is compared with every one, whichever it is: neither how much of a hash is right
    /// nor where it stands can be told from the time that this takes.
    pub fn find(&self, key: &[u8]) -> Option<Client> {
        let presented = Hash::of(key);
        let mut found = u64::MAX;
        for (at, hash) in (0_u64..).zip(&self.hashes) {
            found.conditional_assign(&at, hash.is(&presented));
        }
        self.clients.get(usize::try_from(found).ok()?).cloned()
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.clients).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Limits;

    #[test]
    fn a_list_that_changes_forgets_nothing_of_what_stays() {
        let entry = |name: &str, requests: u32| Entry {
            name: name.to_owned(),
            hash: Hash::of(name.as_bytes()),
            models: None,
            limits: Limits {
                requests_per_minute: Some(requests),
                concurrency: Some(1),
                ..Limits::default()
            },
        };
        let before = Ring::new(vec![entry("a", 2), entry("b", 2), entry("c", 2)]);
        let [a, b] = ["a", "b"].map(|key| before.find(key.as_bytes()).unwrap());
        let held = [&a, &b].map(|client| client.enter(true).unwrap());
        let after = before.renewed(vec![entry("b", 3), entry("a", 2), entry("d", 2)]);
        assert!(after.find(b"c").is_none());
        let left = |key: &[u8]| {
            let standing = after.find(key).unwrap().standing();
            standing.requests.map(|rate| rate.left)
        };
        assert_eq!(
            (left(b"a"), left(b"b"), left(b"d")),
            (Some(1), Some(3), Some(2))
        );
        assert!(
            after.find(b"a").unwrap().enter(true).is_err(),
            "its place is held"
        );
        drop(held);
        assert!(after.find(b"a").unwrap().enter(true).is_ok());
    }

    #[test]
    fn a_key_finds_its_own_client_and_no_other() {
        let entry = |name: &str| Entry {
            name: name.to_owned(),
            hash: Hash::of(format!("key of {name}").as_bytes()),
            models: None,
            limits: Limits::default(),
        };
        let names = ["a", "b", "c"];
        let ring = Ring::new(names.map(entry).into());
        for name in names {
            let client = ring.find(format!("key of {name}").as_bytes());
            assert_eq!(client.as_ref().map(Client::name), Some(name));
        }
        for wrong in ["", "a", "key of ", "key of d", "Key of a", "key of a "] {
            assert!(ring.find(wrong.as_bytes()).is_none(), "{wrong}");
        }
        assert!(Ring::new(Vec::new()).find(b"").is_none());
        assert_eq!(
            format!("{ring:?}"),
            r#"[Client("a"), Client("b"), Client("c")]"#
        );
    }
}
