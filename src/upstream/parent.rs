use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::trace_context::TraceContext;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The span that upstream calls are made for, as their headers say it.
#[derive(Debug, Clone)]
pub struct Parent {
    context: Option<HeaderValue>,
    state: Option<HeaderValue>,
}

impl Parent {
    pub fn new(context: &TraceContext) -> Self {
        let state = context.state.as_deref();
        Self {
            context: HeaderValue::try_from(context.to_string()).ok(),
            state: state.and_then(|state| HeaderValue::from_str(state).ok()),
        }
    }

    /// In place of what a caller said: its span is not what causes the call.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        for (name, value) in [(TRACEPARENT, &self.context), (TRACESTATE, &self.state)] {
            match value {
                Some(value) => headers.insert(name, value.clone()),
                None => headers.remove(name),
            };
        }
    }
}
