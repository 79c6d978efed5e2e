//! What the service answers: JSON, section 6's errors, the front proxy's HTML, or nothing at all.

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    body::Frame,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER},
};
use serde_json::{Value, json};

use super::{connection::Fate, plan::Reaction};

pub(super) type Body = UnsyncBoxBody<Bytes, Hangup>;
/// An answer, or the connection ends without one.
pub(super) type Reply = Result<Response<Body>, Hangup>;

/// The connection is given up.
#[derive(Debug, thiserror::Error)]
#[error("the connection is given up")]
pub(super) struct Hangup;

/// The type of a 422 that is about the service's channels rather than about the request.
const UNAVAILABLE: &str = "service_unavailable_error";

/// An error that the service itself reports (CONTRACT.md, section 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    code: Option<String>,
    message: String,
    retry_after: Option<String>,
}

impl Refusal {
    /// The usual error of this status, without a code.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let kind = match status.as_u16() {
            401 => "authentication_error",
            402 => "insufficient_quota",
            404 => "not_found",
            429 => "rate_limit_error",
            503 => "service_unavailable",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        Self {
            status,
            kind,
            code: None,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(super) fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    pub(super) fn retry_after(mut self, value: Option<String>) -> Self {
        self.retry_after = value;
        self
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 422 with code `invalid_param`.
    pub(super) fn invalid_param(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message).code("invalid_param")
    }

    /// A scripted status, with the code that the contract gives it unless another, or the type of a model without a
    /// channel, is asked for.
    fn scripted(status: StatusCode, code: &Option<String>) -> Self {
        let usual = match status.as_u16() {
            422 => Some("invalid_param"),
            500 => Some("internal_error"),
            503 => Some("all_platforms_exhausted"),
            _ => None,
        };
        let mut refusal = Self::new(status, format!("Scripted failure with status {status}."));
        match code.as_deref() {
            Some(UNAVAILABLE) => refusal.kind = UNAVAILABLE,
            Some(code) => refusal.code = Some(code.to_owned()),
            None => refusal.code = usual.map(str::to_owned),
        }
        refusal
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut error = json!({"message": self.message, "type": self.kind});
        if let Some(code) = self.code {
            error["code"] = Value::String(code);
        }
        let mut response = json_body(self.status, &json!({ "error": error }));
        if let Some(value) = self.retry_after {
            set(&mut response, RETRY_AFTER, &value);
        }
        response
    }
}

pub(super) fn json_body(status: StatusCode, value: &Value) -> Response<Body> {
    with_body(status, "application/json", value.to_string())
}

/// The error page of the proxy in front of the service.
pub(super) fn html(status: StatusCode) -> Response<Body> {
    let page = format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n\
         <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    with_body(status, "text/html", page)
}

/// Sets a header; a value that cannot be one is left out.
pub(super) fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Does what a script asks for instead of answering.
pub(super) async fn react(reaction: &Reaction, retry_after: Option<&str>, fate: &Fate) -> Reply {
    match reaction {
        Reaction::Status(status, _) if matches!(status.as_u16(), 413 | 502 | 504) => {
            Ok(html(*status))
        }
        Reaction::Status(status, code) => {
            let waits = matches!(status.as_u16(), 429 | 503);
            let retry_after = retry_after.filter(|_| waits).map(str::to_owned);
            let refusal = Refusal::scripted(*status, code).retry_after(retry_after);
            Ok(refusal.into_response())
        }
        Reaction::Html(status) => Ok(html(*status)),
        Reaction::Empty(status) => {
            let mut response = Response::new(body(Bytes::new()));
            *response.status_mut() = *status;
            Ok(response)
        }
        Reaction::Garbage => Ok(with_body(
            StatusCode::OK,
            "application/json",
            "upstream said: ok (this is not JSON".to_owned(),
        )),
        Reaction::Truncated => Ok(truncated()),
        Reaction::Redirect(url) => {
            let mut response = Response::new(body(Bytes::new()));
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            set(&mut response, LOCATION, url);
            Ok(response)
        }
        Reaction::Close => Err(Hangup),
        Reaction::Reset => {
            fate.reset();
            Err(Hangup)
        }
        Reaction::Hang => std::future::pending().await,
    }
}

fn truncated() -> Response<Body> {
    let sent = Bytes::from_static(br#"{"id":"task-llm-"#);
    let announced = sent.len() + 100;
    let frames = stream::unfold(Some(sent), |rest| async move {
        // Letting the connection run once writes out what it has before the end comes.
        tokio::task::yield_now().await;
        match rest {
            Some(bytes) if !bytes.is_empty() => Some((Ok(Frame::data(bytes)), Some(Bytes::new()))),
            Some(_) => Some((Err(Hangup), None)),
            None => None,
        }
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    set(&mut response, CONTENT_TYPE, "application/json");
    set(&mut response, CONTENT_LENGTH, &announced.to_string());
    response
}

fn with_body(status: StatusCode, content_type: &str, text: String) -> Response<Body> {
    let mut response = Response::new(body(Bytes::from(text)));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, content_type);
    response
}

fn body(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}
