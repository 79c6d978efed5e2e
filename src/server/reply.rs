//! Replies, and the headers that every one of them has.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body_util::Full;
use hyper::{
    HeaderMap, Response, StatusCode,
    body::{Body, Frame, SizeHint},
    header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER},
};
use uuid::Builder;

use super::{last_answer::Handover, relayed::Download, watchdog::Leash};
use crate::api_error::{ApiError, Retry, Said};

pub(super) const REQUEST_ID: &str = "x-request-id";
/// The official SDKs obey it before anything else (WIRE.md, "Retries and time-outs").
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// The official SDKs read it before `retry-after`.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// The upstream task that a request became.
pub(super) const TASK_ID: HeaderName = HeaderName::from_static("x-foxbridge-task-id");
/// The upstream's name for the model that serves the request.
pub(super) const MODEL: HeaderName = HeaderName::from_static("x-foxbridge-model");
/// The status of the upstream's own reply, behind an error of ours.
const UPSTREAM_STATUS: HeaderName = HeaderName::from_static("x-foxbridge-upstream-status");
/// Said when a request has found the task that it bought before.
pub(super) const FOUND: HeaderName = HeaderName::from_static("x-foxbridge-found");
/// Said when no other replica knows of what was bought, so that a retry there buys again.
pub(super) const LEDGER: HeaderName = HeaderName::from_static("x-foxbridge-ledger");
/// As OpenAI sends it.
pub(super) const PROCESSING: HeaderName = HeaderName::from_static("openai-processing-ms");
/// What was changed in a request so that the upstream takes it.
pub(super) const ADJUSTED: HeaderName = HeaderName::from_static("x-foxbridge-adjusted");

/// What is sent to a client.
pub(super) type Reply = Response<ReplyBody>;

pub(super) enum ReplyBody {
    Whole(Full<Bytes>),
    /// An answer that was paid for; the receipt is used when it is taken to be written, and the watchdog watches that
    /// it is.
    Answer {
        full: Full<Bytes>,
        receipt: Option<Handover>,
        _leash: Option<Leash>,
    },
    /// Each piece is written as it comes.
    Pieces(Pin<Box<dyn Stream<Item = Result<Bytes, BrokenOff>> + Send>>),
    /// The upstream's own, which can break off.
    Relayed(Box<Download>),
}

/// The body ends here without its end: what was written is no answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer was broken off")]
pub(super) struct BrokenOff;

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(full) => Pin::new(full).poll_frame(context).map_err(Into::into),
            Self::Answer { full, receipt, .. } => {
                if let Some(receipt) = receipt.take() {
                    receipt.delivered();
                }
                Pin::new(full).poll_frame(context).map_err(Into::into)
            }
            Self::Pieces(pieces) => pieces
                .as_mut()
                .poll_next(context)
                .map(|piece| Some(piece?.map(Frame::data).map_err(Into::into))),
            Self::Relayed(download) => Pin::new(&mut **download).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(full) | Self::Answer { full, .. } => full.is_end_stream(),
            Self::Pieces(_) => false,
            Self::Relayed(download) => download.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(full) | Self::Answer { full, .. } => full.size_hint(),
            Self::Pieces(_) => SizeHint::default(),
            Self::Relayed(download) => download.size_hint(),
        }
    }
}

/// An id that no other request has; later ones sort later. It is no secret, so that good chance will do.
pub(super) fn new_request_id() -> String {
    let mut chance = [0; 10];
    fastrand::fill(&mut chance);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let milliseconds = now.map_or(0, |since| since.as_millis() as u64);
    let id = Builder::from_unix_timestamp_millis(milliseconds, &chance).into_uuid();
    format!("req_{}", id.simple())
}

pub(super) fn json(body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(ReplyBody::Whole(Full::new(body.into())));
    let kind = HeaderValue::from_static("application/json");
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}

/// An answer that has been paid for.
pub(super) fn answer(body: Bytes, receipt: Handover, leash: Option<Leash>) -> Reply {
    json(Bytes::new()).map(|_| ReplyBody::Answer {
        full: Full::new(body),
        receipt: Some(receipt),
        _leash: leash,
    })
}

pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(ReplyBody::Whole(Full::default()));
    *reply.status_mut() = status;
    reply
}

/// An event stream, with the headers that OpenAI sends.
pub(super) fn events(events: impl Stream<Item = Bytes> + Send + 'static) -> Reply {
    pieces("text/event-stream; charset=utf-8", events.map(Ok))
}

/// An answer in one piece that is still to come when its head is sent.
pub(super) fn late_json(
    body: impl Stream<Item = Result<Bytes, BrokenOff>> + Send + 'static,
) -> Reply {
    pieces("application/json", body)
}

/// A body that is written piece by piece, with the headers that keep proxies from buffering it.
fn pieces(
    kind: &'static str,
    pieces: impl Stream<Item = Result<Bytes, BrokenOff>> + Send + 'static,
) -> Reply {
    let mut reply = Response::new(ReplyBody::Pieces(Box::pin(pieces)));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    reply
}

pub(super) fn error(error: &ApiError) -> Reply {
    let mut reply = json(error.body());
    // Statuses come from tables and from the upstream's own, so an impossible one would be a defect.
    *reply.status_mut() = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = reply.headers_mut();
    match error.retry {
        Retry::AsUsual => {}
        Retry::Never | Retry::IfFound => {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        Retry::After(wait) => {
            let milliseconds = sane_milliseconds(wait);
            let seconds = milliseconds.div_ceil(1000);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            headers.insert(RETRY_AFTER_MS, HeaderValue::from(milliseconds));
        }
    }
    if let Some(said) = &error.upstream {
        headers.insert(UPSTREAM_STATUS, HeaderValue::from(said.status));
        pass_on(headers, said);
    }
    reply
}

/// Asks the official SDKs to send the request again by themselves, whatever its error says.
pub(super) fn invite_retry(reply: &mut Reply) {
    let invited = HeaderValue::from_static("true");
    reply.headers_mut().insert(SHOULD_RETRY, invited);
}

/// No other replica knows of what was bought: who sends it again by itself buys again.
pub(super) fn tell_unnoted(headers: &mut HeaderMap) {
    headers.insert(LEDGER, HeaderValue::from_static("unavailable"));
}

/// The upstream's rate limits, for clients that pace themselves by them.
pub(super) fn pass_on(headers: &mut HeaderMap, said: &Said) {
    for (name, value) in &said.rate_limits {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}

/// For clients that may still be sending what nobody will read.
pub(super) fn close(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}

/// Clients retry at once on 0 and not at all above some minutes, so neither is said (WIRE.md).
fn sane_milliseconds(wait: Duration) -> u64 {
    wait.as_nanos().div_ceil(1_000_000).clamp(1000, 60_000) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_advice_is_what_sdks_obey() {
        let error = |retry| super::error(&ApiError::new(429, "t", "c", "m").with_retry(retry));
        assert_eq!(error(Retry::Never).headers()["x-should-retry"], "false");
        for (wait, seconds, milliseconds) in [
            (0, "1", "1000"),
            (1, "1", "1000"),
            (1500, "2", "1500"),
            (600_000, "60", "60000"),
        ] {
            let reply = error(Retry::After(Duration::from_millis(wait)));
            assert_eq!(reply.headers()["retry-after"], seconds);
            assert_eq!(reply.headers()["retry-after-ms"], milliseconds);
        }
        assert!(
            error(Retry::AsUsual)
                .headers()
                .get("x-should-retry")
                .is_none()
        );
    }
}
