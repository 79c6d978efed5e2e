//! How fast a key is used after the upstream has refused it. It knows no clock: whoever asks tells what time it is.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// So many requests a second a key is used for when it comes back from its first rest.
const FIRST_RATE: f64 = 1.0;
/// Between two turns at that rate, which is the lowest.
const WIDEST_GAP: Duration = Duration::from_secs(1);
/// Each accepted request lets so many more go in a second, so that the rate about doubles each second that goes well.
const GROWTH: f64 = 1.0;
/// A key that takes so many a second is not limited any more.
const FREE_RATE: f64 = 64.0;
/// A key of which nothing was refused for so long after its rest, and something was accepted, is not limited either.
const FORGIVEN: Duration = Duration::from_secs(60);

/// Why a key was refused (CONTRACT.md, section 6). Each says that nothing was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// 401: the key is not valid.
    Unauthorized,
    /// 402: its account has no balance.
    NoBalance,
    /// 429: it is used too fast.
    Limited,
}

impl Cause {
    /// What a status says about the key that it answers.
    pub fn of(status: u16) -> Option<Self> {
        match status {
            401 => Some(Self::Unauthorized),
            402 => Some(Self::NoBalance),
            429 => Some(Self::Limited),
            _ => None,
        }
    }

    pub fn status(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::NoBalance => 402,
            Self::Limited => 429,
        }
    }

    /// How long a key rests that was refused `before` times in a row already, where the upstream does not say.
    fn rest(self, before: u32) -> Duration {
        let (first, longest) = match self {
            // Somebody has to do something about it, which takes minutes; and when it is done, clients should not wait much
            // longer for somebody to find out, which costs one refusal.
            Self::Unauthorized | Self::NoBalance => {
                (Duration::from_secs(60), Duration::from_secs(5 * 60))
            }
            Self::Limited => (Duration::from_secs(1), Duration::from_secs(60)),
        };
        (first * (1 << before.min(8))).min(longest)
    }
}

/// Whether and how fast a key may be used.
#[derive(Debug, Default)]
pub(super) struct Pacing(Option<Limit>);

#[derive(Debug)]
struct Limit {
    cause: Cause,
    /// How often it was refused since something was accepted.
    strikes: u32,
    rests_until: Instant,
    /// The turns that were given, the earliest first: those to come, and as many of the past as the next one must keep away
    /// from. There are no more than the fastest pace has in the time that somebody would wait.
    turns: VecDeque<Instant>,
    /// Requests a second.
    rate: f64,
}

impl Limit {
    /// The first moment that is free: between turns that were given when the pace was lower there is room for more.
    fn earliest(&self, now: Instant) -> Instant {
        let gap = Duration::from_secs_f64(1.0 / self.rate);
        let mut at = now.max(self.rests_until);
        for turn in &self.turns {
            if at + gap <= *turn {
                break;
            }
            at = at.max(*turn + gap);
        }
        at
    }

    fn take(&mut self, now: Instant, at: Instant) {
        let is_past = |turn: &Instant| *turn + WIDEST_GAP <= now;
        while self.turns.front().is_some_and(is_past) {
            self.turns.pop_front();
        }
        let place = self.turns.partition_point(|turn| *turn <= at);
        self.turns.insert(place, at);
    }
}

impl Pacing {
    /// Asks for a request's turn, which is at most `patience` away: how long to wait for it, and the turn is taken. The error
    /// is how far away it would be.
    pub(super) fn ask(&mut self, now: Instant, patience: Duration) -> Result<Duration, Duration> {
        self.forgive(now);
        let Some(limit) = &mut self.0 else {
            return Ok(Duration::ZERO);
        };
        let at = limit.earliest(now);
        let wait = at.duration_since(now);
        if wait > patience {
            return Err(wait);
        }
        limit.take(now, at);
        Ok(wait)
    }

    /// How far away the next turn is; nobody takes it.
    pub(super) fn next(&self, now: Instant) -> Duration {
        let limit = self.0.as_ref();
        limit.map_or(Duration::ZERO, |limit| {
            limit.earliest(now).saturating_duration_since(now)
        })
    }

    /// Why it is not to be used at all just now.
    pub(super) fn rests(&self, now: Instant) -> Option<Cause> {
        let limit = self.0.as_ref().filter(|limit| now < limit.rests_until)?;
        Some(limit.cause)
    }

    /// What it was refused with last, if it is still limited for that.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.0.as_ref().map(|limit| limit.cause)
    }

    pub(super) fn is_free(&self) -> bool {
        self.0.is_none()
    }

    /// A request with this key was accepted. What was sent before the key was refused, and comes back later, says nothing.
    /// Gives whether this was the first one since it was refused.
    pub(super) fn went_well(&mut self, now: Instant) -> bool {
        let Some(limit) = self.0.as_mut().filter(|limit| now >= limit.rests_until) else {
            return false;
        };
        let is_back = limit.strikes > 0;
        limit.strikes = 0;
        limit.rate += GROWTH;
        if limit.rate >= FREE_RATE {
            self.0 = None;
        }
        is_back
    }

    /// The key was refused. `told` is how long the upstream asks to be left alone. Gives how long the key rests, unless it
    /// rested already: many requests are under way when the first is refused, and count as one.
    pub(super) fn refused(
        &mut self,
        now: Instant,
        cause: Cause,
        told: Option<Duration>,
    ) -> Option<Duration> {
        let told = told.filter(|told| !told.is_zero());
        if let Some(limit) = self.0.as_mut().filter(|limit| now < limit.rests_until) {
            if let Some(until) = told.map(|told| now + told)
                && until > limit.rests_until
            {
                limit.rests_until = until;
                limit.turns.retain(|turn| *turn >= until);
            }
            return None;
        }
        let (strikes, rate, mut turns) = match self.0.take() {
            Some(limit) => (
                limit.strikes,
                (limit.rate / 2.0).max(FIRST_RATE),
                limit.turns,
            ),
            None => (0, FIRST_RATE, VecDeque::new()),
        };
        let rest = told.unwrap_or_else(|| cause.rest(strikes));
        // Whose turn lies in the rest has to ask again; the others still come.
        turns.retain(|turn| *turn >= now + rest);
        self.0 = Some(Limit {
            cause,
            strikes: strikes + 1,
            rests_until: now + rest,
            turns,
            rate,
        });
        Some(rest)
    }

    fn forgive(&mut self, now: Instant) {
        let is_forgiven = |limit: &Limit| limit.strikes == 0 && now >= limit.rests_until + FORGIVEN;
        if self.0.as_ref().is_some_and(is_forgiven) {
            self.0 = None;
        }
    }
}

#[cfg(test)]
#[path = "pacing_tests.rs"]
mod tests;
