use std::{collections::HashMap, time::Instant};

use bytes::Bytes;
use serde_json::json;
use tokio::sync::oneshot;

use super::Tag;

/// The most rows that one script changes, because Redis does nothing else meanwhile.
const MOST_ROWS: usize = 256;

/// The most kept responses that one script changes, whose texts can be large.
const MOST_KEPT: usize = 16;

/// Something that Redis is to be told. All of it may be told twice, but for [`Effect::Give`].
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// What has become of the row with this id, in this place.
    Row(String, String, Fate),
    /// Tokens that come back, of a limit of so many a minute; a negative number was used beyond what was taken.
    Give { limit: u32, amount: f64 },
    /// This place among those of a client is free.
    Leave(String),
    /// Tokens that a kept response has used, of which account is taken once.
    Charge {
        kept: String,
        limit: u32,
        amount: f64,
    },
    /// A response is kept from now on.
    Keep(Keep),
    /// What a kept response has come to, unless that is known, and for how long it is kept then in ms.
    Settle {
        kept: String,
        outcome: Bytes,
        age: u64,
    },
}

/// A response that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Keep {
    /// How its key ends.
    pub kept: String,
    pub record: String,
    /// How long, in ms.
    pub age: u64,
    /// The id of the one that it goes on from, or nothing.
    pub previous: String,
}

/// What has become of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    Put {
        /// As Redis has it.
        state: char,
        since: Instant,
        content: String,
        bought: String,
    },
    /// Its answer is with the client.
    Deliver,
    Remove,
}

/// What waits to be told.
pub(super) struct Pending {
    most: usize,
    rows: usize,
    callers: HashMap<Tag, Changes>,
    /// How many rows are being written just now.
    writing: usize,
    /// Whether anything is.
    pub(super) is_writing: bool,
    /// Whether there was more than could be kept.
    pub(super) has_dropped: bool,
}

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

impl Pending {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            rows: 0,
            callers: HashMap::new(),
            writing: 0,
            is_writing: false,
            has_dropped: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.callers.is_empty() && !self.is_writing
    }

    /// How many rows, those that are being written too.
    pub(super) fn len(&self) -> usize {
        self.rows + self.writing
    }

    /// What was taken has been told, or put back.
    pub(super) fn written(&mut self) {
        self.writing = 0;
        self.is_writing = false;
    }

    pub(super) fn add(&mut self, tag: Tag, effects: impl IntoIterator<Item = Effect>) {
        let changes = self.callers.entry(tag).or_default();
        for effect in effects {
            match effect {
                Effect::Row(place, id, fate) => {
                    let is_full = self.rows >= self.most;
                    let (added, dropped) = changes.row((place, id), fate, is_full);
                    self.rows += usize::from(added);
                    self.has_dropped |= dropped;
                }
                Effect::Give { limit, amount } => {
                    changes.give += amount;
                    changes.limit = limit;
                }
                // As many as there were requests when Redis was there the last time.
                Effect::Leave(place) => changes.leave.push(place),
                Effect::Charge {
                    kept,
                    limit,
                    amount,
                } => {
                    changes.limit = limit.max(changes.limit);
                    match changes.charge.len() < MOST_ROWS {
                        true => changes.charge.push((kept, amount)),
                        false => self.has_dropped = true,
                    }
                }
                Effect::Keep(keep) => changes.keep.push(keep),
                Effect::Settle { kept, outcome, age } => changes.settle.push((kept, outcome, age)),
            }
        }
        if changes.is_empty() {
            self.callers.remove(&tag);
        }
    }

    /// Has somebody know when everything of this caller so far has been told.
    pub(super) fn wait(&mut self, tag: Tag, told: oneshot::Sender<()>) {
        self.callers.entry(tag).or_default().waiting.push(told);
    }

    /// Takes changes of so many callers, and some rows of each.
    pub(super) fn take(&mut self, most: usize) -> Vec<(Tag, Changes)> {
        let tags: Vec<Tag> = self.callers.keys().take(most).copied().collect();
        let taken: Vec<_> = tags
            .into_iter()
            .filter_map(|tag| {
                let mut changes = self.callers.remove(&tag)?;
                if let Some(rest) = changes.split_off() {
                    self.callers.insert(tag, rest);
                }
                self.rows -= changes.rows.len();
                Some((tag, changes))
            })
            .collect();
        self.writing = taken.iter().map(|(_, changes)| changes.rows.len()).sum();
        self.is_writing = !taken.is_empty();
        taken
    }

    /// Takes back what could not be told, unless something newer is known. Nobody knows whether it was told after all, so
    /// that tokens are not given a second time. Texts of responses would take too much room: whoever waits for one to be
    /// kept keeps it himself, and what one has come to its task knows.
    pub(super) fn put_back(&mut self, tag: Tag, failed: Changes) {
        let changes = self.callers.entry(tag).or_default();
        for (row, fate) in failed.rows {
            if let std::collections::hash_map::Entry::Vacant(place) = changes.rows.entry(row) {
                place.insert(fate);
                self.rows += 1;
            }
        }
        changes.leave.extend(failed.leave);
        changes.charge.extend(failed.charge);
        changes.limit = changes.limit.max(failed.limit);
        if changes.is_empty() {
            self.callers.remove(&tag);
        }
    }
}

impl Changes {
    fn is_empty(&self) -> bool {
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
        match (self.rows.get_mut(&row), fate) {
            (Some(Fate::Put { state, .. }), Fate::Deliver) => *state = 'd',
            (Some(known @ Fate::Deliver), mut fate) => {
                if let Fate::Put { state, .. } = &mut fate {
                    *state = 'd';
                }
                *known = fate;
            }
            (Some(Fate::Remove), _) => {}
            (Some(known), fate) => *known = fate,
            (None, _) if is_full => return (false, true),
            (None, fate) => {
                self.rows.insert(row, fate);
                return (true, false);
            }
        }
        (false, false)
    }

