//! What metrics and traces are told of a request.

use std::time::Duration;

use super::{Noted, shortened};
use crate::{
    api_error::ApiError,
    metrics::Answered,
    traces::{Ended, Phases},
};

impl Noted {
    /// Tells the metrics.
    pub(super) fn count(&self, status: u16) {
        let course = &self.course;
        let took = self.began.elapsed();
        // The course counts from the task's acceptance, which is when the submit was over.
        let accepted = self.submitting.unwrap_or_default() + self.submit.unwrap_or_default();
        let (running, ended) = (course.running().or(course.first()), course.ended());
        let queue = running.or(ended);
        self.metrics.answered(&Answered {
            endpoint: self.endpoint,
            model: self.model.as_deref().filter(|_| self.task.is_some()),
            status,
            took,
            first: course.first().map(|first| accepted + first),
            submit: self.submit,
            queue,
            run: ended.map(|ended| ended.saturating_sub(queue.unwrap_or_default())),
            queries: course.queries(),
            resumes: course.resumes(),
            is_found: self.is_found,
            usage: course.usage().filter(|_| !self.is_counted),
        });
    }

    /// Tells the collector of traces, where there is one.
    pub(super) fn trace(&mut self, status: Option<u16>, error: Option<&ApiError>) {
        let Some(traced) = self.traced.take() else {
            return;
        };
        let (traces, span) = *traced;
        if !span.is_sampled() {
            return;
        }
        let course = &self.course;
        let since_accepted = |at: Option<Duration>| Some(self.accepted? + at?);
        traces.end(Ended {
            span,
            endpoint: self.endpoint,
            method: self.method.clone(),
            path: self.path.clone(),
            status,
            error: error.map(|error| shortened(error.code.as_deref().unwrap_or(error.kind), 100)),
            request_id: self.id().to_owned(),
            key: self.key().map(ToOwned::to_owned),
            model: self.model.clone(),
            task: self.task.clone(),
            is_found: self.is_found,
            took: self.began.elapsed(),
            phases: Phases {
                submitting: self.submitting,
                accepted: self.accepted,
                running: since_accepted(course.running()),
                first: since_accepted(course.first()),
                over: since_accepted(course.ended()),
            },
            usage: course.usage(),
            queries: course.queries(),
            resumes: course.resumes(),
        });
    }
}

/// Why a request was refused by foxbridge itself, in a word for the metrics.
pub(super) fn refusal(error: &ApiError) -> Option<&'static str> {
    Some(match error.code.as_deref()? {
        "server_overloaded" if error.message.contains("server.max_connections") => "connections",
        "server_overloaded" => "overloaded",
        "server_shutting_down" => "shutting_down",
        "ledger_unavailable" => "ledger",
        "upstream_unavailable" if error.message.contains("upstream.breaker") => "breaker",
        "invalid_api_key" => "key",
        // The upstream's limits are of another kind.
        "rate_limit_exceeded" if matches!(error.kind, "requests" | "tokens") => "rate_limit",
        _ => return None,
    })
}
