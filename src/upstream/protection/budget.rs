//! How much may be sent again. It knows no clock: whoever asks tells what time it is.

use std::time::Duration;

use tokio::time::Instant;

/// So many repetitions a second are always paid for, so that little traffic can be helped too.
const FLOOR: f64 = 10.0;
/// No more than so many are saved up.
const MOST: f64 = 100.0;

/// What repetitions are paid with: each request brings its share of one.
#[derive(Debug)]
pub(super) struct Budget {
    /// From 0 to 1.
    share: f64,
    balance: f64,
    since: Instant,
}

impl Budget {
    pub(super) fn new(share: f64, now: Instant) -> Self {
        Self {
            share,
            balance: FLOOR,
            since: now,
        }
    }

    /// A request was sent for the first time.
    pub(super) fn earn(&mut self, now: Instant) {
        self.settle(now);
        self.add(self.share);
    }

    /// Pays for a repetition. The error is when there will be enough for one, if nobody else comes.
    pub(super) fn spend(&mut self, now: Instant) -> Result<(), Duration> {
        self.settle(now);
        if self.balance < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.balance) / FLOOR));
        }
        self.balance -= 1.0;
        Ok(())
    }

    /// A repetition that was paid for has gone well, which harms nobody; and a request that has gone well brings its share.
    pub(super) fn give_back(&mut self, now: Instant) {
        self.settle(now);
        self.add(1.0 + self.share);
    }

    fn settle(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        self.since = self.since.max(now);
        self.add(passed.as_secs_f64() * FLOOR);
    }

    fn add(&mut self, amount: f64) {
        self.balance = (self.balance + amount).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spend_all(budget: &mut Budget, now: Instant) -> usize {
        (0..1000).take_while(|_| budget.spend(now).is_ok()).count()
    }

    #[test]
    fn repetitions_are_a_share_of_the_requests() {
        let now = Instant::now();
        for (share, requests, repetitions) in [
            (0.2, 0, 10),
            (0.2, 200, 50),
            (0.2, 100_000, 100),
            (0.0, 1000, 10),
            (1.0, 50, 60),
        ] {
            let mut budget = Budget::new(share, now);
            for _ in 0..requests {
                budget.earn(now);
            }
            let spent = spend_all(&mut budget, now);
            // Tenths do not add up exactly.
            assert!(
                spent.abs_diff(repetitions) <= 1,
                "{share} {requests}: {spent}"
            );
        }
    }

    #[test]
    fn a_few_a_second_are_always_paid_for() {
        let mut now = Instant::now();
        let mut budget = Budget::new(0.0, now);
        spend_all(&mut budget, now);
        let wait = budget.spend(now).expect_err("nothing is left");
        assert_eq!(wait, Duration::from_millis(100));
        now += wait;
        assert_eq!(budget.spend(now), Ok(()));
        now += Duration::from_secs(3600);
        assert_eq!(spend_all(&mut budget, now), MOST as usize);
    }

    #[test]
    fn what_goes_well_costs_nothing() {
        let now = Instant::now();
        let mut budget = Budget::new(0.2, now);
        for _ in 0..1000 {
            assert_eq!(budget.spend(now), Ok(()));
            budget.give_back(now);
        }
    }

    proptest! {
        #[test]
        fn never_more_than_was_earned(steps in prop::collection::vec((0..500_u64, any::<bool>()), 1..500)) {
            let start = Instant::now();
            let (mut budget, mut now) = (Budget::new(0.2, start), start);
            let (mut requests, mut repetitions) = (0.0, 0.0);
            for (passes, is_new) in steps {
                now += Duration::from_millis(passes);
                match is_new {
                    true => {
                        budget.earn(now);
                        requests += 1.0;
                    }
                    false => repetitions += f64::from(u8::from(budget.spend(now).is_ok())),
                }
                let earned = FLOOR + 0.2 * requests + FLOOR * (now - start).as_secs_f64();
                prop_assert!(repetitions <= earned + 1e-6);
            }
        }
    }
}
