use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use metrics_exporter_prometheus::PrometheusRecorder;

use super::{METADATA, counter, key};
use ::metrics::Recorder;

/// How many keys are told apart, over all lists that there have ever been.
const MOST_KEYS: usize = 256;

/// What a submit with a key has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOutcome {
    Accepted,
    /// With this status, which says that nothing was accepted.
    Refused(u16),
    /// Nobody knows, or nothing was sent.
    Failed,
}

/// The keys that have series.
#[derive(Debug, Default)]
pub(super) struct UpstreamKeys(Mutex<BTreeSet<String>>);

impl UpstreamKeys {
    pub(super) fn submitted(&self, recorder: &PrometheusRecorder, name: &str, outcome: KeyOutcome) {
        let name = self.known(name);
        let labels = [("key", name), ("outcome", outcome.name())];
        counter(recorder, "foxbridge_upstream_key_submits_total", &labels).increment(1);
    }

    /// Whether each of the keys that there are rests. Of those that are gone it is no number, so that nobody counts them among
    /// the keys that can be used; a series cannot be taken back.
    pub(super) fn rest(&self, recorder: &PrometheusRecorder, keys: &[(String, bool)]) {
        let mut resting: Vec<(String, bool)> = Vec::new();
        for (name, rests) in keys {
            resting.push((self.known(name).to_owned(), *rests));
        }
        let all = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for name in &all {
            let same_name = resting.iter().filter(|(key, _)| key == name);
            // Several may share the name `other`.
            let rests = same_name
                .map(|(_, rests)| *rests)
                .reduce(|all, rests| all && rests);
            let level = rests.map_or(f64::NAN, |rests| f64::from(u8::from(rests)));
            let labels = [("key", name.as_str())];
            recorder
                .register_gauge(&key("foxbridge_upstream_key_resting", &labels), &METADATA)
                .set(level);
        }
    }

    /// The name as it is shown.
    fn known<'a>(&self, name: &'a str) -> &'a str {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.contains(name) {
            return name;
        }
        let name = match names.len() < MOST_KEYS {
            true => name,
            false => "other",
        };
        names.insert(name.to_owned());
        name
    }
}

impl KeyOutcome {
    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused(401) => "status_401",
            Self::Refused(402) => "status_402",
            Self::Refused(429) => "status_429",
            Self::Refused(_) => "refused",
            Self::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Levels, Metrics};
    use super::*;

    #[test]
    fn names_that_come_and_go_do_not_grow_without_bound() {
        let metrics = Metrics::new("0");
        let outcomes = [
            KeyOutcome::Accepted,
            KeyOutcome::Refused(401),
            KeyOutcome::Refused(402),
            KeyOutcome::Refused(429),
            KeyOutcome::Refused(422),
            KeyOutcome::Failed,
        ];
        let mut text = String::new();
        for number in 0..2000 {
            let name = format!("key-{number}");
            for outcome in outcomes {
                metrics.submitted(&name, outcome);
            }
            if number % 500 == 0 {
                text = metrics.render(&Levels {
                    upstream_keys: vec![(name, true)],
                    ..Levels::default()
                });
            }
        }
        let of = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!(
            of("foxbridge_upstream_key_submits_total{"),
            6 * (MOST_KEYS + 1)
        );
        assert_eq!(of("foxbridge_upstream_key_resting{"), MOST_KEYS + 1);
        let resting = "foxbridge_upstream_key_resting{key=\"other\"} 1";
        assert!(text.contains(resting), "{text}");
        assert!(text.contains("foxbridge_upstream_key_resting{key=\"key-0\"} NaN"));
    }
}
