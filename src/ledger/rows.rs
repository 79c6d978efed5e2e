use std::collections::{HashMap, VecDeque};

use tokio::{sync::watch, time::Instant};

use super::{Bought, Hash, Settings};

/// What is known of a request's task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// The submit is under way.
    Submitting,
    Bought(Bought),
    /// Nobody knows whether there is a task.
    Ambiguous,
    /// There is none, for sure.
    Refused,
}

/// One request.
pub(super) struct Row {
    /// Caller and body.
    pub(super) content: Hash,
    /// Caller and idempotency key.
    key: Option<Hash>,
    since: Instant,
    pub(super) state: watch::Sender<State>,
}

/// All requests that are remembered, by what they can be found by.
pub(super) struct Rows {
    settings: Settings,
    next: u64,
    rows: HashMap<u64, Row>,
    /// The oldest first; ids of rows that are gone already may still be in it.
    order: VecDeque<u64>,
    by_key: HashMap<Hash, u64>,
    /// The youngest last. Only requests without a key that have not been delivered.
    by_content: HashMap<Hash, Vec<u64>>,
}

impl Rows {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            next: 0,
            rows: HashMap::new(),
            order: VecDeque::new(),
            by_key: HashMap::new(),
            by_content: HashMap::new(),
        }
    }

    /// The request with this idempotency key.
    pub(super) fn with_key(&mut self, key: Hash) -> Option<(u64, &Row)> {
        self.forget_old();
        let id = *self.by_key.get(&key)?;
        Some((id, self.rows.get(&id)?))
    }

    /// The youngest request with this content that was not delivered.
    pub(super) fn with_content(&mut self, content: Hash) -> Option<(u64, &Row)> {
        self.forget_old();
        let id = *self.by_content.get(&content)?.last()?;
        Some((id, self.rows.get(&id)?))
    }

    pub(super) fn add(&mut self, content: Hash, key: Option<Hash>) -> u64 {
        self.forget_old();
        let id = self.next;
        self.next += 1;
        let row = Row {
            content,
            key,
            since: Instant::now(),
            state: watch::Sender::new(State::Submitting),
        };
        self.rows.insert(id, row);
        self.order.push_back(id);
        match key {
            Some(key) => drop(self.by_key.insert(key, id)),
            None => self.by_content.entry(content).or_default().push(id),
        }
        id
    }

    pub(super) fn set(&mut self, id: u64, state: State) {
        if let Some(row) = self.rows.get(&id) {
            // Whoever waits for it is told; that nobody does is no fault.
            row.state.send_replace(state);
        }
    }

    /// The answer is with the client. A request with a key can be asked for again all the same.
    pub(super) fn delivered(&mut self, id: u64) {
        if self.rows.get(&id).is_some_and(|row| row.key.is_none()) {
            self.remove(id);
        }
    }

    pub(super) fn remove(&mut self, id: u64) {
        let Some(row) = self.rows.remove(&id) else {
            return;
        };
        if let Some(key) = row.key
            && self.by_key.get(&key) == Some(&id)
        {
            self.by_key.remove(&key);
        }
        if let Some(ids) = self.by_content.get_mut(&row.content) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_content.remove(&row.content);
            }
        }
        // Places of rows that are gone are cleared away now and then, all at once.
        if self.order.len() > 2 * self.rows.len() + 64 {
            self.order.retain(|id| self.rows.contains_key(id));
        }
    }

    /// How many rows there are, and how many places for them.
    #[cfg(test)]
    pub(super) fn count(&self) -> (usize, usize) {
        (self.rows.len(), self.order.len())
    }

    fn forget_old(&mut self) {
        while let Some(oldest) = self.order.front().copied() {
            let is_old = self
                .rows
                .get(&oldest)
                .is_none_or(|row| row.since.elapsed() > self.settings.max_age);
            if !is_old && self.rows.len() <= self.settings.max_entries {
                break;
            }
            self.order.pop_front();
            self.remove(oldest);
        }
    }
}
