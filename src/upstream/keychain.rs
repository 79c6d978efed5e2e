//! Keys of foxbridge's own, of which each request takes one: those of `upstream.keys_file`, or the one of `upstream.api_key`, which
//! is a list of one.
//!
//! A key that was refused rests, and comes back slowly. While none is limited, a request costs one short lock, and nothing
//! more is looked at than a flag a key.

mod choice;
mod pacing;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

pub use pacing::Cause;

use super::{Key, UpstreamKey};
use choice::Choice;
use pacing::Pacing;

/// The most keys there can be: each has series of its own in the metrics, and a bit in [`Tried`].
pub const MOST_UPSTREAM_KEYS: usize = 64;

/// What is known of a key. It outlives the list: a file that is read again changes nothing about a key that stays.
pub(super) struct Member {
    /// What the operator calls it; `upstream.api_key` has no name.
    name: Option<String>,
    /// Whether there is anything to look up behind the lock.
    is_limited: AtomicBool,
    pacing: Mutex<Pacing>,
}

/// All keys of the list.
pub(super) struct Keychain {
    keys: Vec<Key>,
    choice: Mutex<Choice>,
}

/// With which of the keys a request was refused.
#[derive(Debug, Default)]
pub struct Tried(u64);

/// When a submit may go out.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// At once.
    Now,
    /// After so long. The turn is taken.
    After(Duration),
    /// Not within the time that was given.
    Never(AllRest),
}

/// No key can be used just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllRest {
    /// What fits all of them: 401 or 402 only where every key was refused so.
    pub cause: Cause,
    /// How many keys there are.
    pub keys: usize,
    /// When the first of them may be used again.
    pub soonest: Duration,
}

impl Member {
    fn new(name: Option<String>) -> Self {
        Self {
            name,
            is_limited: AtomicBool::new(false),
            pacing: Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// See [`Pacing::ask`].
    fn ask(&self, now: Instant, patience: Duration) -> Result<Duration, Duration> {
        if !self.is_limited.load(Relaxed) {
            return Ok(Duration::ZERO);
        }
        let mut pacing = self.pacing();
        let turn = pacing.ask(now, patience);
        self.is_limited.store(!pacing.is_free(), Relaxed);
        turn
    }

    fn next(&self, now: Instant) -> Duration {
        match self.is_limited.load(Relaxed) {
            true => self.pacing().next(now),
            false => Duration::ZERO,
        }
    }

    pub(super) fn rests(&self, now: Instant) -> bool {
        self.is_limited.load(Relaxed) && self.pacing().rests(now).is_some()
    }

    /// A submit with this key was accepted.
    pub(super) fn went_well(&self, now: Instant) {
        if !self.is_limited.load(Relaxed) {
            return;
        }
        let mut pacing = self.pacing();
        let is_back = pacing.went_well(now);
        self.is_limited.store(!pacing.is_free(), Relaxed);
        drop(pacing);
        if is_back {
            tracing::info!(upstream_key = self.name, "an upstream key is taken again");
        }
    }

    /// The upstream has refused this key.
    pub(super) fn refused(&self, now: Instant, cause: Cause, told: Option<Duration>) {
        let mut pacing = self.pacing();
        let rests = pacing.refused(now, cause, told);
        self.is_limited.store(true, Relaxed);
        drop(pacing);
        if let Some(rests) = rests {
            tracing::warn!(
                upstream_key = self.name,
                status = cause.status(),
                ?rests,
                "an upstream key was refused and is not used meanwhile"
            );
        }
    }

    /// A panic elsewhere leaves whole states behind, because every change is a single step.
    fn pacing(&self) -> MutexGuard<'_, Pacing> {
        self.pacing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name().unwrap_or("upstream.api_key"))
    }
}

impl Keychain {
    /// The one key of `upstream.api_key`, which has no other to yield to.
    pub(super) fn of_one(key: Key) -> Self {
        Self {
            keys: vec![key.of_member(Arc::new(Member::new(None)))],
            choice: Mutex::new(Choice::new(std::iter::once(1))),
        }
    }

    /// `before` is the list that this one replaces. `None` where a key cannot be sent.
    pub(super) fn new(listed: &[UpstreamKey], before: Option<&Self>) -> Option<Self> {
        let key = |listed: &UpstreamKey| {
            let key = Key::new(&listed.key)?;
            let known = before.and_then(|before| before.named(&listed.name));
            let known = known.filter(|known| **known == key);
            let member = known.and_then(Key::member).cloned();
            Some(key.of_member(
                member.unwrap_or_else(|| Arc::new(Member::new(Some(listed.name.clone())))),
            ))
        };
        let weights = listed.iter().map(|listed| listed.weight);
        Some(Self {
            keys: listed.iter().map(key).collect::<Option<_>>()?,
            choice: Mutex::new(Choice::new(weights)),
        })
    }

    /// Whether both have the same one key, which is in no list.
    pub(super) fn is_of_the_one_of(&self, other: &Self) -> bool {
        match (&self.keys[..], &other.keys[..]) {
            ([one], [other]) => one == other && one.name() == other.name(),
            _ => false,
        }
    }

