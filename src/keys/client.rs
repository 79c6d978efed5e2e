use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Entry, Hash, Limits, Permit, Reserved,
    bucket::Bucket,
    refusal::{Limit, Refusal},
};
use crate::{
    api_error::ApiError,
    openai::Usage,
    translate::{self, Pattern},
};

/// Whoever has one of the listed keys. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    name: String,
    hash: Hash,
    models: Option<Vec<Pattern>>,
    limits: Limits,
    /// Shared with the client that it was in the list before.
    used: Arc<Mutex<Used>>,
}

struct Used {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    /// How many requests are being answered.
    at_once: u32,
}

/// How a client stands with its limits, of which it may have one, both or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub requests: Option<Rate>,
    pub tokens: Option<Rate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// A minute.
    pub limit: u32,
    pub left: u64,
    /// Until all of it is there again.
    pub until_full: Duration,
}

impl Client {
    /// `before`: what it was in the list that this one replaces.
    pub(super) fn new(entry: Entry, before: Option<&Self>, now: Instant) -> Self {
        let bucket = |rate: Option<u32>| rate.map(|rate| Bucket::full(rate, now));
        let before = before.filter(|before| before.0.limits == entry.limits);
        let used = before.map(|before| before.0.used.clone());
        Self(Arc::new(Inner {
            name: entry.name,
            hash: entry.hash,
            models: entry.models,
            limits: entry.limits,
            used: used.unwrap_or_else(|| {
                Arc::new(Mutex::new(Used {
                    requests: bucket(entry.limits.requests_per_minute),
                    tokens: bucket(entry.limits.tokens_per_minute),
                    at_once: 0,
                }))
            }),
        }))
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn hash(&self) -> &Hash {
        &self.0.hash
    }

    pub(super) fn limits(&self) -> Limits {
        self.0.limits
    }

    /// Whether it may use some models only.
    pub fn is_restricted(&self) -> bool {
        self.0.models.is_some()
    }

    /// Whether it may use the model of this name. An alias is the operator's word, so its own name counts as well as that of
    /// the model behind it.
    pub fn may_use(&self, model: &str, settings: &translate::Settings) -> bool {
        let Some(allowed) = &self.0.models else {
            return true;
        };
        let is_allowed = |name: &str| allowed.iter().any(|one| one.matched(name).is_some());
        is_allowed(model)
            || settings
                .upstream_model(model)
                .is_some_and(|behind| is_allowed(&behind))
    }

    /// Whether a model may answer it in another's place, by the upstream's name: only one that its own list has.
    pub fn may_be_served_by(&self, model: &str) -> bool {
        let allowed = self.0.models.as_ref();
        allowed.is_none_or(|allowed| allowed.iter().any(|one| one.matched(model).is_some()))
    }

    /// Begins a request, which is one of those that are answered at the same time until the permit is dropped; `counts`: and
    /// one of those of this minute.
    pub fn enter(&self, counts: bool) -> Result<Option<Permit>, ApiError> {
        self.enter_at(counts, Instant::now())
            .map_err(|refusal| refusal.told(self.name()))
    }

    pub(super) fn enter_at(&self, counts: bool, now: Instant) -> Result<Option<Permit>, Refusal> {
        let Limits {
            requests_per_minute,
            concurrency,
            ..
        } = self.0.limits;
        if concurrency.is_none() && (requests_per_minute.is_none() || !counts) {
            return Ok(None);
        }
        let mut used = self.used();
        if let Some(limit) = concurrency.filter(|limit| used.at_once >= *limit) {
            return Err(Refusal::at_once(limit));
        }
        if counts {
            used.count_request(now, requests_per_minute)?;
        }
        Ok(concurrency.map(|_| {
            used.at_once += 1;
            Permit::new(self.clone())
        }))
    }

    /// Counts a request that has its place.
    pub(super) fn count_request(&self, now: Instant) -> Result<(), Refusal> {
        let limit = self.0.limits.requests_per_minute;
        self.used().count_request(now, limit)
    }

    /// A request has its place by the count of all replicas.
    pub(super) fn place(&self) -> Permit {
        self.used().at_once += 1;
        Permit::new(self.clone())
    }

    /// A place by the count of this replica alone, for a request that is yet to be read; `None` where there is none, or no
    /// request of this minute's.
    pub fn foothold(&self) -> Option<Permit> {
        let limit = self.0.limits.concurrency;
        let mut used = self.used();
        if let Some(requests) = &mut used.requests
            && requests.left(Instant::now()) == 0
        {
            return None;
        }
        if limit.is_some_and(|limit| used.at_once >= limit) {
            return None;
        }
        used.at_once += 1;
        Some(Permit::new(self.clone()))
    }

    /// So much is left by the count of all replicas; below zero by more than was used, nothing is known of it.
    pub(super) fn mirror(&self, requests: f64, tokens: f64) {
        let now = Instant::now();
        let mut used = self.used();
        if let (Some(bucket), true) = (&mut used.requests, requests > -1.0) {
            bucket.set(requests, now);
        }
        if let Some(bucket) = &mut used.tokens {
            bucket.set(tokens, now);
        }
    }

    pub(super) fn leave(&self) {
        let mut used = self.used();
        used.at_once = used.at_once.saturating_sub(1);
    }

    /// Takes the tokens that a request may use, before it is bought: so many for its prompt, and at most so many for its
    /// answer. Nobody can take more than a minute's at once, so a request that may use more takes these, and what it has
    /// used beyond is owed afterwards. `None` where tokens are not limited.
    pub fn reserve(&self, prompt: u64, answer: u64) -> Result<Option<Reserved>, ApiError> {
        self.reserve_at(prompt, answer, Instant::now())
            .map_err(|refusal| refusal.told(self.name()))
    }

    /// Takes nothing, for a request that has bought before what its client has not had yet; what it used is owed at the end.
    pub fn owe(&self) -> Option<Reserved> {
        let is_limited = self.0.limits.tokens_per_minute.is_some();
        is_limited.then(|| Reserved::new(self.clone(), 0, 0))
    }

    /// Something was used of which nobody has taken account.
    pub fn charge(&self, usage: Usage) {
        if let Some(owed) = self.owe() {
            owed.settle(Some(usage), 0);
        }
    }

    /// Of how many tokens a minute it takes account.
    pub fn token_limit(&self) -> Option<u32> {
        self.0.limits.tokens_per_minute
    }

    pub(super) fn reserve_at(
        &self,
        prompt: u64,
        answer: u64,
        now: Instant,
    ) -> Result<Option<Reserved>, Refusal> {
        let Some(limit) = self.0.limits.tokens_per_minute else {
            return Ok(None);
        };
        let amount = prompt.saturating_add(answer).min(u64::from(limit));
        let mut used = self.used();
        if let Some(bucket) = &mut used.tokens {
            bucket.take(amount as f64, now).map_err(|wait| Refusal {
                limit: Limit::Tokens,
                allowed: limit,
                left: bucket.left(now),
                asked: amount,
                wait,
            })?;
        }
        Ok(Some(Reserved::new(self.clone(), amount, prompt)))
    }

    /// Puts tokens back that were not used; a negative number was used beyond what was taken.
    pub(super) fn give_tokens(&self, amount: f64, now: Instant) {
        if let Some(bucket) = &mut self.used().tokens {
            bucket.give(amount, now);
        }
    }

    pub fn standing(&self) -> Standing {
        self.standing_at(Instant::now())
    }

    pub(super) fn standing_at(&self, now: Instant) -> Standing {
        let Limits {
            requests_per_minute,
            tokens_per_minute,
            ..
        } = self.0.limits;
        if requests_per_minute.is_none() && tokens_per_minute.is_none() {
            return Standing {
                requests: None,
                tokens: None,
            };
        }
        let rate = |limit: Option<u32>, bucket: &mut Option<Bucket>| {
            let bucket = bucket.as_mut()?;
            Some(Rate {
                limit: limit?,
                left: bucket.left(now),
                until_full: bucket.until_full(now),
            })
        };
        let mut used = self.used();
        Standing {
            requests: rate(requests_per_minute, &mut used.requests),
            tokens: rate(tokens_per_minute, &mut used.tokens),
        }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    fn count_request(&mut self, now: Instant, limit: Option<u32>) -> Result<(), Refusal> {
        let Some(bucket) = &mut self.requests else {
            return Ok(());
        };
        bucket.take(1.0, now).map_err(|wait| Refusal {
            limit: Limit::Requests,
            allowed: limit.unwrap_or_default(),
            left: 0,
            asked: 1,
            wait,
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.0.name).finish()
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
