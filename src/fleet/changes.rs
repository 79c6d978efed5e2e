//! What Redis is to be told of one caller, in one script.

use std::{
    collections::{HashMap, hash_map::Entry},
    mem,
};

use bytes::Bytes;
use serde_json::json;
use tokio::sync::oneshot;

use super::{
    Tag,
    effects::{Effect, Fate, Keep, ORDER, PLACES, TOKENS},
};

/// The most rows that one script changes, because Redis does nothing else meanwhile.
pub(super) const MOST_ROWS: usize = 256;

/// The most kept responses that one script changes, whose texts can be large.
pub(super) const MOST_KEPT: usize = 16;

/// What Redis is to be told of one caller.
#[derive(Debug, Default)]
pub(super) struct Changes {
    rows: HashMap<(String, String), Fate>,
    give: f64,
    limit: u32,
    leave: Vec<String>,
    charge: Vec<(String, f64)>,
    keep: Vec<Keep>,
    settle: Vec<(String, Bytes, u64)>,
    /// Who waits until all this has been told.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Changes {
    /// Whether there is one more row, and whether something was dropped because there is too much. `is_full`: no row may be added.
    pub(super) fn add(&mut self, effect: Effect, is_full: bool) -> (bool, bool) {
        match effect {
            Effect::Row(place, id, fate) => return self.row((place, id), fate, is_full),
            Effect::Give { limit, amount } => {
                self.give += amount;
                self.limit = limit;
            }
            // As many as there were requests when Redis was there the last time.
            Effect::Leave(place) => self.leave.push(place),
            Effect::Charge {
                kept,
                limit,
                amount,
            } => {
                self.limit = limit.max(self.limit);
                if self.charge.len() >= MOST_ROWS {
                    return (false, true);
                }
                self.charge.push((kept, amount));
            }
            Effect::Keep(keep) => self.keep.push(keep),
            Effect::Settle { kept, outcome, age } => self.settle.push((kept, outcome, age)),
        }
        (false, false)
    }

    /// Has somebody know when everything so far has been told.
    pub(super) fn wait(&mut self, told: oneshot::Sender<()>) {
        self.waiting.push(told);
    }

    /// How many rows.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.give == 0.0
            && self.leave.is_empty()
            && self.charge.is_empty()
            && self.keep.is_empty()
            && self.settle.is_empty()
            && self.waiting.is_empty()
    }

    /// Whether there is one more row, and whether this one was dropped.
    fn row(&mut self, row: (String, String), fate: Fate, is_full: bool) -> (bool, bool) {
        match self.rows.entry(row) {
            Entry::Occupied(mut known) => {
                known.get_mut().becomes(fate);
                (false, false)
            }
            Entry::Vacant(_) if is_full => (false, true),
            Entry::Vacant(place) => {
                place.insert(fate);
                (true, false)
            }
        }
    }

    /// Takes back what could not be told, unless something newer is known, and says how many rows there are more. Nobody knows
    /// whether it was told after all, so that tokens are not given a second time. Texts of responses would take too much room:
    /// whoever waits for one to be kept keeps it himself, and what one has come to its task knows.
    pub(super) fn take_back(&mut self, failed: Self) -> usize {
        let before = self.rows.len();
        for (row, mut fate) in failed.rows {
            match self.rows.entry(row) {
                Entry::Vacant(place) => drop(place.insert(fate)),
                Entry::Occupied(mut newer) => {
                    fate.becomes(newer.insert(Fate::Remove));
                    newer.insert(fate);
                }
            }
        }
        self.leave.extend(failed.leave);
        self.charge.extend(failed.charge);
        self.charge.truncate(MOST_ROWS);
        self.limit = self.limit.max(failed.limit);
        // A part of what they wait for may have been in it.
        self.waiting.clear();
        self.rows.len() - before
    }

    /// What is more than one script does.
    pub(super) fn split_off(&mut self) -> Option<Self> {
        if self.rows.len() <= MOST_ROWS
            && self.keep.len() <= MOST_KEPT
            && self.settle.len() <= MOST_KEPT
        {
            return None;
        }
        let surplus: Vec<_> = self.rows.keys().skip(MOST_ROWS).cloned().collect();
        let mut rest = Self {
            limit: self.limit,
            keep: self.keep.split_off(self.keep.len().min(MOST_KEPT)),
            settle: self.settle.split_off(self.settle.len().min(MOST_KEPT)),
            // They wait for the last of it.
            waiting: mem::take(&mut self.waiting),
            ..Self::default()
        };
        for row in surplus {
            if let Some(fate) = self.rows.remove(&row) {
                rest.rows.insert(row, fate);
            }
        }
        Some(rest)
    }

    /// All of it has been told.
    pub(super) fn done(self) {
        for waiting in self.waiting {
            // Whoever has lost patience is not there any more.
            let _ = waiting.send(());
        }
    }

    /// The keys that the script needs, what it is told, and the texts that this names by number.
    pub(super) fn told(&self, tag: Tag) -> (Vec<String>, String, Vec<&str>) {
        let mut keys: Vec<String> = [ORDER, TOKENS, PLACES].map(|end| tag.key(end)).into();
        let (mut put, mut remove) = (Vec::new(), Vec::new());
        let (mut deliver, mut undeliver) = (Vec::new(), Vec::new());
        for ((place, id), fate) in &self.rows {
            keys.push(tag.key(place));
            let number = keys.len();
            match fate {
                Fate::Put {
                    state,
                    since,
                    content,
                    bought,
                } => {
                    let age = since.elapsed().as_micros() as u64;
                    put.push(json!([number, id, state, age, content, bought]));
                }
                Fate::Deliver => deliver.push(json!([number, id])),
                Fate::Undeliver => undeliver.push(json!([number, id])),
                Fate::Remove => remove.push(json!([number, id])),
            }
        }
        let mut charge = Vec::new();
        for (kept, amount) in &self.charge {
            keys.push(tag.key(kept));
            charge.push(json!([keys.len(), amount]));
        }
        let (mut keep, mut settle) = (Vec::new(), Vec::new());
        let mut texts: Vec<&str> = Vec::new();
        for Keep {
            kept,
            record,
            age,
            previous,
        } in &self.keep
        {
            keys.push(tag.key(kept));
            texts.push(record);
            keep.push(json!([keys.len(), texts.len(), age, previous]));
        }
        for (kept, outcome, age) in &self.settle {
            let Ok(outcome) = std::str::from_utf8(outcome) else {
                continue;
            };
            keys.push(tag.key(kept));
            texts.push(outcome);
            settle.push(json!([keys.len(), texts.len(), age]));
        }
        let effects = json!({
            "put": put, "deliver": deliver, "undeliver": undeliver, "remove": remove, "leave": self.leave,
            "give": self.give, "tokens": self.limit, "charge": charge, "keep": keep, "settle": settle,
        });
        (keys, effects.to_string(), texts)
    }
}