    /// The key that the next request goes with: one that may be used now, else the one that may be soonest.
    pub(super) fn pick(&self, now: Instant) -> Option<&Key> {
        if let [only] = &self.keys[..] {
            return Some(only);
        }
        let may_go = |at: usize| self.next(at, now).is_zero();
        let chosen = self.choice().next(may_go);
        let soonest = || (0..self.keys.len()).min_by_key(|at| self.next(*at, now));
        self.keys.get(chosen.or_else(soonest)?)
    }

    pub(super) fn named(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name() == Some(name))
    }

    /// When a submit may go out that has `key` in mind, which becomes another one where that may go sooner. No key is
    /// taken twice that is in `tried`, before the request has waited. Without `patience` nobody waits.
    pub(super) fn turn(
        &self,
        now: Instant,
        key: &mut Key,
        tried: &mut Tried,
        patience: Option<Duration>,
    ) -> Turn {
        let mine = self.position(key);
        let is_tried = mine.is_some_and(|mine| tried.has(mine));
        if !is_tried && key.ask(now, Duration::ZERO).is_ok() {
            return Turn::Now;
        }
        // Somebody else may take a turn between the look and the grasp.
        let mut passed_over = Tried(tried.0 | mine.map_or(0, Tried::bit));
        let may_go =
            |passed_over: &Tried, at: usize| !passed_over.has(at) && self.next(at, now).is_zero();
        loop {
            let chosen = self.choice().next(|at| may_go(&passed_over, at));
            let Some((at, other)) = chosen.and_then(|at| Some((at, self.keys.get(at)?))) else {
                break;
            };
            if other.ask(now, Duration::ZERO).is_ok() {
                *key = other.clone();
                return Turn::Now;
            }
            passed_over.add(at);
        }
        let soonest = self.keys.iter().min_by_key(|key| key.next(now));
        if let (Some(soonest), Some(patience)) = (soonest, patience)
            && let Ok(wait) = soonest.ask(now, patience)
        {
            *key = soonest.clone();
            *tried = Tried::default();
            return Turn::After(wait);
        }
        Turn::Never(self.all_rest(now))
    }

    /// Makes `key` one that does not rest and is not in `tried`, and says whether it is.
    pub(super) fn awaken(&self, now: Instant, key: &mut Key, tried: &Tried) -> bool {
        let is_awake = |at: usize| {
            let member = self.keys.get(at).and_then(Key::member);
            !tried.has(at) && member.is_some_and(|member| !member.rests(now))
        };
        if self.position(key).is_some_and(is_awake) {
            return true;
        }
        let chosen = self.choice().next(is_awake);
        let other = chosen.and_then(|at| self.keys.get(at));
        if let Some(other) = other {
            *key = other.clone();
        }
        other.is_some()
    }

    /// The request was refused with this key.
    pub(super) fn note_tried(&self, key: &Key, tried: &mut Tried) {
        if let Some(at) = self.position(key) {
            tried.add(at);
        }
    }

    /// Each key by name, and whether it rests.
    pub(super) fn resting(&self, now: Instant) -> Vec<(String, bool)> {
        let members = self.keys.iter().filter_map(Key::member);
        members
            .filter_map(|member| Some((member.name.clone()?, member.rests(now))))
            .collect()
    }

    fn all_rest(&self, now: Instant) -> AllRest {
        let members = || self.keys.iter().filter_map(Key::member);
        let all = |causes: &[Cause]| {
            members().all(|member| {
                let cause = member.pacing().cause();
                cause.is_some_and(|cause| causes.contains(&cause))
            })
        };
        let cause = match () {
            () if all(&[Cause::Unauthorized]) => Cause::Unauthorized,
            () if all(&[Cause::Unauthorized, Cause::NoBalance]) => Cause::NoBalance,
            () => Cause::Limited,
        };
        let soonest = members().map(|member| member.next(now)).min();
        AllRest {
            cause,
            keys: self.keys.len(),
            soonest: soonest.unwrap_or_default(),
        }
    }

    fn next(&self, at: usize, now: Instant) -> Duration {
        self.keys.get(at).map_or(Duration::MAX, |key| key.next(now))
    }

    fn position(&self, key: &Key) -> Option<usize> {
        let member = key.member()?;
        let is_it = |other: &Key| {
            other
                .member()
                .is_some_and(|other| Arc::ptr_eq(other, member))
        };
        self.keys.iter().position(is_it)
    }

    fn choice(&self) -> MutexGuard<'_, Choice> {
        self.choice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key {
    fn ask(&self, now: Instant, patience: Duration) -> Result<Duration, Duration> {
        match self.member() {
            Some(member) => member.ask(now, patience),
            None => Ok(Duration::ZERO),
        }
    }

    fn next(&self, now: Instant) -> Duration {
        self.member()
            .map_or(Duration::ZERO, |member| member.next(now))
    }
}

impl Tried {
    fn bit(at: usize) -> u64 {
        1 << (at % MOST_UPSTREAM_KEYS)
    }

    fn has(&self, at: usize) -> bool {
        self.0 & Self::bit(at) != 0
    }

    fn add(&mut self, at: usize) {
        self.0 |= Self::bit(at);
    }
}

#[cfg(test)]
#[path = "keychain/tests.rs"]
mod tests;
