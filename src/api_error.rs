//! What is told to the client when there is no answer, and to the operator besides.

use std::{borrow::Cow, time::Duration};

use crate::openai::{ErrorBody, RequestFault};

/// A failure as OpenAI's API says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status, where one can still be sent.
    pub status: u16,
    /// OpenAI's `type`.
    pub kind: &'static str,
    pub code: Option<Cow<'static, str>>,
    pub param: Option<Box<str>>,
    /// For the client: first what happened, then what to do.
    pub message: Box<str>,
    /// For the operator's log: causes that are of no use to the client. Never a key, never content.
    pub detail: Option<Box<str>>,
    pub retry: Retry,
    /// What the upstream's reply said, where there was one.
    pub upstream: Option<Box<Said>>,
}

/// What a reply of the upstream says in its head that clients are told too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Its HTTP status.
    pub status: u16,
    /// Its `x-ratelimit-*` headers, by name and value.
    pub rate_limits: Vec<(String, String)>,
}

/// Whether the official SDKs should send the request again by themselves (WIRE.md, "Retries and time-outs").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// What the status means to the SDK holds.
    AsUsual,
    /// Not by itself: a task was or may have been bought, or the same would happen again.
    Never,
    /// Not by itself, unless the request would be known for a repetition: its task goes on, and is waited for on.
    IfFound,
    /// Nothing was bought; worth another try after this long.
    After(Duration),
}

impl ApiError {
    pub fn new(
        status: u16,
        kind: &'static str,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            kind,
            code: Some(Cow::Borrowed(code)),
            param: None,
            message: message.into().into(),
            detail: None,
            retry: Retry::AsUsual,
            upstream: None,
        }
    }

    pub fn invalid_request(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(status, "invalid_request_error", code, message)
    }

    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into().into());
        self
    }

    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    pub fn with_upstream(mut self, said: Said) -> Self {
        self.upstream = Some(Box::new(said));
        self
    }

    /// The body, for a reply or for a `data:` frame of a stream that has begun.
    pub fn body(&self) -> Vec<u8> {
        ErrorBody::new(
            &self.message,
            self.kind,
            self.param.as_deref(),
            self.code.as_deref(),
        )
        .to_json()
    }
}

impl From<RequestFault> for ApiError {
    fn from(fault: RequestFault) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            code: fault.code.map(Cow::Borrowed),
            param: fault.param.map(Into::into),
            message: fault.message.into(),
            detail: None,
            retry: Retry::AsUsual,
            upstream: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_members_are_always_there() {
        let error = ApiError::from(RequestFault::body("no \"quotes\" lost"));
        assert_eq!(
            String::from_utf8(error.body()).unwrap(),
            r#"{"error":{"message":"no \"quotes\" lost","type":"invalid_request_error","param":null,"code":null}}"#
        );
    }
}
