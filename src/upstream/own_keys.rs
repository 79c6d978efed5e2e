//! Which key a call goes with, where foxbridge has keys of its own.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Breaker, Key, Passage, Settings, Tried, Turn, Upstream,
    keychain::{Cause, Keychain},
};
use crate::metrics::Call;

impl Upstream {
    /// A configured key, which then serves every caller; of several, the one whose turn it is.
    pub fn own_key(&self) -> Option<Key> {
        self.keychain.as_ref()?.pick(Instant::now()).cloned()
    }

    /// The key that has bought a task, by its name. Where it is gone, `otherwise` is as good as any: the upstream decides
    /// whether it may have the answer.
    pub fn key_that_bought(&self, name: &str, otherwise: Key, task: &str) -> Key {
        let known = self.keychain.as_ref().and_then(|chain| chain.named(name));
        known.cloned().unwrap_or_else(|| {
            tracing::warn!(
                upstream_key = name,
                task,
                "the upstream key that bought a task is not configured any more; it is asked for with another"
            );
            otherwise
        })
    }

    /// When a submit may go out that has `key` in mind, which becomes another of several where that may go sooner. Without
    /// `patience` nobody waits.
    pub fn turn(&self, key: &mut Key, tried: &mut Tried, patience: Option<Duration>) -> Turn {
        match &self.keychain {
            None => Turn::Now,
            Some(keychain) => keychain.turn(Instant::now(), key, tried, patience),
        }
    }

    /// Makes `key` one of several that does not rest and is not in `tried`, and says whether it is; nobody's turn is taken.
    pub fn awaken(&self, key: &mut Key, tried: &Tried) -> bool {
        match &self.keychain {
            None => true,
            Some(keychain) => keychain.awaken(Instant::now(), key, tried),
        }
    }

    /// Whether a key rests that a turn was taken with.
    pub fn rests(&self, key: &Key) -> bool {
        key.member()
            .is_some_and(|member| member.rests(Instant::now()))
    }

    /// The upstream has refused a key, with a status that says that nothing was accepted. Gives whether that is about one of
    /// several keys, so that another one may be tried.
    pub fn note_refused(
        &self,
        key: &Key,
        status: u16,
        told: Option<Duration>,
        tried: &mut Tried,
    ) -> bool {
        let (Some(keychain), Some(member), Some(cause)) =
            (&self.keychain, key.member(), Cause::of(status))
        else {
            return false;
        };
        // Without another key there is nothing that could be done about an account.
        if key.name().is_none() && cause != Cause::Limited {
            return false;
        }
        member.refused(Instant::now(), cause, told);
        keychain.note_tried(key, tried);
        true
    }

    /// Each of several keys by name, and whether it rests.
    pub fn resting_keys(&self) -> Vec<(String, bool)> {
        let keychain = self.keychain.as_ref();
        keychain.map_or(Vec::new(), |chain| chain.resting(Instant::now()))
    }

    /// Asks for the leave to send a submit. The error is when to ask again.
    pub fn admit(&self, is_repeated: bool) -> Result<Passage, Duration> {
        self.protection.admit(is_repeated)
    }

    /// For how long no submit goes out that is asked for now (`upstream.breaker`).
    pub fn shut(&self) -> Option<Duration> {
        self.protection.shut()
    }

    pub fn breaker(&self) -> Breaker {
        self.protection.state()
    }

    /// Whether a submit that was refused may be sent again (`upstream.retry_budget`).
    pub fn may_submit_again(&self) -> bool {
        let may = self.protection.spend().is_ok();
        if !may {
            self.metrics.retry_held(Call::Submit);
        }
        may
    }

    /// The same for a query; the error is when to ask again. `is_first`: it is asked the first time.
    pub fn may_query_again(&self, is_first: bool) -> Result<(), Duration> {
        let may = self.protection.spend();
        if may.is_err() && is_first {
            self.metrics.retry_held(Call::Query);
        }
        may
    }

    /// A request was offered to other models than its own.
    pub fn count_fallback(&self, is_served: bool) {
        self.metrics.fell_back(is_served);
    }

    /// What was sent again has gone well.
    pub fn repetition_went_well(&self) {
        self.protection.give_back();
    }

    /// The same upstream with what `before`, in whose place it comes, knows about keys and about how the upstream is.
    pub fn in_place_of(mut self, before: &Self) -> Self {
        if self.settings.base_url != before.settings.base_url {
            return self;
        }
        match (&self.settings.keys, &self.keychain, &before.keychain) {
            (Some(keys), _, Some(known)) => {
                if let Some(keychain) = Keychain::new(keys, Some(known)) {
                    self.keychain = Some(Arc::new(keychain));
                }
            }
            (None, Some(own), Some(known)) if own.is_of_the_one_of(known) => {
                self.keychain = Some(known.clone());
            }
            _ => {}
        }
        if protects_alike(&self.settings, &before.settings) {
            self.protection = before.protection.clone();
        }
        self
    }
}

fn protects_alike(settings: &Settings, others: &Settings) -> bool {
    settings.breaker == others.breaker
        && settings.breaker_pause == others.breaker_pause
        && settings.retry_budget == others.retry_budget
}
