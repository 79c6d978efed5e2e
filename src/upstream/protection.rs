//! What keeps a sick upstream from being hit harder: submits that are not sent while it fails, and a share of repetitions.

mod breaker;
mod budget;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

pub use breaker::Breaker;

use super::Settings;
use breaker::{Circuit, Pass};
use budget::Budget;

/// Shared by all threads: one short lock a submit, and none for a query that is not a repetition.
pub(super) struct Protection {
    inner: Mutex<Inner>,
    /// Whether there is anything to look up behind the lock before a submit.
    is_closed: AtomicBool,
}

struct Inner {
    /// `None`: submits always go out.
    circuit: Option<Circuit>,
    budget: Budget,
}

/// The leave to send one submit. Whoever drops it without a word leaves its outcome unknown.
pub struct Passage {
    protection: Arc<Protection>,
    pass: Pass,
    is_repeated: bool,
    is_over: bool,
}

impl Protection {
    pub(super) fn new(settings: &Settings) -> Self {
        let circuit = settings.breaker;
        let circuit = circuit.map(|share| Circuit::new(share, settings.breaker_pause));
        let inner = Inner {
            circuit,
            budget: Budget::new(settings.retry_budget, Instant::now()),
        };
        Self {
            inner: Mutex::new(inner),
            is_closed: AtomicBool::new(true),
        }
    }

    /// Asks for the leave to send a submit. The error is when to ask again.
    pub(super) fn admit(self: &Arc<Self>, is_repeated: bool) -> Result<Passage, Duration> {
        let pass = match self.is_closed.load(Relaxed) {
            true => Pass::Usual,
            false => match &mut self.inner().circuit {
                Some(circuit) => circuit.admit(Instant::now())?,
                None => Pass::Usual,
            },
        };
        Ok(Passage {
            protection: self.clone(),
            pass,
            is_repeated,
            is_over: false,
        })
    }

    /// For how long no submit goes out that is asked for now.
    pub(super) fn shut(&self) -> Option<Duration> {
        match self.is_closed.load(Relaxed) {
            true => None,
            false => self.inner().circuit.as_ref()?.shut(Instant::now()),
        }
    }

    pub(super) fn state(&self) -> Breaker {
        let inner = self.inner();
        let circuit = inner.circuit.as_ref();
        circuit.map_or(Breaker::Closed, |circuit| circuit.state(Instant::now()))
    }

    /// Pays for a repetition. The error is when there may be enough for one.
    pub(super) fn spend(&self) -> Result<(), Duration> {
        self.inner().budget.spend(Instant::now())
    }

    pub(super) fn give_back(&self) {
        self.inner().budget.give_back(Instant::now());
    }

    /// A panic elsewhere leaves whole states behind, because every change is a single step.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Passage {
    /// What became of the submit; `has_failed`: as it does where the upstream is sick.
    pub(super) fn over(mut self, has_failed: bool) {
        self.is_over = true;
        let now = Instant::now();
        let mut inner = self.protection.inner();
        if !self.is_repeated {
            inner.budget.earn(now);
        }
        let Some(circuit) = &mut inner.circuit else {
            return;
        };
        let changed = circuit.outcome(now, self.pass, has_failed);
        let is_closed = circuit.state(now) == Breaker::Closed;
        self.protection.is_closed.store(is_closed, Relaxed);
        drop(inner);
        match changed {
            Some(true) => tracing::error!(
                "most of the last submits failed: no more are sent for a while ('upstream.breaker')"
            ),
            Some(false) => tracing::info!("a submit was answered: submits are sent again"),
            None => {}
        }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if !self.is_over
            && self.pass == Pass::Probe
            && let Some(circuit) = &mut self.protection.inner().circuit
        {
            circuit.give_up(Instant::now(), self.pass);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whose breaker is open and may be probed.
    fn probing() -> Arc<Protection> {
        let inner = Inner {
            circuit: Some(Circuit::new(0.8, Duration::from_nanos(1))),
            budget: Budget::new(0.2, Instant::now()),
        };
        let protection = Arc::new(Protection {
            inner: Mutex::new(inner),
            is_closed: AtomicBool::new(true),
        });
        for _ in 0..10 {
            protection.admit(false).unwrap().over(true);
        }
        assert_ne!(protection.state(), Breaker::Closed);
        protection
    }

    fn probe(protection: &Arc<Protection>) -> Passage {
        let passage = protection.admit(false).unwrap();
        assert_eq!(passage.pass, Pass::Probe);
        assert!(protection.admit(false).is_err());
        passage
    }

    #[test]
    fn a_probe_that_is_dropped_without_a_word_leaves_room_for_another() {
        let protection = probing();
        drop(probe(&protection));
        probe(&protection).over(false);
        assert_eq!(protection.state(), Breaker::Closed);
        // Nothing is looked up any more.
        assert!(protection.is_closed.load(Relaxed));
        assert_eq!(protection.admit(false).unwrap().pass, Pass::Usual);
    }

    #[test]
    fn a_usual_one_that_is_dropped_changes_nothing() {
        let usual = probing();
        probe(&usual).over(false);
        drop(usual.admit(false));
        assert_eq!(usual.state(), Breaker::Closed);
        assert_eq!(usual.shut(), None);
    }
}
