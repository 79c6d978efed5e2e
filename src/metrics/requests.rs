use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use ::metrics::{Counter, Histogram};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::{MOST_MODELS, counter, histogram};
use crate::openai::Usage;

/// What became of a request, and what it took.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// Which of the few endpoints.
    pub endpoint: &'static str,
    /// The model of the task that was made, if one was.
    pub model: Option<&'a str>,
    /// 499 where the client left.
    pub status: u16,
    /// From its head to its answer.
    pub took: Duration,
    /// From its head to the first chunk of its stream.
    pub first: Option<Duration>,
    /// How long the submit took, if there was one.
    pub submit: Option<Duration>,
    /// How long the task waited to begin, as far as that was seen.
    pub queue: Option<Duration>,
    /// How long it then ran.
    pub run: Option<Duration>,
    pub queries: u32,
    /// How often its stream was opened again.
    pub resumes: u32,
    /// Whether the request found the task that it had bought before.
    pub is_found: bool,
    pub usage: Option<Usage>,
}

/// The metrics of requests, found once for each endpoint and model.
pub(super) struct Requests {
    families: RwLock<Families>,
    phases: [Histogram; 4],
    queries: Histogram,
    resumes: Counter,
    reattached: Counter,
}

/// By endpoint, then by model.
type Families = HashMap<&'static str, HashMap<String, Arc<Family>>>;

struct Family {
    model: String,
    duration: Histogram,
    first: Histogram,
    /// Input, output, cached, reasoning.
    tokens: [Counter; 4],
    /// By status, of which few occur.
    statuses: Mutex<Vec<(u16, Counter)>>,
}

impl Requests {
    pub(super) fn new(recorder: &PrometheusRecorder) -> Self {
        let phase = |name| {
            let labels = [("phase", name)];
            histogram(recorder, "foxbridge_task_phase_seconds", &labels)
        };
        Self {
            families: RwLock::default(),
            phases: ["submit", "queue", "run", "overhead"].map(phase),
            queries: histogram(recorder, "foxbridge_task_queries", &[]),
            resumes: counter(recorder, "foxbridge_stream_resumes_total", &[]),
            reattached: counter(recorder, "foxbridge_requests_reattached_total", &[]),
        }
    }

    pub(super) fn answered(&self, recorder: &PrometheusRecorder, answered: &Answered) {
        let family = self.family(recorder, answered.endpoint, answered.model.unwrap_or(""));
        family.count(recorder, answered);
        family.duration.record(answered.took);
        if let Some(first) = answered.first {
            family.first.record(first);
        }
        if let Some(usage) = answered.usage {
            let counts = [usage.input, usage.output, usage.cached, usage.reasoning];
            for (counter, count) in family.tokens.iter().zip(counts) {
                counter.increment(count);
            }
        }
        if answered.is_found {
            self.reattached.increment(1);
        }
        if answered.resumes > 0 {
            self.resumes.increment(u64::from(answered.resumes));
        }
        let phases = [answered.submit, answered.queue, answered.run];
        if answered.model.is_some() && answered.status == 200 {
            self.queries.record(f64::from(answered.queries));
            let known: Duration = phases.iter().flatten().sum();
            let overhead = answered.took.saturating_sub(known);
            for (histogram, took) in self
                .phases
                .iter()
                .zip(phases.into_iter().chain([Some(overhead)]))
            {
                if let Some(took) = took {
                    histogram.record(took);
                }
            }
        }
    }

    fn family(
        &self,
        recorder: &PrometheusRecorder,
        endpoint: &'static str,
        model: &str,
    ) -> Arc<Family> {
        let families = self.families.read().unwrap_or_else(PoisonError::into_inner);
        let known = families.get(endpoint);
        if let Some(family) = known.and_then(|models| models.get(model)) {
            return family.clone();
        }
        drop(families);
        let mut families = self
            .families
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let models = families.entry(endpoint).or_default();
        let model = match models.len() < MOST_MODELS {
            true => model,
            false => "other",
        };
        let made = || Arc::new(Family::new(recorder, endpoint, model));
        models.entry(model.to_owned()).or_insert_with(made).clone()
    }
}

impl Family {
    fn new(recorder: &PrometheusRecorder, endpoint: &'static str, model: &str) -> Self {
        let labels = [("endpoint", endpoint), ("model", model)];
        let tokens = |kind| {
            let labels = [("model", model), ("type", kind)];
            counter(recorder, "foxbridge_tokens_total", &labels)
        };
        Self {
            model: model.to_owned(),
            duration: histogram(recorder, "gen_ai_server_request_duration_seconds", &labels),
            first: histogram(
                recorder,
                "gen_ai_server_time_to_first_token_seconds",
                &labels,
            ),
            tokens: ["input", "output", "cached", "reasoning"].map(tokens),
            statuses: Mutex::default(),
        }
    }

    fn count(&self, recorder: &PrometheusRecorder, answered: &Answered) {
        let mut statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        let known = statuses
            .iter()
            .find(|(status, _)| *status == answered.status);
        if let Some((_, counter)) = known {
            return counter.increment(1);
        }
        let status = answered.status.to_string();
        let labels = [
            ("endpoint", answered.endpoint),
            ("model", &self.model),
            ("status", &status),
        ];
        let counter = counter(recorder, "foxbridge_requests_total", &labels);
        counter.increment(1);
        statuses.push((answered.status, counter));
    }
}
