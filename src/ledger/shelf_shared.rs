//! Kept responses, which Redis has where there is a fleet: whoever asks finds them on every replica.
//!
//! Nothing is kept here beside Redis but what was made while it was away, and what lets this replica's own streams end when
//! another one cancels their response.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::runtime::Handle;

use super::{
    Bought, Caller, Hash, Kept, KeptRequest, Ledger,
    claim_shared::credential,
    kept::{Record, Seen},
    rows::Rows,
    shelf::UNSETTLED,
};
use crate::fleet::{Away, Effect, Errand, Fleet, Keep, Listener, Question, Tag, script};

/// How many responses it is known of what they were a moment ago.
const MOST_SEEN: usize = 1024;

/// How many bytes of a conversation Redis gives at once, which does nothing else meanwhile.
const AHEAD: usize = 4 << 20;

/// What this replica knows of responses that Redis has.
#[derive(Default)]
pub(super) struct Followed {
    /// Those that somebody here may be following.
    kept: HashMap<String, Vec<Weak<Kept>>>,
    seen: HashMap<String, Seen>,
}

impl Followed {
    /// Takes up a response that Redis has.
    fn add(&mut self, mut kept: Kept) -> Arc<Kept> {
        kept.seen = self.seen(&kept.id);
        let kept = Arc::new(kept);
        if !kept.is_running() {
            return kept;
        }
        if self.kept.len() > MOST_SEEN {
            self.kept
                .retain(|_, kept| kept.iter().any(|kept| kept.strong_count() > 0));
        }
        let all = self.kept.entry(kept.id.clone()).or_default();
        all.retain(|kept| kept.strong_count() > 0);
        all.push(Arc::downgrade(&kept));
        kept
    }

    fn seen(&mut self, id: &str) -> Seen {
        if self.seen.len() >= MOST_SEEN && !self.seen.contains_key(id) {
            self.seen.clear();
        }
        self.seen.entry(id.to_owned()).or_default().clone()
    }
}

impl Ledger {
    /// What a request has to do with Redis, where there is a fleet, and nothing has begun it.
    pub fn errand(&self, caller: Caller<'_>) -> Option<Errand> {
        let fleet = self.fleet.as_ref()?;
        Some(Errand::new(fleet, Tag::of(self.owner(caller).0)))
    }

    /// Keeps a response for its caller, and gives the one that is kept: the same, if this request has come before. Where
    /// there is a fleet, together with what `errand` has held; `is_new`: nobody can have kept it before.
    pub async fn keep(
        &self,
        caller: Caller<'_>,
        id: String,
        bought: Bought,
        request: KeptRequest,
        is_new: bool,
        errand: Option<&Errand>,
    ) -> Arc<Kept> {
        let kept = Kept::new(id, self.owner(caller), bought, request);
        let (Some(fleet), Some(errand)) = (&self.fleet, errand) else {
            return self.shelf().keep(kept);
        };
        let age = milliseconds(self.longest(kept.is_running()));
        if is_new {
            let keep = Effect::Keep(Keep {
                kept: place(&kept.id),
                record: kept.written(),
                age,
                previous: kept.request.previous.clone().unwrap_or_default(),
            });
            return match errand.tell(keep).await {
                Ok(()) => self.followed().add(kept),
                Err(Away) => self.shelf().keep(kept),
            };
        }
        errand.release();
        let (key, record) = (self.key(&kept.owner, &kept.id), kept.written());
        let previous = kept.request.previous.as_deref().unwrap_or_default();
        let told = [&*record, &age.to_string(), previous];
        match fleet.run(&script::KEEP, &[&key], &told).await {
            Ok(known) => match self.read(&kept.id, &known) {
                Some(known) => known,
                None => self.shelf().keep(kept),
            },
            Err(Away) => self.shelf().keep(kept),
        }
    }

