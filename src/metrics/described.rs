use ::metrics::{KeyName, Recorder};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::{COUNTS, SECONDS};

/// One metric by name.
pub(super) struct Named {
    pub(super) name: &'static str,
    kind: Kind,
    what: &'static str,
    /// Of a histogram.
    pub(super) buckets: Option<&'static [f64]>,
}

enum Kind {
    Counter,
    Gauge,
    Histogram,
}

const fn counter(name: &'static str, what: &'static str) -> Named {
    Named {
        name,
        kind: Kind::Counter,
        what,
        buckets: None,
    }
}

const fn gauge(name: &'static str, what: &'static str) -> Named {
    Named {
        name,
        kind: Kind::Gauge,
        what,
        buckets: None,
    }
}

const fn histogram(name: &'static str, buckets: &'static [f64], what: &'static str) -> Named {
    Named {
        name,
        kind: Kind::Histogram,
        what,
        buckets: Some(buckets),
    }
}

/// Every metric there is, but for those of the process itself. docs/operating.md says more of each.
pub(super) const NAMES: &[Named] = &[
    counter(
        "foxbridge_requests_total",
        "Requests by endpoint, model and status; 499 is a client that left.",
    ),
    histogram(
        "gen_ai_server_request_duration_seconds",
        &SECONDS,
        "From a request's head to its answer, for a stream to its last piece.",
    ),
    histogram(
        "gen_ai_server_time_to_first_token_seconds",
        &SECONDS,
        "From a request's head to the first chunk of its stream.",
    ),
    histogram(
        "foxbridge_task_phase_seconds",
        &SECONDS,
        "Where the time of an answered request went: submit, queue, run, overhead.",
    ),
    histogram(
        "foxbridge_task_queries",
        &COUNTS,
        "Queries that an answered request took.",
    ),
    counter(
        "foxbridge_stream_resumes_total",
        "Task streams that were opened again.",
    ),
    counter(
        "foxbridge_requests_reattached_total",
        "Requests that found the task which they had bought before.",
    ),
    counter(
        "foxbridge_orphans_total",
        "Tasks that were followed on after their client had left, by outcome.",
    ),
    counter(
        "foxbridge_upstream_errors_total",
        "Calls of FoxAPI that went wrong, by call and kind.",
    ),
    counter(
        "foxbridge_requests_refused_total",
        "Requests that were refused before anything was bought, by reason.",
    ),
    counter("foxbridge_tokens_total", "Tokens by model and type."),
    counter(
        "foxbridge_upstream_key_submits_total",
        "Submits by the name of the upstream key that they went with, and outcome.",
    ),
    gauge(
        "foxbridge_upstream_key_resting",
        "Whether an upstream key is not used for a while because it was refused: 1 for resting, NaN for gone.",
    ),
    gauge(
        "foxbridge_upstream_breaker_state",
        "Whether submits are sent: 0 they are, 1 one is to find out, 2 none is.",
    ),
    counter(
        "foxbridge_upstream_retries_held_total",
        "Calls that were not repeated, or only later, because there were too many repetitions.",
    ),
    counter(
        "foxbridge_model_fallbacks_total",
        "Requests that were offered to another model, by whether one has taken them.",
    ),
    counter(
        "foxbridge_config_reloads_total",
        "Times that settings or certificates were read again, by result.",
    ),
    gauge(
        "foxbridge_config_last_reload_successful",
        "Whether everything that was read last (settings, keys, certificates) is in force.",
    ),
    gauge("foxbridge_requests_in_flight", "Requests being answered."),
    gauge("foxbridge_connections", "Connections of clients."),
    gauge(
        "foxbridge_ledger_entries",
        "Requests that are remembered to be found again.",
    ),
    gauge(
        "foxbridge_ledger_shared_up",
        "Whether the Redis that replicas share answers: 1 if it does.",
    ),
    gauge(
        "foxbridge_ledger_shared_waiting",
        "Changes of requests that wait to be written to Redis.",
    ),
    counter(
        "foxbridge_ledger_unnoted_total",
        "Requests that bought while Redis was away, of which other replicas did not know.",
    ),
    gauge("foxbridge_responses_kept", "Responses that are kept."),
    gauge(
        "foxbridge_responses_kept_bytes",
        "Memory that kept responses take.",
    ),
    gauge("foxbridge_ready", "What /readyz says: 1 for ready."),
    gauge("foxbridge_build_info", "The version that runs."),
];

pub(super) fn describe(recorder: &PrometheusRecorder) {
    for named in NAMES {
        let name = KeyName::from_const_str(named.name);
        let what = named.what.into();
        match named.kind {
            Kind::Counter => recorder.describe_counter(name, None, what),
            Kind::Gauge => recorder.describe_gauge(name, None, what),
            Kind::Histogram => recorder.describe_histogram(name, None, what),
        }
    }
}
