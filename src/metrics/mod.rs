//! What is counted, for operators: counters, gauges and histograms in Prometheus' words.
//!
//! Who counts is told everything, durations too, and knows neither clocks nor sockets. What costs more than adding to a
//! number (finding it by its labels) is done once a request. Labels have a bounded number of values, whatever clients send:
//! models count only when a task was made of them, and no more than [`MOST_MODELS`] of them; the rest is `other`.

mod described;
mod requests;
mod upstream_keys;

pub use requests::Answered;
pub use upstream_keys::KeyOutcome;

use std::sync::Arc;

use ::metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use requests::Requests;
use upstream_keys::UpstreamKeys;

/// How many models are told apart.
pub const MOST_MODELS: usize = 64;

/// Bounds of histograms of seconds, from a query on this machine to a task that takes as long as any may.
const SECONDS: [f64; 14] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0,
];
/// Bounds of histograms of how many.
const COUNTS: [f64; 8] = [0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 34.0];

/// Why requests are refused.
const REFUSALS: [&str; 7] = [
    "breaker",
    "overloaded",
    "connections",
    "shutting_down",
    "ledger",
    "key",
    "rate_limit",
];

const METADATA: Metadata<'static> = Metadata::new("foxbridge", Level::INFO, None);

/// Everything that is counted. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    requests: Requests,
    upstream_keys: UpstreamKeys,
}

/// A call of the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Submit,
    Query,
    Stream,
    Upload,
    Models,
    Relay,
}

/// What went wrong with a call of the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing was sent.
    Connect,
    Timeout,
    /// It answered with this status.
    Status(u16),
    /// What it answered cannot be read.
    Unreadable,
    /// The connection broke while it answered.
    Cut,
}

/// What is read off when somebody asks.
#[derive(Debug, Clone, Default)]
pub struct Levels {
    pub in_flight: usize,
    pub connections: usize,
    pub ledger_entries: usize,
    pub responses: usize,
    /// What they take, in bytes.
    pub responses_size: usize,
    pub is_ready: bool,
    /// 0: submits are sent; 1: one is, to find out; 2: none is.
    pub breaker: u8,
    /// Each of several upstream keys by name, and whether it rests.
    pub upstream_keys: Vec<(String, bool)>,
    /// Where replicas share a ledger.
    pub shared: Option<Shared>,
}

/// How it stands with what replicas share.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shared {
    pub is_away: bool,
    /// Requests that bought without a place in it.
    pub unnoted: u64,
    /// Changes that wait to be written to it.
    pub waiting: usize,
}

impl Metrics {
    /// `version` is what the build is called.
    pub fn new(version: &str) -> Self {
        let recorder = described::NAMES
            .iter()
            .filter_map(|named| Some((named.name, named.buckets?)))
            .fold(PrometheusBuilder::new(), |builder, (name, buckets)| {
                let matcher = Matcher::Full(name.to_owned());
                // Only a list of no buckets is refused.
                builder
                    .set_buckets_for_metric(matcher, buckets)
                    .unwrap_or_default()
            })
            .build_recorder();
        described::describe(&recorder);
        let metrics = Self(Arc::new(Inner {
            handle: recorder.handle(),
            requests: Requests::new(&recorder),
            upstream_keys: UpstreamKeys::default(),
            recorder,
        }));
        metrics.gauge("foxbridge_build_info", &[("version", version)], 1.0);
        metrics.gauge("foxbridge_config_last_reload_successful", &[], 1.0);
        metrics.begin();
        metrics
    }