    /// The response of this id, if it is this caller's and still kept.
    ///
    /// # Errors
    /// When nobody can tell just now.
    pub async fn kept(&self, caller: Caller<'_>, id: &str) -> Result<Option<Arc<Kept>>, Away> {
        let owner = self.owner(caller);
        let Some(fleet) = &self.fleet else {
            return Ok(self.shelf().find(owner, id));
        };
        let question = self.question_of(&owner, &[id], 0);
        let known = fleet.ask(&script::FIND, &question).await;
        let known = known.map(|answer| self.answered(answer).remove(id));
        if let Ok(Some(known)) = known {
            return Ok(Some(known));
        }
        // It may have been made while Redis was away.
        let here = self.shelf().find(owner, id);
        match (known, here) {
            (Err(Away), None) => Err(Away),
            (_, here) => Ok(here),
        }
    }

    /// What Redis is asked ([`script::FIND`]) for some of a caller's responses and, where there is a `previous` one, for those
    /// that it goes on from, the youngest first, as far as they fit. `None`: nothing is to be asked.
    pub fn question(
        &self,
        caller: Caller<'_>,
        previous: Option<&str>,
        others: &[String],
    ) -> Option<Question> {
        let ids: Vec<&str> = previous
            .into_iter()
            .chain(others.iter().map(String::as_str))
            .collect();
        if self.fleet.is_none() || ids.is_empty() {
            return None;
        }
        let room = previous.map_or(0, |_| AHEAD);
        Some(self.question_of(&self.owner(caller), &ids, room))
    }

    fn question_of(&self, owner: &Hash, ids: &[&str], room: usize) -> Question {
        let age = |is_running| milliseconds(self.longest(is_running)).to_string();
        Question {
            keys: ids.iter().map(|id| self.key(owner, id)).collect(),
            arguments: vec![age(false), age(true), room.to_string()],
        }
    }

    /// The responses in an answer to such a question, by id.
    pub fn answered(&self, answer: Vec<String>) -> HashMap<String, Arc<Kept>> {
        let found = answer.chunks_exact(4).filter_map(|found| {
            let (id, known) = found.split_first()?;
            Some((id.clone(), self.read(id, known)?))
        });
        found.collect()
    }

