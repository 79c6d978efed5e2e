//! The two bodies of a relayed request: what goes up to the upstream, and what comes down from it.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
};
use tokio::{
    sync::oneshot,
    time::{Sleep, sleep},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{Settings, access::Access, body};
use crate::{api_error::ApiError, upstream::UpstreamBody};

/// Why a client's body cannot be sent on whole.
pub(super) enum Fault {
    /// Longer than `limit`, `server.max_body`. Of what is left, nothing has been read.
    TooLong {
        limit: usize,
        rest: Incoming,
    },
    /// Nothing more came for this long, `server.read_timeout`.
    Silent(Duration),
    BrokenOff(hyper::Error),
}

impl Fault {
    pub(super) fn to_error(&self) -> ApiError {
        match self {
            Self::TooLong { limit, .. } => body::too_large(*limit),
            Self::Silent(limit) => ApiError::invalid_request(
                408,
                "request_timeout",
                format!(
                    "Nothing more of the request body came for {limit:?}. Send it without long pauses, or raise \
                     'server.read_timeout'."
                ),
            ),
            Self::BrokenOff(error) => body::broken_off(error),
        }
    }
}

/// Tells the upstream client to abort; the cause is told through [`Faults`].
#[derive(Debug, thiserror::Error)]
#[error("the client's body did not come whole")]
pub(super) struct NotWhole;

/// Where an upload's fault shows, at the latest when the upstream request has failed.
pub(super) type Faults = oneshot::Receiver<Fault>;

/// A client's request body on its way upstream.
pub(super) struct Upload {
    /// None after a fault.
    incoming: Option<Incoming>,
    limit: usize,
    /// How many more bytes may come.
    left: usize,
    silence: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    faults: Option<oneshot::Sender<Fault>>,
}

impl Upload {
    pub(super) fn new(incoming: Incoming, settings: &Settings) -> (Self, Faults) {
        let (sender, faults) = oneshot::channel();
        let upload = Self {
            incoming: Some(incoming),
            limit: settings.max_body,
            left: settings.max_body,
            silence: settings.read_timeout,
            waiting: None,
            faults: Some(sender),
        };
        (upload, faults)
    }

    fn fail(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, NotWhole>>> {
        if let Some(faults) = self.faults.take() {
            // Nobody listens any more when the reply has been sent already.
            let _ = faults.send(fault);
        }
        Poll::Ready(Some(Err(NotWhole)))
    }

    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let silence = self.silence;
        self.waiting
            .get_or_insert_with(|| Box::pin(sleep(silence)))
            .as_mut()
            .poll(context)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = NotWhole;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NotWhole>>> {
        loop {
            let Some(mut incoming) = self.incoming.take() else {
                return Poll::Ready(Some(Err(NotWhole)));
            };
            let polled = Pin::new(&mut incoming).poll_frame(context);
            let Poll::Ready(frame) = polled else {
                self.incoming = Some(incoming);
                ready!(self.poll_silence(context));
                let silence = self.silence;
                return self.fail(Fault::Silent(silence));
            };
            self.waiting = None;
            let data = match frame {
                None => return Poll::Ready(None),
                Some(Err(error)) => return self.fail(Fault::BrokenOff(error)),
                // Trailers are not passed on, so they count as nothing.
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            let Some(left) = self.left.checked_sub(data.len()) else {
                let (limit, rest) = (self.limit, incoming);
                return self.fail(Fault::TooLong { limit, rest });
            };
            self.left = left;
            self.incoming = Some(incoming);
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map(Body::size_hint)
            .unwrap_or_default()
    }
}

/// The upstream's reply on its way to the client. When the upstream breaks off, so does the client's connection: an
/// end that is no end must not look like one.
pub(super) struct Download {
    /// None once the end is in the log. Dropped before the body, so that the log has a client's leaving before the upstream
    /// can see it.
    access: Option<Access>,
    body: UpstreamBody,
    status: StatusCode,
    /// What may have become of the request's body meanwhile.
    faults: Faults,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Download {
    pub(super) fn new(
        body: UpstreamBody,
        status: StatusCode,
        access: Access,
        faults: Faults,
        stop: &CancellationToken,
    ) -> Self {
        let mut download = Self {
            body,
            status,
            access: Some(access),
            faults,
            stop: Box::pin(stop.clone().cancelled_owned()),
        };
        download.note_end();
        download
    }

    /// The server need not ask for an end that it knows of from the length, so the end is looked for here.
    fn note_end(&mut self) {
        if self.body.is_end_stream() || self.body.size_hint().exact() == Some(0) {
            self.finish(None);
        }
    }

    fn finish(&mut self, error: Option<&ApiError>) {
        if let Some(access) = self.access.take() {
            access.finish(self.status, error);
        }
    }

    fn break_off(
        &mut self,
        error: ApiError,
    ) -> Poll<Option<Result<Frame<Bytes>, <Self as Body>::Error>>> {
        self.finish(Some(&error));
        Poll::Ready(Some(Err(String::from(error.message).into())))
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.stop.as_mut().poll(context).is_ready() {
            return self.break_off(stopping());
        }
        match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => {
                self.note_end();
                // A frame without data is one of trailers, which are not passed on.
                let data = frame.into_data().unwrap_or_default();
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Err(error)) => {
                let error = match self.faults.try_recv() {
                    Ok(fault) => fault.to_error(),
                    Err(_) => broken_off(&error),
                };
                self.break_off(error)
            }
            None => {
                self.finish(None);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// foxbridge was told to stop, and the grace is over.
pub(super) fn stopping() -> ApiError {
    ApiError::new(
        503,
        "server_error",
        "server_shutting_down",
        "foxbridge was stopped while the request was relayed. FoxAPI may have acted on it.",
    )
}

/// The client sees this as a body without its end; the words are for the log.
fn broken_off(error: &hyper::Error) -> ApiError {
    ApiError::new(
        502,
        "server_error",
        "upstream_broken_off",
        "FoxAPI broke off a reply that had begun.",
    )
    .with_detail(error.to_string())
}
