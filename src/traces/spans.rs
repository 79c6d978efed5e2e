//! From a request that has ended to its spans, in the words of OpenTelemetry's conventions for HTTP and generative AI.

use std::{borrow::Cow, str::FromStr, time::Duration};

use hyper::Method;
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId, Value,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::{Begun, new_span};
use crate::openai::Usage;

/// A request that has ended, for as much as its trace tells of it: no keys, no content.
#[derive(Debug)]
pub struct Ended {
    pub span: Begun,
    /// Which of the few endpoints.
    pub endpoint: &'static str,
    pub method: Method,
    pub path: String,
    /// `None`: its client has left before the answer.
    pub status: Option<u16>,
    /// The code of the error that it came to.
    pub error: Option<String>,
    pub request_id: String,
    /// What the operator calls its client's key.
    pub key: Option<String>,
    pub model: Option<String>,
    pub task: Option<String>,
    /// Whether it had bought the task before.
    pub is_found: bool,
    pub took: Duration,
    pub phases: Phases,
    pub usage: Option<Usage>,
    pub queries: u32,
    /// How often its stream was opened again.
    pub resumes: u32,
}

/// When the steps of a request were, from its head; `None`: they were not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Phases {
    pub submitting: Option<Duration>,
    /// There is a task from here on.
    pub accepted: Option<Duration>,
    /// The task was first seen running.
    pub running: Option<Duration>,
    /// The client was told the first chunk.
    pub first: Option<Duration>,
    /// The task was over.
    pub over: Option<Duration>,
}

/// The span of the request, and one for each of its steps.
pub(super) fn of(ended: Ended, scope: &InstrumentationScope) -> Vec<SpanData> {
    let Begun {
        context,
        parent,
        at,
    } = &ended.span;
    let state = context.state.as_deref().unwrap_or_default();
    let state = TraceState::from_str(state).unwrap_or_default();
    let blank = |span: u64, name: Cow<'static, str>, begin: Duration, end: Duration| SpanData {
        span_context: SpanContext::new(
            TraceId::from_bytes(context.trace.to_be_bytes()),
            SpanId::from_bytes(span.to_be_bytes()),
            TraceFlags::SAMPLED,
            false,
            state.clone(),
        ),
        parent_span_id: SpanId::from_bytes(context.span.to_be_bytes()),
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name,
        start_time: *at + begin,
        end_time: *at + end.max(begin),
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: scope.clone(),
    };
    let mut request = blank(context.span, name(&ended), Duration::ZERO, ended.took);
    request.parent_span_id = SpanId::from_bytes(parent.unwrap_or_default().to_be_bytes());
    request.parent_span_is_remote = parent.is_some();
    request.span_kind = SpanKind::Server;
    request.status = status(&ended);
    request.attributes = attributes(&ended);
    let mut spans = vec![request];
    for (name, begin, end) in steps(&ended.phases, ended.took) {
        spans.push(blank(new_span(), name.into(), begin, end));
    }
    spans
}

/// Submit, queue and run. What was going on when the request ended ends with it.
fn steps(phases: &Phases, took: Duration) -> Vec<(&'static str, Duration, Duration)> {
    let mut steps = Vec::new();
    if let Some(submitting) = phases.submitting {
        steps.push(("submit", submitting, phases.accepted.unwrap_or(took)));
    }
    if let Some(accepted) = phases.accepted {
        let running = phases.running.or(phases.first);
        let queued = running.or(phases.over).unwrap_or(took);
        steps.push(("queue", accepted, queued));
        if running.is_some() {
            steps.push(("run", queued, phases.over.unwrap_or(took)));
        }
    }
    steps
}

/// What is asked of a model, in the conventions' words.
fn operation(endpoint: &str) -> Option<&'static str> {
    match endpoint {
        "chat.completions" | "responses" => Some("chat"),
        "completions" => Some("text_completion"),
        _ => None,
    }
}

fn name(ended: &Ended) -> Cow<'static, str> {
    match (operation(ended.endpoint), &ended.model) {
        (Some(operation), Some(model)) => format!("{operation} {model}").into(),
        (Some(operation), None) => operation.into(),
        _ => format!("{} {}", method(&ended.method), ended.endpoint).into(),
    }
}

/// Methods that clients make up are one.
fn method(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS => method.as_str(),
        _ => "_OTHER",
    }
}

fn attributes(ended: &Ended) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(20);
    let mut add = |name: &'static str, value: Option<Value>| {
        if let Some(value) = value {
            attributes.push(KeyValue::new(name, value));
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::from);
    let number = |number: u64| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
    let seldom = |count: u32| (count > 0).then(|| Value::from(i64::from(count)));
    let operation = operation(ended.endpoint);

    let request_method = method(&ended.method).to_owned();
    add("http.request.method", Some(request_method.into()));
    add("url.path", Some(ended.path.clone().into()));
    let status = ended.status.map(|status| i64::from(status).into());
    add("http.response.status_code", status);
    add("error.type", error_type(ended).map(Value::from));
    add("gen_ai.operation.name", operation.map(Value::from));
    add("gen_ai.provider.name", operation.map(|_| "foxapi".into()));
    add("gen_ai.request.model", text(&ended.model));
    if let Some(usage) = ended.usage {
        add("gen_ai.usage.input_tokens", Some(number(usage.input)));
        add("gen_ai.usage.output_tokens", Some(number(usage.output)));
        let cached = Some(number(usage.cached));
        add("gen_ai.usage.cache_read.input_tokens", cached);
        let reasoning = Some(number(usage.reasoning));
        add("gen_ai.usage.reasoning.output_tokens", reasoning);
    }
    let first = ended.phases.first.map(|first| first.as_secs_f64().into());
    add("gen_ai.response.time_to_first_chunk", first);
    add("foxbridge.endpoint", Some(ended.endpoint.into()));
    add(
        "foxbridge.request.id",
        Some(ended.request_id.clone().into()),
    );
    add("foxbridge.task.id", text(&ended.task));
    add("foxbridge.key", text(&ended.key));
    add("foxbridge.task.found", ended.is_found.then(|| true.into()));
    add("foxbridge.task.queries", seldom(ended.queries));
    add("foxbridge.stream.resumes", seldom(ended.resumes));
    attributes
}

/// A word of those that error bodies have as a code, else the status.
fn error_type(ended: &Ended) -> Option<String> {
    match (&ended.error, ended.status) {
        (Some(error), _) => Some(error.clone()),
        (None, None) => Some("client_left".to_owned()),
        (None, Some(status)) => (status >= 400).then(|| status.to_string()),
    }
}

/// What the caller did wrong is no failure of ours; what failed behind a 200 is.
fn status(ended: &Ended) -> Status {
    let is_failure = match ended.status {
        Some(status) => status >= 500 || (status < 400 && ended.error.is_some()),
        None => false,
    };
    match is_failure {
        true => Status::error(error_type(ended).unwrap_or_default()),
        false => Status::Unset,
    }
}
