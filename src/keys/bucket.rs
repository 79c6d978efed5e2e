use std::time::{Duration, Instant};

/// What a rounding error of a long life may amount to.
const SLACK: f64 = 1e-3;

/// A rate: what may be had in a minute, all of it at once, and as it was used coming back evenly. It knows no clock: times
/// are told to it.
#[derive(Debug)]
pub(super) struct Bucket {
    most: f64,
    /// Below zero while more was used than there was.
    level: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn full(a_minute: u32, now: Instant) -> Self {
        let most = f64::from(a_minute);
        Self {
            most,
            level: most,
            at: now,
        }
    }

    /// Takes so much, or says how long it will be until it is there.
    pub(super) fn take(&mut self, amount: f64, now: Instant) -> Result<(), Duration> {
        self.flow(now);
        let lacking = amount - self.level;
        if lacking > SLACK {
            return Err(self.time_for(lacking));
        }
        self.level -= amount;
        Ok(())
    }

    /// Puts back what was not used; a negative amount was used beyond what was taken.
    pub(super) fn give(&mut self, amount: f64, now: Instant) {
        self.flow(now);
        self.level = (self.level + amount).min(self.most);
    }

    /// So much is left now, by the count of whoever knows better.
    pub(super) fn set(&mut self, level: f64, now: Instant) {
        self.at = self.at.max(now);
        self.level = level.min(self.most);
    }

    /// Whole units that are left.
    pub(super) fn left(&mut self, now: Instant) -> u64 {
        self.flow(now);
        (self.level + SLACK).max(0.0) as u64
    }

    /// How long until all of it is there again.
    pub(super) fn until_full(&mut self, now: Instant) -> Duration {
        self.flow(now);
        match self.most - self.level {
            lacking if lacking > SLACK => self.time_for(lacking),
            _ => Duration::ZERO,
        }
    }

    fn flow(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        // Threads look at the clock before they take turns, so a time may be earlier than the one before.
        self.at = self.at.max(now);
        self.level = (self.level + passed * self.most / 60.0).min(self.most);
    }

    fn time_for(&self, amount: f64) -> Duration {
        let seconds = amount * 60.0 / self.most;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_minutes_worth_at_once_and_then_evenly() {
        let start = Instant::now();
        let mut bucket = Bucket::full(60, start);
        for _ in 0..60 {
            assert_eq!(bucket.take(1.0, start), Ok(()));
        }
        assert_eq!(
            (bucket.left(start), bucket.until_full(start)),
            (0, Duration::from_secs(60))
        );
        assert_eq!(bucket.take(1.0, start), Err(Duration::from_secs(1)));
        let later = after(start, 250);
        assert_eq!(bucket.take(1.0, later), Err(Duration::from_millis(750)));
        assert_eq!(bucket.take(1.0, after(start, 1000)), Ok(()));
        assert_eq!(bucket.left(after(start, 3500)), 2);
        assert_eq!(
            bucket.left(after(start, 600_000)),
            60,
            "never more than a minute's"
        );
    }

    #[test]
    fn what_was_not_used_comes_back_and_what_was_used_beyond_is_owed() {
        let start = Instant::now();
        let mut bucket = Bucket::full(600, start);
        assert_eq!(bucket.take(500.0, start), Ok(()));
        bucket.give(450.0, start);
        assert_eq!(bucket.left(start), 550);
        bucket.give(1000.0, start);
        assert_eq!(bucket.left(start), 600);
        bucket.give(-900.0, start);
        assert_eq!(bucket.left(start), 0);
        assert_eq!(bucket.take(10.0, start), Err(Duration::from_secs(31)));
        assert_eq!(bucket.until_full(start), Duration::from_secs(90));
        assert_eq!(bucket.take(10.0, after(start, 31_000)), Ok(()));
    }

    #[test]
    fn a_time_that_is_earlier_than_the_last_one_changes_nothing() {
        let start = Instant::now();
        let mut bucket = Bucket::full(60, start);
        assert_eq!(bucket.take(60.0, after(start, 1000)), Ok(()));
        assert_eq!(bucket.left(start), 0);
        assert_eq!(bucket.left(after(start, 2000)), 1);
    }

    proptest! {
        /// Whoever comes again when told gets it, and nobody gets more than a minute's worth and what flows in.
        #[test]
        fn waiting_as_told_is_enough_and_the_rate_holds(
            rate in 1_u32..5_000_000,
            asked in proptest::collection::vec((1_u32..200_000, 0_u64..5000), 1..60),
        ) {
            let start = Instant::now();
            let (mut now, mut taken) = (start, 0.0);
            let mut bucket = Bucket::full(rate, start);
            for (amount, pause) in asked {
                now += Duration::from_millis(pause);
                let amount = f64::from(amount.min(rate));
                if let Err(wait) = bucket.take(amount, now) {
                    now += wait.max(Duration::from_nanos(1));
                    prop_assert_eq!(bucket.take(amount, now), Ok(()));
                }
                taken += amount;
                let flown = f64::from(rate) * (1.0 + (now - start).as_secs_f64() / 60.0);
                prop_assert!(taken <= flown + 1.0, "{} of {}", taken, flown);
            }
        }
    }
}