    /// A series that begins with 1 shows no increase, so those that alerts are about begin with 0.
    fn begin(&self) {
        let none = |name, labels: &[(&'static str, &str)]| {
            counter(&self.0.recorder, name, labels).increment(0);
        };
        for call in Call::ALL {
            for kind in Trouble::NAMES {
                let labels = [("call", call.name()), ("kind", kind)];
                none("foxbridge_upstream_errors_total", &labels);
            }
        }
        for call in [Call::Submit, Call::Query] {
            let name = "foxbridge_upstream_retries_held_total";
            none(name, &[("call", call.name())]);
        }
        for reason in REFUSALS {
            none("foxbridge_requests_refused_total", &[("reason", reason)]);
        }
        for result in ["applied", "refused"] {
            none("foxbridge_config_reloads_total", &[("result", result)]);
        }
    }

    /// All of it as Prometheus reads it.
    pub fn render(&self, levels: &Levels) -> String {
        for (name, level) in [
            ("foxbridge_requests_in_flight", levels.in_flight),
            ("foxbridge_connections", levels.connections),
            ("foxbridge_ledger_entries", levels.ledger_entries),
            ("foxbridge_responses_kept", levels.responses),
            ("foxbridge_responses_kept_bytes", levels.responses_size),
            ("foxbridge_ready", usize::from(levels.is_ready)),
            (
                "foxbridge_upstream_breaker_state",
                usize::from(levels.breaker),
            ),
        ] {
            self.gauge(name, &[], level as f64);
        }
        if let Some(shared) = levels.shared {
            let is_there = f64::from(u8::from(!shared.is_away));
            self.gauge("foxbridge_ledger_shared_up", &[], is_there);
            let waiting = shared.waiting as f64;
            self.gauge("foxbridge_ledger_shared_waiting", &[], waiting);
            let name = "foxbridge_ledger_unnoted_total";
            counter(&self.0.recorder, name, &[]).absolute(shared.unnoted);
        }
        self.0
            .upstream_keys
            .rest(&self.0.recorder, &levels.upstream_keys);
        self.0.handle.render()
    }

    /// Makes room for more observations; to be called every few seconds.
    pub fn upkeep(&self) {
        self.0.handle.run_upkeep();
    }

    /// A request was answered, or its client left.
    pub fn answered(&self, answered: &Answered) {
        self.0.requests.answered(&self.0.recorder, answered);
    }

    /// A request was refused before anything was bought.
    pub fn refused(&self, reason: &'static str) {
        self.count("foxbridge_requests_refused_total", &[("reason", reason)]);
    }

    /// A submit with one of several upstream keys has come to this.
    pub fn submitted(&self, key: &str, outcome: KeyOutcome) {
        let inner = &self.0;
        inner.upstream_keys.submitted(&inner.recorder, key, outcome);
    }

    /// A request was refused for its model and offered to another one. `is_served`: which has taken it.
    pub fn fell_back(&self, is_served: bool) {
        let outcome = if is_served { "served" } else { "refused" };
        self.count("foxbridge_model_fallbacks_total", &[("outcome", outcome)]);
    }

    /// A call was not repeated, or only later, because there were too many repetitions.
    pub fn retry_held(&self, call: Call) {
        self.count(
            "foxbridge_upstream_retries_held_total",
            &[("call", call.name())],
        );
    }

    /// A task whose client had left was followed to this.
    pub fn orphan(&self, outcome: &'static str) {
        self.count("foxbridge_orphans_total", &[("outcome", outcome)]);
    }

    pub fn upstream_error(&self, call: Call, trouble: Trouble) {
        let labels = [("call", call.name()), ("kind", trouble.name())];
        self.count("foxbridge_upstream_errors_total", &labels);
    }

    /// Settings or certificates were read again. `is_applied`: they were good. `is_all_in_force`: so is everything else that
    /// was read.
    pub fn reloaded(&self, is_applied: bool, is_all_in_force: bool) {
        let result = if is_applied { "applied" } else { "refused" };
        self.count("foxbridge_config_reloads_total", &[("result", result)]);
        let name = "foxbridge_config_last_reload_successful";
        self.gauge(name, &[], f64::from(u8::from(is_all_in_force)));
    }

    fn count(&self, name: &'static str, labels: &[(&'static str, &str)]) {
        counter(&self.0.recorder, name, labels).increment(1);
    }

    fn gauge(&self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        let gauge: Gauge = self
            .0
            .recorder
            .register_gauge(&key(name, labels), &METADATA);
        gauge.set(value);
    }
}

impl Call {
    const ALL: [Self; 6] = [
        Self::Submit,
        Self::Query,
        Self::Stream,
        Self::Upload,
        Self::Models,
        Self::Relay,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Query => "query",
            Self::Stream => "stream",
            Self::Upload => "upload",
            Self::Models => "models",
            Self::Relay => "relay",
        }
    }
}

impl Trouble {
    const NAMES: [&str; 7] = [
        "connect",
        "timeout",
        "status_4xx",
        "status_429",
        "status_5xx",
        "unreadable",
        "cut",
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Status(429) => "status_429",
            Self::Status(500..) => "status_5xx",
            Self::Status(_) => "status_4xx",
            Self::Unreadable => "unreadable",
            Self::Cut => "cut",
        }
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels = labels
        .iter()
        .map(|(name, value)| Label::new(*name, (*value).to_owned()));
    Key::from_parts(name, labels.collect::<Vec<_>>())
}

fn counter(
    recorder: &PrometheusRecorder,
    name: &'static str,
    labels: &[(&'static str, &str)],
) -> Counter {
    recorder.register_counter(&key(name, labels), &METADATA)
}

fn histogram(
    recorder: &PrometheusRecorder,
    name: &'static str,
    labels: &[(&'static str, &str)],
) -> Histogram {
    recorder.register_histogram(&key(name, labels), &METADATA)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::openai::Usage;

    #[test]
    fn everything_is_described_and_nothing_grows_without_bound() {
        let metrics = Metrics::new("0.0.0");
        metrics.refused("overloaded");
        metrics.orphan("completed");
        metrics.submitted("one", KeyOutcome::Accepted);
        metrics.fell_back(true);
        metrics.upstream_error(Call::Query, Trouble::Status(503));
        metrics.reloaded(false, false);
        for number in 0..1000_u16 {
            metrics.answered(&Answered {
                endpoint: "responses",
                model: Some(&format!("made-up-{number}")),
                status: 200 + number % 300,
                took: Duration::from_secs(1),
                first: Some(Duration::from_millis(5)),
                submit: Some(Duration::from_millis(2)),
                queue: Some(Duration::ZERO),
                run: Some(Duration::from_millis(900)),
                queries: 3,
                resumes: 1,
                is_found: true,
                usage: Some(Usage {
                    input: 3,
                    output: 4,
                    cached: 1,
                    reasoning: 2,
                }),
            });
        }
        let text = metrics.render(&Levels {
            shared: Some(Shared::default()),
            upstream_keys: vec![("one".to_owned(), true)],
            ..Levels::default()
        });
        for named in described::NAMES {
            assert!(
                text.contains(&format!("# HELP {} ", named.name)),
                "{}: {text}",
                named.name
            );
        }
        let of = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
        assert_eq!(
            of("gen_ai_server_request_duration_seconds_count"),
            MOST_MODELS + 1
        );
        assert_eq!(of("foxbridge_requests_total{"), MOST_MODELS + 300);
        assert!(text.contains(r#"model="other""#));
        assert!(text.contains("foxbridge_requests_reattached_total 1000"));
        assert!(
            text.contains(r#"foxbridge_upstream_errors_total{call="query",kind="status_5xx"} 1"#)
        );
        for line in text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let name = series.split('{').next().unwrap();
            let is_known = described::NAMES
                .iter()
                .any(|named| name.starts_with(named.name));
            assert!(is_known, "{name} is not described");
        }
    }
}
