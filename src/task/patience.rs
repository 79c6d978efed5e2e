use std::time::Duration;

use super::Bounds;

/// How long to wait for what (`[task]` in proxy.toml).
#[derive(Debug, Clone)]
pub struct Patience {
    /// The whole client request, from its last byte read to its last byte answered.
    pub deadline: Duration,
    /// From the submit to the first query, for models that nothing is known of yet.
    pub poll_first: Duration,
    /// The longest gap between two queries.
    pub poll_max: Duration,
    /// How long a task may be `completed` without results before that is an error.
    pub results_grace: Duration,
    /// How often a submit that was refused with 429 is sent again.
    pub submit_retries: u32,
    /// How long a task goes on being followed when its client has left; `None`: not at all.
    pub orphan_grace: Option<Duration>,
}

/// Reopening a stream at once is mostly right: a cut says nothing about the task.
const REOPEN_FIRST: Duration = Duration::from_millis(50);
const REOPEN_MAX: Duration = Duration::from_secs(2);
/// Results that are overdue are there after a moment, if ever.
const RESULTS_MAX: Duration = Duration::from_secs(2);
/// Backoff after an upstream failure, when it does not say how long.
const TROUBLE_FIRST: Duration = Duration::from_millis(250);
const TROUBLE_MAX: Duration = Duration::from_secs(10);
/// The longest that an upstream's `retry-after` is obeyed while a client waits.
const ASKED_MAX: Duration = Duration::from_secs(20);

impl Patience {
    #[cfg(test)]
    pub(super) fn example() -> Self {
        Self {
            deadline: Duration::from_secs(590),
            poll_first: Duration::from_millis(250),
            poll_max: Duration::from_secs(2),
            results_grace: Duration::from_secs(10),
            submit_retries: 2,
            orphan_grace: None,
        }
    }

    /// What the gap between two queries may be.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            first: self.poll_first,
            longest: self.poll_max,
        }
    }

    /// The gap before the next query while results are overdue: they mostly come soon, so ask soon.
    pub fn results_gap(&self, asked: u32) -> Duration {
        grown(
            self.poll_first.min(Duration::from_millis(200)),
            1.5,
            asked,
            self.poll_max.min(RESULTS_MAX),
        )
    }

    /// The gap before the stream is opened again, by the number of openings that brought nothing new.
    pub fn reopen_gap(&self, fruitless: u32) -> Duration {
        grown(REOPEN_FIRST, 3.0, fruitless, REOPEN_MAX)
    }

    /// The gap after `failures` failed queries in a row (from 0), unless the upstream `asked` for another.
    pub fn trouble_gap(&self, failures: u32, asked: Option<Duration>) -> Duration {
        match asked {
            Some(_) => self.bounded(asked),
            None => grown(TROUBLE_FIRST, 2.0, failures, TROUBLE_MAX),
        }
    }

    /// What the upstream asks for, as far as somebody who waits for an answer can be asked to wait.
    pub fn bounded(&self, asked: Option<Duration>) -> Duration {
        asked.unwrap_or_default().min(ASKED_MAX)
    }
}

fn grown(first: Duration, factor: f64, times: u32, most: Duration) -> Duration {
    // Thirty doublings reach any limit a person would set, and no more can overflow.
    let grown = first.as_secs_f64() * factor.powi(times.min(30) as i32);
    Duration::try_from_secs_f64(grown).map_or(most, |gap| gap.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_grow_to_their_limit_and_never_overflow() {
        let patience = Patience {
            deadline: Duration::from_secs(590),
            poll_first: Duration::from_millis(200),
            poll_max: Duration::from_secs(2),
            results_grace: Duration::from_secs(10),
            submit_retries: 2,
            orphan_grace: None,
        };
        assert_eq!(patience.results_gap(0), Duration::from_millis(200));
        assert_eq!(patience.results_gap(2), Duration::from_millis(450));
        assert_eq!(patience.results_gap(u32::MAX), Duration::from_secs(2));
        assert_eq!(patience.reopen_gap(0), REOPEN_FIRST);
        assert_eq!(patience.trouble_gap(50, None), TROUBLE_MAX);
        assert_eq!(
            patience.trouble_gap(50, Some(Duration::from_secs(3))),
            Duration::from_secs(3)
        );
    }
}
