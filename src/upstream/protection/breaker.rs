//! When an upstream that fails is left alone. It knows no clock: whoever asks tells what time it is.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// How many submits are looked at, and how many there must be for their failures to mean something.
const LATEST: usize = 20;
const ENOUGH: usize = 10;
/// What lies further back says nothing about now.
const MEMORY: Duration = Duration::from_secs(60);
/// The longest pause, unless the first one is longer.
const LONGEST: Duration = Duration::from_secs(60);
/// When to ask again while another request finds out.
const PROBED_FOR: Duration = Duration::from_secs(1);

/// Whether submits go out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Breaker {
    /// They do.
    #[default]
    Closed,
    /// One does, to find out.
    HalfOpen,
    /// None does.
    Open,
}

/// A submit that may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    Usual,
    /// The only one, whose outcome decides.
    Probe,
}

/// The state machine.
#[derive(Debug)]
pub(super) struct Circuit {
    /// At which share of failures it opens, from 0 to 1.
    share: f64,
    /// How long it stays open the first time; twice as long each time that the probe fails.
    pause: Duration,
    /// The latest outcomes, the oldest first: when, and whether it failed.
    latest: VecDeque<(Instant, bool)>,
    state: State,
}

#[derive(Debug)]
enum State {
    Closed,
    /// `times` it was opened in a row.
    Open {
        until: Instant,
        times: u32,
    },
    Probing {
        times: u32,
    },
}

impl Circuit {
    pub(super) fn new(share: f64, pause: Duration) -> Self {
        Self {
            share,
            pause,
            latest: VecDeque::with_capacity(LATEST),
            state: State::Closed,
        }
    }

    /// Whether a submit may go out. The error is when to ask again.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Pass, Duration> {
        match self.state {
            State::Closed => Ok(Pass::Usual),
            State::Open { until, times } if now >= until => {
                self.state = State::Probing { times };
                Ok(Pass::Probe)
            }
            _ => Err(self.shut(now).unwrap_or(PROBED_FOR)),
        }
    }

    /// For how long none may go out that is asked for now.
    pub(super) fn shut(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Closed => None,
            State::Open { until, .. } => until
                .checked_duration_since(now)
                .filter(|wait| !wait.is_zero()),
            State::Probing { .. } => Some(PROBED_FOR),
        }
    }

    /// What became of a submit that went out. Gives whether this has opened (`Some(true)`) or closed it.
    pub(super) fn outcome(&mut self, now: Instant, pass: Pass, has_failed: bool) -> Option<bool> {
        match (pass, &self.state) {
            (Pass::Usual, State::Closed) => {
                self.note(now, has_failed);
                (has_failed && self.is_too_much()).then(|| self.open(now, 0))
            }
            (Pass::Probe, State::Probing { times }) if has_failed => {
                let times = *times;
                self.open(now, times);
                // It was open before, so that this is nothing new.
                None
            }
            (Pass::Probe, State::Probing { .. }) => {
                self.state = State::Closed;
                self.latest.clear();
                Some(false)
            }
            // It was sent before all this.
            _ => None,
        }
    }

    /// Nobody will learn what became of a submit.
    pub(super) fn give_up(&mut self, now: Instant, pass: Pass) {
        if let (Pass::Probe, State::Probing { times }) = (pass, &self.state) {
            self.state = State::Open {
                until: now,
                times: *times,
            };
        }
    }

    pub(super) fn state(&self, now: Instant) -> Breaker {
        match self.state {
            State::Closed => Breaker::Closed,
            State::Open { until, .. } if now < until => Breaker::Open,
            _ => Breaker::HalfOpen,
        }
    }

    fn note(&mut self, now: Instant, has_failed: bool) {
        let is_old = |at: Instant| now.saturating_duration_since(at) > MEMORY;
        while self.latest.len() >= LATEST || self.latest.front().is_some_and(|(at, _)| is_old(*at))
        {
            self.latest.pop_front();
        }
        self.latest.push_back((now, has_failed));
    }

    fn is_too_much(&self) -> bool {
        let failed = self.latest.iter().filter(|(_, failed)| *failed).count();
        let seen = self.latest.len();
        seen >= ENOUGH && failed as f64 >= self.share * seen as f64
    }

    fn open(&mut self, now: Instant, times: u32) -> bool {
        let pause = self.pause * (1 << times.min(8));
        self.state = State::Open {
            until: now + pause.min(LONGEST.max(self.pause)),
            times: times + 1,
        };
        self.latest.clear();
        true
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
