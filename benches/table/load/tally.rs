use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use super::spec::{Outcome, Spread};
use crate::{Fault, clock};

/// What the clients count together. Only what happens between [`Tally::begin`] and [`Tally::end`] is counted, but for
/// failures, which always are.
#[derive(Default)]
pub(super) struct Tally {
    began: Cell<Option<u64>>,
    ended: Cell<Option<u64>>,
    requests: Cell<u64>,
    chunks: Cell<u64>,
    latencies: RefCell<Vec<u64>>,
    lags: RefCell<Vec<u64>>,
    failures: RefCell<Vec<String>>,
}

/// A right answer.
pub(super) struct Answer {
    /// When it was asked for.
    pub(super) asked: u64,
    /// When its task completed, where the answer tells it.
    pub(super) completed: Option<u64>,
}

impl Tally {
    pub(super) fn begin(&self) {
        self.began.set(Some(clock::now()));
    }

    /// The seconds since the begin.
    pub(super) fn end(&self) -> f64 {
        let now = clock::now();
        self.ended.set(Some(now));
        let began = self.began.get().unwrap_or(now);
        (now - began) as f64 / 1e9
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended.get().is_some()
    }

    fn is_measuring(&self) -> bool {
        self.began.get().is_some() && !self.is_over()
    }

    /// Counts an answer.
    pub(super) fn note(&self, answer: Result<Answer, Fault>) {
        match answer {
            Err(fault) => self.failures.borrow_mut().push(fault.to_string()),
            Ok(answer) if self.is_measuring() => {
                let now = clock::now();
                self.requests.set(self.requests.get() + 1);
                self.latencies.borrow_mut().push(now - answer.asked);
                let completed = answer.completed.map(|at| now.saturating_sub(at));
                self.lags.borrow_mut().extend(completed);
            }
            Ok(_) => {}
        }
    }

    /// Counts a chunk that was made at `stamp`, if it tells.
    pub(super) fn note_chunk(&self, stamp: Option<u64>) {
        if self.is_measuring() {
            self.chunks.set(self.chunks.get() + 1);
            let lag = stamp.map(|stamp| clock::now().saturating_sub(stamp));
            self.lags.borrow_mut().extend(lag);
        }
    }

    pub(super) fn into_outcome(self: Rc<Self>, outcome: Outcome) -> Outcome {
        let failures = self.failures.borrow();
        Outcome {
            requests: self.requests.get(),
            chunks: self.chunks.get(),
            failures: failures.len() as u64,
            first_failure: failures.first().cloned(),
            latency: Spread::of(self.latencies.take()),
            lag: Spread::of(self.lags.take()),
            ..outcome
        }
    }
}
