use std::time::Duration;

/// What lies between two turns.
const SPACING: Duration = Duration::from_millis(2);
/// The longest that anybody waits, however many there are.
const LONGEST: Duration = Duration::from_secs(10);
/// Those for whom there is no turn within that are spread over it by steps of this share, the golden ratio, which never meet.
const STRIDE: f64 = 0.618_033_988_749_895;

/// Whose turn it is to take up a task that was bought before. When a replica dies, all of its clients come to the others
/// within a moment, and the upstream should not feel that; one that comes alone waits for nothing. It knows no clock: times
/// are told to it, counted from any fixed one.
#[derive(Debug, Default)]
pub struct Turns {
    next: Duration,
    /// From 0 to 1.
    phase: f64,
}

impl Turns {
    /// How long whoever comes at `now` is to wait.
    pub fn take(&mut self, now: Duration) -> Duration {
        let turn = self.next.max(now);
        let wait = turn - now;
        if wait >= LONGEST {
            self.phase = (self.phase + STRIDE).fract();
            return LONGEST.mul_f64(self.phase);
        }
        self.next = turn + SPACING;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_alone_does_not_wait() {
        let mut turns = Turns::default();
        for now in [0, 2, 4, 100, 102].map(Duration::from_millis) {
            assert_eq!(turns.take(now), Duration::ZERO);
        }
    }

    #[test]
    fn a_crowd_comes_one_by_one_and_nobody_waits_for_ever() {
        let mut turns = Turns::default();
        let now = Duration::from_secs(7);
        let waits: Vec<_> = (0..20_000).map(|_| turns.take(now)).collect();
        assert_eq!(waits.first(), Some(&Duration::ZERO));
        assert_eq!(waits.get(1000), Some(&Duration::from_secs(2)));
        let mut seconds = [0; 10];
        for wait in waits {
            seconds[wait.as_secs() as usize] += 1;
        }
        assert!(
            seconds.iter().all(|&count| (1990..=2010).contains(&count)),
            "{seconds:?}"
        );
        assert_eq!(turns.take(now + LONGEST), Duration::ZERO);
    }
}
