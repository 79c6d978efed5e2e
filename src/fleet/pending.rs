//! What waits to be told to Redis, by caller: bounded, and only the last of what was said of one row.

use std::collections::HashMap;

use tokio::sync::oneshot;

use super::{Tag, changes::Changes, effects::Effect};

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
            let is_full = self.rows >= self.most;
            let (added, dropped) = changes.add(effect, is_full);
            self.rows += usize::from(added);
            self.has_dropped |= dropped;
        }
        if changes.is_empty() {
            self.callers.remove(&tag);
        }
    }

    /// Has somebody know when everything of this caller so far has been told.
    pub(super) fn wait(&mut self, tag: Tag, told: oneshot::Sender<()>) {
        self.callers.entry(tag).or_default().wait(told);
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
                self.rows -= changes.rows();
                Some((tag, changes))
            })
            .collect();
        self.writing = taken.iter().map(|(_, changes)| changes.rows()).sum();
        self.is_writing = !taken.is_empty();
        taken
    }

    /// Takes back what could not be told.
    pub(super) fn put_back(&mut self, tag: Tag, failed: Changes) {
        let changes = self.callers.entry(tag).or_default();
        self.rows += changes.take_back(failed);
        if changes.is_empty() {
            self.callers.remove(&tag);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::json;

    use super::*;
    use crate::fleet::{Fate, Keep, changes::MOST_KEPT};

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
    fn what_was_not_taken_after_all_is_told_whatever_was_told_before() {
        let states = |effects: &[Fate]| {
            let mut pending = Pending::new(10);
            let effects = effects.iter().cloned();
            pending.add(TAG, effects.map(|fate| row("1", fate)));
            let (_, changes) = pending.take(1).pop().unwrap();
            let (_, told, _) = changes.told(TAG);
            let told: serde_json::Value = serde_json::from_str(&told).unwrap();
            let length = |name: &str| told[name].as_array().unwrap().len();
            let state = told["put"][0][2].as_str().unwrap_or_default().to_owned();
            (state, length("deliver"), length("undeliver"))
        };
        let (put, deliver, undeliver) = (put(), Fate::Deliver, Fate::Undeliver);
        let first = [put.clone(), deliver.clone(), undeliver.clone()];
        assert_eq!(states(&first), ("u".to_owned(), 0, 0));
        assert_eq!(states(&first[1..]), (String::new(), 0, 1));
        let again = [undeliver.clone(), deliver.clone()];
        assert_eq!(states(&again), (String::new(), 1, 0));
        assert_eq!(states(&[deliver, put]), ("d".to_owned(), 0, 0));

        // What could not be told before does not undo it, and is not forgotten for it.
        let mut pending = Pending::new(10);
        pending.add(TAG, [row("1", first[0].clone())]);
        let (_, failed) = pending.take(1).pop().unwrap();
        pending.add(TAG, [row("1", undeliver)]);
        pending.put_back(TAG, failed);
        let (_, changes) = pending.take(1).pop().unwrap();
        let (_, told, _) = changes.told(TAG);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["put"][0][2], "u");
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
        let (_, told, _) = changes.told(TAG);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["remove"][0][1], "1");
        assert_eq!(told["put"].as_array().unwrap().len(), 2);
        assert_eq!(
            (&told["give"], &told["leave"]),
            (&json!(0.0), &json!(["a"]))
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
            .map(|(_, changes)| changes.rows())
            .collect();
        assert_eq!(sizes, [256, 256, 88]);
    }
}
