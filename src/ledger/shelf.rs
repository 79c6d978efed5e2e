use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Hash,
    kept::{Kept, OVERHEAD, Record},
    settings::Keeping,
    writer::Writer,
};

/// How long a background response is kept at least that has not come to an end: nobody else can tell its client what it
/// has bought.
pub(super) const UNSETTLED: Duration = Duration::from_secs(60 * 60);

/// The responses that are kept. When they take too much, whoever has most gives up the oldest that has come to an end.
pub(super) struct Shelf {
    settings: Keeping,
    writer: Option<Arc<Writer>>,
    places: HashMap<String, Place>,
    owners: HashMap<Hash, Owner>,
    uses: Uses,
    next_use: u64,
    /// What all of them take, in bytes.
    pub(super) size: usize,
}

struct Place {
    kept: Arc<Kept>,
    /// As it was counted last, in bytes.
    size: usize,
    used: Instant,
    /// The number of its last use.
    last_use: u64,
}

/// Each use of a response by number and id, the oldest first. Only the last use of one counts.
type Uses = VecDeque<(u64, String)>;

/// What one caller has.
#[derive(Default)]
struct Owner {
    uses: Uses,
    count: usize,
    size: usize,
}

impl Place {
    fn is_too_old(&self, max_age: Duration) -> bool {
        let allowed = match self.kept.is_running() {
            true => max_age.max(UNSETTLED),
            false => max_age,
        };
        self.used.elapsed() > allowed
    }

    fn record(&self) -> Record {
        let age = self.used.elapsed().as_millis() as u64;
        let used = super::rows::unix_milliseconds().saturating_sub(age);
        let outcome = self.kept.outcome.get();
        let outcome = outcome.map(|outcome| String::from_utf8_lossy(outcome).into_owned());
        self.kept.record(used, outcome)
    }

    fn restored(id: String, record: Record) -> Self {
        let age = super::rows::unix_milliseconds().saturating_sub(record.used);
        let kept = record.into_kept(id, None);
        let used = Instant::now().checked_sub(Duration::from_millis(age));
        Self {
            size: kept.size(),
            kept: Arc::new(kept),
            used: used.unwrap_or_else(Instant::now),
            last_use: 0,
        }
    }
}

impl Shelf {
    pub(super) fn new(settings: Keeping, writer: Option<Arc<Writer>>) -> Self {
        Self {
            settings,
            writer,
            places: HashMap::new(),
            owners: HashMap::new(),
            uses: VecDeque::new(),
            next_use: 0,
            size: 0,
        }
    }

    /// Takes up what the file remembers. Records that are not as this version writes them are left out.
    pub(super) fn restore(&mut self, records: Vec<(String, Vec<u8>)>) {
        let read = records.into_iter().filter_map(|(id, record)| {
            let record: Record = serde_json::from_slice(&record).ok()?;
            Some(Place::restored(id, record))
        });
        let mut places: Vec<Place> = read.collect();
        places.sort_by_key(|place| place.used);
        for place in places {
            self.insert(place);
        }
        self.make_room();
    }

    /// Whether a response whose texts take `size` bytes would be kept.
    pub(super) fn takes(&self, size: usize) -> bool {
        !self.settings.max_age.is_zero() && size + OVERHEAD <= self.settings.max_size
    }

    /// Keeps a response, unless it is kept already, and gives the one that is.
    pub(super) fn keep(&mut self, kept: Kept) -> Arc<Kept> {
        if let Some(known) = self.places.get(&kept.id)
            && known.kept.owner == kept.owner
        {
            return known.kept.clone();
        }
        let kept = Arc::new(kept);
        self.insert(Place {
            kept: kept.clone(),
            size: kept.size(),
            used: Instant::now(),
            last_use: 0,
        });
        self.write(&kept.id);
        self.make_room();
        kept
    }

    /// What a response has come to is known now.
    pub(super) fn settled(&mut self, kept: &Kept) {
        let Some(place) = self.places.get_mut(&kept.id) else {
            return;
        };
        let (before, now) = (place.size, place.kept.size());
        place.size = now;
        self.size = self.size + now - before;
        if let Some(owner) = self.owners.get_mut(&kept.owner) {
            owner.size = owner.size + now - before;
        }
        if now > self.settings.max_size {
            tracing::warn!(
                id = kept.id,
                size = now,
                "a response is larger than 'responses.max_size' and is not kept"
            );
            return self.remove(&kept.id);
        }
        self.write(&kept.id);
        self.make_room();
    }

