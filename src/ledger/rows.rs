use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use super::{Bought, Hash, Settings, file::Entry, writer::Writer};
use crate::fleet::{Fate, Tag};

/// How many rows are looked at, and left, at a time because their submit is under way; of those there are no more than
/// requests at once.
const SPARED: u32 = 16;

/// How long a request is found whose answer nobody has taken. A client that has left without it comes again within seconds;
/// and what looked so may have been read after all.
const UNTAKEN: Duration = Duration::from_secs(30);

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
    /// Whether its answer was delivered, and yet it can be asked for again: with its key, or because nobody took it.
    pub(super) is_delivered: bool,
    /// Since when it is known that nobody took its answer.
    untaken: Option<Instant>,
    /// Whether the file has it, or soon will.
    is_noted: bool,
    state: State,
    /// Whoever waits for another state; mostly nobody does.
    waiting: Option<watch::Sender<State>>,
    /// Where the fleet has it, if there is one.
    pub(super) shared: Option<Box<Shared>>,
}

/// Where the fleet has a row.
pub(super) struct Shared {
    pub(super) tag: Tag,
    pub(super) place: String,
    /// What the caller's rows hung on when it was noted; another one now says that Redis has lost them.
    pub(super) anchor: String,
}

impl Row {
    /// The state, and each that comes after it.
    pub(super) fn states(&mut self) -> watch::Receiver<State> {
        let waiting = &mut self.waiting;
        waiting
            .get_or_insert_with(|| watch::Sender::new(self.state.clone()))
            .subscribe()
    }

    /// Whether it is found for as long as rows are.
    pub(super) fn is_lasting(&self) -> bool {
        self.untaken.is_none()
    }

    /// Since its request arrived.
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// What the fleet is to know of it.
    pub(super) fn fate(&self) -> Option<Fate> {
        let (state, bought) = match &self.state {
            State::Submitting => ('s', String::new()),
            State::Bought(bought) if self.is_delivered => {
                let state = if self.key.is_some() { 'd' } else { 'u' };
                (state, bought.written())
            }
            State::Bought(bought) => ('b', bought.written()),
            State::Ambiguous => ('a', String::new()),
            State::Refused => return None,
        };
        Some(Fate::Put {
            state,
            since: self.since.into_std(),
            content: self.content.to_string(),
            bought,
        })
    }

    fn entry(&self, bought: Option<Bought>) -> Entry {
        let age = self.since.elapsed().as_millis() as u64;
        Entry {
            content: self.content,
            key: self.key,
            arrived: unix_milliseconds().saturating_sub(age),
            bought,
        }
    }
}

/// All requests that are remembered, by what they can be found by.
pub(super) struct Rows {
    settings: Settings,
    /// What is found here must be found after a crash too, if there is a file.
    writer: Option<Arc<Writer>>,
    next: u64,
    rows: HashMap<u64, Row>,
    /// The oldest first; ids of rows that are gone already may still be in it.
    order: VecDeque<u64>,
    by_key: HashMap<Hash, u64>,
    /// The youngest last, behind those that were delivered and not taken. Only requests without a key.
    by_content: HashMap<Hash, Vec<u64>>,
    /// Those that were delivered and not taken, and since when that is known.
    untaken: VecDeque<(Instant, u64)>,
}

impl Rows {
    pub(super) fn new(settings: Settings, writer: Option<Arc<Writer>>) -> Self {
        Self {
            settings,
            writer,
            next: 0,
            rows: HashMap::new(),
            order: VecDeque::new(),
            by_key: HashMap::new(),
            by_content: HashMap::new(),
            untaken: VecDeque::new(),
        }
    }

    /// The request with this idempotency key.
    pub(super) fn with_key(&mut self, key: Hash) -> Option<(u64, &mut Row)> {
        self.forget_old();
        let id = *self.by_key.get(&key)?;
        Some((id, self.rows.get_mut(&id)?))
    }

    /// The youngest request with this content that was not delivered.
    pub(super) fn with_content(&mut self, content: Hash) -> Option<(u64, &mut Row)> {
        self.forget_old();
        let id = *self.by_content.get(&content)?.last()?;
        Some((id, self.rows.get_mut(&id)?))
    }

    pub(super) fn add(&mut self, content: Hash, key: Option<Hash>) -> u64 {
        let id = self.allot();
        self.add_as(id, content, key, None);
        id
    }

    /// A number that no other row has.
    pub(super) fn allot(&mut self) -> u64 {
        let id = self.next;
        self.next += 1;
        id
    }

    pub(super) fn add_as(
        &mut self,
        id: u64,
        content: Hash,
        key: Option<Hash>,
        shared: Option<Shared>,
    ) {
        self.forget_old();
        let row = Row {
            content,
            key,
            since: Instant::now(),
            is_delivered: false,
            untaken: None,
            is_noted: false,
            state: State::Submitting,
            waiting: None,
            shared: shared.map(Box::new),
        };
        self.insert(id, row);
    }

    pub(super) fn get(&mut self, id: u64) -> Option<&mut Row> {
        self.rows.get_mut(&id)
    }