    /// What is more than one script does.
    fn split_off(&mut self) -> Option<Self> {
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
            waiting: std::mem::take(&mut self.waiting),
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
        let (mut put, mut deliver, mut remove) = (Vec::new(), Vec::new(), Vec::new());
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
            "put": put, "deliver": deliver, "remove": remove, "leave": self.leave,
            "give": self.give, "tokens": self.limit, "charge": charge, "keep": keep, "settle": settle,
        });
        (keys, effects.to_string(), texts)
    }
}

/// How the keys of a caller end: its rows by age, its anchor, what is left of its limits, and its requests under way.
pub const ORDER: &str = "o";
pub const ANCHOR: &str = "a";
pub const REQUESTS: &str = "r";
pub const TOKENS: &str = "t";
pub const PLACES: &str = "n";

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: Tag = Tag([7; 16]);

    fn row(id: &str, fate: Fate) -> Effect {
        Effect::Row("p".to_owned(), id.to_owned(), fate)
    }

    fn put() -> Fate {
        Fate::Put {
            state: 'b',
            since: Instant::now(),
            content: "00".to_owned(),
            bought: "{}".to_owned(),
        }
    }

    #[test]
    fn what_comes_together_is_told_together_and_only_the_last_of_it() {
        let mut pending = Pending::new(10);
        pending.add(TAG, [row("1", put()), row("2", put()), row("3", put())]);
        pending.add(TAG, [row("1", Fate::Remove), row("2", Fate::Deliver)]);
        pending.add(
            TAG,
            [Effect::Give {
                limit: 60,
                amount: 3.0,
            }],
        );
        pending.add(
            TAG,
            [Effect::Give {
                limit: 60,
                amount: -1.0,
            }],
        );
        let taken = pending.take(10);
        let [(TAG, changes)] = &taken[..] else {
            panic!("{taken:?}");
        };
        let (keys, told, _) = changes.told(TAG);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(keys.len(), 6);
        assert_eq!(told["remove"][0][1], "1");
        assert_eq!(told["give"], 2.0);
        let states: Vec<_> = told["put"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| &row[2])
            .collect();
        assert!(states.contains(&&json!("d")) && states.contains(&&json!("b")));
        assert!(pending.is_writing && pending.len() == 3);
        pending.written();
        assert!(pending.is_empty());
        assert_eq!(pending.len(), 0);
    }

    #[test]
    fn what_cannot_be_told_waits_and_is_bounded() {
        let mut pending = Pending::new(3);
        for id in ["1", "2", "3", "4"] {
            pending.add(TAG, [row(id, put())]);
        }
        assert!(pending.len() == 3 && pending.has_dropped);
        let give = Effect::Give {
            limit: 60,
            amount: 3.0,
        };
        pending.add(TAG, [give, Effect::Leave("a".to_owned())]);
        let (_, failed) = pending.take(10).pop().unwrap();
        pending.add(TAG, [row("1", Fate::Remove)]);
        pending.put_back(TAG, failed);
        pending.written();
        let (_, changes) = pending.take(10).pop().unwrap();
        assert_eq!(
            changes.rows[&("p".to_owned(), "1".to_owned())],
            Fate::Remove
        );
        assert_eq!(
            (changes.rows.len(), changes.give, changes.leave.len()),
            (3, 0.0, 1)
        );
    }

    #[test]
    fn whoever_waits_hears_when_all_of_it_was_told() {
        let mut pending = Pending::new(10);
        let keep = |number: usize| {
            Effect::Keep(Keep {
                kept: format!("s{number}"),
                record: format!("record {number}"),
                age: 1000,
                previous: String::new(),
            })
        };
        pending.add(TAG, (0..=MOST_KEPT).map(keep));
        let (told, mut is_told) = oneshot::channel();
        pending.wait(TAG, told);
        let (_, first) = pending.take(1).pop().unwrap();
        let (keys, effects, texts) = first.told(TAG);
        let effects: serde_json::Value = serde_json::from_str(&effects).unwrap();
        assert_eq!(effects["keep"][1], json!([5, 2, 1000, ""]));
        assert_eq!((keys[4].as_str(), texts[1]), (&*TAG.key("s1"), "record 1"));
        assert_eq!(texts.len(), MOST_KEPT);
        first.done();
        is_told.try_recv().expect_err("one is yet to be told");
        pending.written();
        let (_, last) = pending.take(1).pop().unwrap();
        last.done();
        is_told.try_recv().unwrap();

        // Whoever waits for what could not be told is not kept waiting.
        pending.add(TAG, [keep(0)]);
        let (told, mut is_told) = oneshot::channel();
        pending.wait(TAG, told);
        let (_, failed) = pending.take(1).pop().unwrap();
        pending.put_back(TAG, failed);
        pending.written();
        is_told.try_recv().unwrap_err();
        assert!(pending.is_empty());
    }

    #[test]
    fn a_script_changes_so_many_rows_and_no_more() {
        let mut pending = Pending::new(1000);
        for id in 0..600 {
            pending.add(TAG, [row(&id.to_string(), put())]);
        }
        let sizes: Vec<_> = std::iter::from_fn(|| pending.take(1).pop())
            .map(|(_, changes)| changes.rows.len())
            .collect();
        assert_eq!(sizes, [256, 256, 88]);
    }
}