    /// What a response has come to is known now. Nobody waits for it to be kept: it can be asked of its task again. Where
    /// there is a fleet it is told at the end of its request, which `errand` is.
    pub fn settled(&self, kept: &Arc<Kept>, errand: Option<&Errand>) {
        let Some(fleet) = &self.fleet else {
            return self.shelf().settled(kept);
        };
        if let (Some(errand), Some(outcome)) = (errand, kept.outcome.get())
            && kept.size() <= self.keeping.max_size
        {
            self.shelf().settled(kept);
            if !fleet.is_away() {
                errand.note_at_end(Effect::Settle {
                    kept: place(&kept.id),
                    outcome: outcome.clone(),
                    age: milliseconds(self.longest(false)),
                });
            }
            return;
        }
        let (ledger, kept) = (self.clone(), kept.clone());
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { ledger.settle(&kept).await });
        }
    }

    /// The same, and gives what it has come to, which is what was said of it first.
    pub async fn settle(&self, kept: &Arc<Kept>) -> Bytes {
        let outcome = kept.outcome.get().cloned().unwrap_or_default();
        let Some(fleet) = &self.fleet else {
            self.shelf().settled(kept);
            return outcome;
        };
        let Ok(text) = std::str::from_utf8(&outcome) else {
            return outcome;
        };
        let most = self.keeping.max_size;
        if kept.size() > most {
            tracing::warn!(
                id = kept.id,
                size = kept.size(),
                "a response is larger than 'responses.max_size' and is not kept"
            );
            self.forget_key(fleet, &kept.owner, &kept.id).await.ok();
            return outcome;
        }
        let key = self.key(&kept.owner, &kept.id);
        let age = milliseconds(self.longest(false)).to_string();
        let first = fleet.run(&script::SETTLE, &[&key], &[text, &age]).await;
        self.shelf().settled(kept);
        match first.map(|first| first.into_iter().next()) {
            Ok(Some(first)) => first.into(),
            _ => outcome,
        }
    }

    /// Nobody is to follow this response any more, on any replica.
    pub async fn cancelled(&self, kept: &Kept) {
        kept.cancelled.cancel();
        if let Some(fleet) = &self.fleet {
            // While Redis is away nobody else can be told; streams end with their task then.
            fleet.cancel(&kept.id).await.ok();
        }
    }

    /// Forgets a response, and says whether this caller had it.
    ///
    /// # Errors
    /// When nobody can tell just now.
    pub async fn forget(&self, caller: Caller<'_>, id: &str) -> Result<bool, Away> {
        let owner = self.owner(caller);
        let here = self.shelf().forget(owner, id);
        match &self.fleet {
            None => Ok(here),
            Some(fleet) => match self.forget_key(fleet, &owner, id).await {
                Err(Away) if here => Ok(true),
                forgotten => Ok(forgotten? || here),
            },
        }
    }

    /// Takes account of a response's tokens, once for all replicas. Only where there is a fleet.
    pub fn charge(&self, kept: &Kept, limit: u32, tokens: u64, errand: Option<&Errand>) {
        let charge = Effect::Charge {
            kept: place(&kept.id),
            limit,
            amount: tokens as f64,
        };
        match (errand, &self.fleet) {
            (Some(errand), _) => errand.note_at_end(charge),
            (None, Some(fleet)) => fleet.note(Tag::of(kept.owner.0), [charge]),
            (None, None) => {}
        }
    }

    async fn forget_key(&self, fleet: &Fleet, owner: &Hash, id: &str) -> Result<bool, Away> {
        let key = self.key(owner, id);
        let forgotten = fleet.run(&script::FORGET, &[&key], &[]).await?;
        Ok(forgotten.first().is_some_and(|count| count == "1"))
    }

    fn read(&self, id: &str, known: &[String]) -> Option<Arc<Kept>> {
        let [record, outcome, charged] = known else {
            return None;
        };
        let record: Record = serde_json::from_str(record).ok()?;
        let outcome = Some(outcome).filter(|outcome| !outcome.is_empty()).cloned();
        let is_charged = !charged.is_empty();
        let kept = record.into_kept(id.to_owned(), outcome);
        kept.is_charged.store(is_charged, Ordering::Relaxed);
        Some(self.followed().add(kept))
    }

    pub(super) fn owner(&self, Caller(caller): Caller<'_>) -> Hash {
        match &self.fleet {
            Some(fleet) => Hash(fleet.tag(credential(caller)).bytes()),
            None => self.hash(&[b"owner", caller]),
        }
    }

    fn key(&self, owner: &Hash, id: &str) -> String {
        Tag::of(owner.0).key(&place(id))
    }

    fn longest(&self, is_running: bool) -> Duration {
        let max_age = self.keeping.max_age;
        if is_running {
            max_age.max(UNSETTLED)
        } else {
            max_age
        }
    }

    fn followed(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is told of what happens to Redis.
    pub(super) fn listen_to(&self, fleet: &Fleet) {
        fleet.listen(Box::new(Hearing {
            rows: Arc::downgrade(&self.rows),
            followed: Arc::downgrade(&self.followed),
        }));
    }
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().max(1) as u64
}

/// How the key of a response ends.
fn place(id: &str) -> String {
    format!("s{id}")
}

/// Holds nothing, so that a ledger that nobody uses any more is gone.
struct Hearing {
    rows: Weak<Mutex<Rows>>,
    followed: Weak<Mutex<Followed>>,
}

impl Listener for Hearing {
    fn lost(&self, replica: &str) -> Vec<(Tag, Effect)> {
        let Some(rows) = self.rows.upgrade() else {
            return Vec::new();
        };
        let rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
        let told = rows.shared().map(|(id, shared, fate)| {
            let id = crate::fleet::row_id(replica, id);
            (shared.tag, Effect::Row(shared.place.clone(), id, fate))
        });
        told.collect()
    }

    fn cancelled(&self, ids: &[String]) {
        let Some(followed) = self.followed.upgrade() else {
            return;
        };
        let followed = followed.lock().unwrap_or_else(PoisonError::into_inner);
        for kept in ids.iter().filter_map(|id| followed.kept.get(id)).flatten() {
            if let Some(kept) = kept.upgrade().filter(|kept| !kept.cancelled.is_cancelled()) {
                // Its stream says the same as whoever has cancelled it was told.
                let _ = kept
                    .outcome
                    .set(Bytes::from_static(Kept::CANCELLED.as_bytes()));
                kept.cancelled.cancel();
            }
        }
    }
}