    /// Everything that the fleet is to know, the oldest first.
    pub(super) fn shared(&self) -> impl Iterator<Item = (u64, &Shared, Fate)> {
        self.order.iter().filter_map(|id| {
            let row = self.rows.get(id)?;
            Some((*id, row.shared.as_deref()?, row.fate()?))
        })
    }

    /// Takes up what the file remembers. Rows come oldest first.
    pub(super) fn restore(&mut self, id: u64, entry: Entry) {
        let age = Duration::from_millis(unix_milliseconds().saturating_sub(entry.arrived));
        let row = Row {
            content: entry.content,
            key: entry.key,
            since: Instant::now().checked_sub(age).unwrap_or_else(Instant::now),
            is_delivered: false,
            untaken: None,
            is_noted: true,
            // Nobody saw what became of a submit during which the process ended.
            state: entry.bought.map_or(State::Ambiguous, State::Bought),
            waiting: None,
            shared: None,
        };
        self.insert(id, row);
    }

    fn insert(&mut self, id: u64, row: Row) {
        match row.key {
            Some(key) => drop(self.by_key.insert(key, id)),
            None => self.by_content.entry(row.content).or_default().push(id),
        }
        self.rows.insert(id, row);
        self.order.push_back(id);
        self.next = self.next.max(id + 1);
    }

    /// Has the file remember that this request may have become a task. Resolves as [`Writer::written`]; `None` where
    /// there is no file.
    pub(super) fn note(&mut self, id: u64) -> Option<oneshot::Receiver<bool>> {
        if let Some(row) = self.rows.get_mut(&id)
            && let Some(writer) = &self.writer
        {
            row.is_noted = true;
            writer.put(id, row.entry(None));
        }
        self.written()
    }

    /// Resolves when the file has everything so far; `None` where there is no file.
    pub(super) fn written(&self) -> Option<oneshot::Receiver<bool>> {
        self.writer.as_deref().map(Writer::written)
    }

    pub(super) fn set(&mut self, id: u64, state: State) {
        let Some(row) = self.rows.get_mut(&id) else {
            return;
        };
        if let (State::Bought(bought), Some(writer)) = (&state, &self.writer) {
            row.is_noted = true;
            writer.put(id, row.entry(Some(bought.clone())));
        }
        if let Some(waiting) = &row.waiting {
            // That nobody waits any more is no fault.
            waiting.send_replace(state.clone());
        }
        row.state = state;
    }

    /// Whether this request can still be found in `time` from now.
    pub(super) fn knows(&self, id: u64, time: Duration) -> bool {
        let row = self.rows.get(&id).filter(|row| row.is_lasting());
        row.is_some_and(|row| row.since.elapsed() + time <= self.settings.max_age)
    }

    /// The answer is with the client. A request with a key can be asked for again all the same; another one is gone, and
    /// given to whoever might have to take that back.
    pub(super) fn delivered(&mut self, id: u64) -> Option<Row> {
        match self.rows.get_mut(&id) {
            Some(row) if row.key.is_some() => {
                row.is_delivered = true;
                None
            }
            _ => self.remove(id),
        }
    }

    /// The answer of this request is not with the client.
    pub(super) fn take_back(&mut self, id: u64, mut row: Row) {
        row.is_delivered = true;
        if let (true, State::Bought(bought), Some(writer)) =
            (row.is_noted, &row.state, &self.writer)
        {
            writer.put(id, row.entry(Some(bought.clone())));
        }
        // Whoever waits for another one is not to get this.
        self.by_content
            .entry(row.content)
            .or_default()
            .insert(0, id);
        let now = Instant::now();
        row.untaken = Some(now);
        self.untaken.push_back((now, id));
        self.rows.insert(id, row);
        if let Err(place) = self.order.binary_search(&id) {
            self.order.insert(place, id);
        }
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Row> {
        let row = self.rows.remove(&id)?;
        if let Some(writer) = &self.writer
            && row.is_noted
        {
            writer.remove(id);
        }
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
        Some(row)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many rows there are, and how many places for them.
    #[cfg(test)]
    pub(super) fn count(&self) -> (usize, usize) {
        (self.rows.len(), self.order.len())
    }

    fn forget_old(&mut self) {
        while let Some((since, id)) = self.untaken.front().copied()
            && since.elapsed() > UNTAKEN
        {
            self.untaken.pop_front();
            let row = self.rows.get(&id);
            // One that was taken back once more has a later place.
            if row.is_some_and(|row| row.untaken == Some(since)) {
                self.remove(id);
            }
        }
        let mut spared = 0;
        while let Some(oldest) = self.order.front().copied() {
            let row = self.rows.get(&oldest);
            let is_old = row.is_none_or(|row| row.since.elapsed() > self.settings.max_age);
            if !is_old && (self.rows.len() <= self.settings.max_entries || spared == SPARED) {
                break;
            }
            self.order.pop_front();
            if row.is_some_and(|row| !is_old && row.state == State::Submitting) {
                // What comes of it somebody has yet to say, and others may wait for it.
                self.order.push_back(oldest);
                spared += 1;
            } else {
                self.remove(oldest);
            }
        }
    }
}

pub(super) fn unix_milliseconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_millis() as u64)
}