    /// The response of this id, if it is this caller's. Whoever is asked for is as good as new.
    pub(super) fn find(&mut self, owner: Hash, id: &str) -> Option<Arc<Kept>> {
        self.make_room();
        let place = self.places.get_mut(id)?;
        if place.kept.owner != owner {
            return None;
        }
        place.used = Instant::now();
        let kept = place.kept.clone();
        self.use_now(id);
        Some(kept)
    }

    /// Forgets a response, and says whether this caller had it.
    pub(super) fn forget(&mut self, owner: Hash, id: &str) -> bool {
        let is_known = self.find(owner, id).is_some();
        if is_known {
            self.remove(id);
        }
        is_known
    }

    /// How many there are, and what they take, in bytes.
    pub(super) fn levels(&self) -> (usize, usize) {
        (self.places.len(), self.size)
    }

    fn insert(&mut self, place: Place) {
        let id = &place.kept.id;
        self.size += place.size;
        let owner = self.owners.entry(place.kept.owner).or_default();
        owner.size += place.size;
        owner.count += 1;
        let id = id.clone();
        self.places.insert(id.clone(), place);
        self.use_now(&id);
    }

    fn use_now(&mut self, id: &str) {
        let Some(place) = self.places.get_mut(id) else {
            return;
        };
        let number = self.next_use;
        self.next_use += 1;
        place.last_use = number;
        let owner = place.kept.owner;
        self.uses.push_back((number, id.to_owned()));
        tidy(&mut self.uses, self.places.len(), &self.places);
        if let Some(owner) = self.owners.get_mut(&owner) {
            owner.uses.push_back((number, id.to_owned()));
            tidy(&mut owner.uses, owner.count, &self.places);
        }
    }

    fn remove(&mut self, id: &str) {
        let Some(place) = self.places.remove(id) else {
            return;
        };
        self.size -= place.size;
        if let Some(owner) = self.owners.get_mut(&place.kept.owner) {
            owner.size -= place.size;
            owner.count -= 1;
            if owner.count == 0 {
                self.owners.remove(&place.kept.owner);
            }
        }
        if let Some(writer) = &self.writer {
            writer.keep(id.to_owned(), None);
        }
    }

    fn make_room(&mut self) {
        self.forget_old();
        while self.size > self.settings.max_size {
            match self.least_worth() {
                Some(id) => self.remove(&id),
                None => break,
            }
        }
    }

    fn forget_old(&mut self) {
        let max_age = self.settings.max_age;
        for _ in 0..self.uses.len() {
            let Some((number, id)) = self.uses.pop_front() else {
                return;
            };
            match self.places.get(&id) {
                Some(place) if place.last_use != number => {}
                Some(place) if place.is_too_old(max_age) => self.remove(&id),
                Some(place) if place.used.elapsed() > max_age => self.use_now(&id),
                Some(_) => return self.uses.push_front((number, id)),
                None => {}
            }
        }
    }

    /// Of whoever has most, the response that was used longest ago and has come to an end; if all run, the first of them.
    fn least_worth(&self) -> Option<String> {
        let owner = self.owners.values().max_by_key(|owner| owner.size)?;
        let mut known = owner.uses.iter().filter_map(|(number, id)| {
            let place = self.places.get(id)?;
            (place.last_use == *number).then_some(place)
        });
        let ended = known.clone().find(|place| !place.kept.is_running());
        let place = ended.or_else(|| known.next())?;
        Some(place.kept.id.clone())
    }

    fn write(&self, id: &str) {
        if let (Some(writer), Some(place)) = (&self.writer, self.places.get(id)) {
            // Texts and numbers have no way to fail to serialize.
            let record = serde_json::to_vec(&place.record()).unwrap_or_default();
            writer.keep(id.to_owned(), Some(record));
        }
    }
}

/// Clears uses away that do not count any more, now and then and all at once.
fn tidy(uses: &mut Uses, count: usize, places: &HashMap<String, Place>) {
    if uses.len() > 2 * count + 64 {
        uses.retain(|(number, id)| {
            let place = places.get(id);
            place.is_some_and(|place| place.last_use == *number)
        });
    }
}

#[cfg(test)]
#[path = "shelf_tests.rs"]
mod tests;
