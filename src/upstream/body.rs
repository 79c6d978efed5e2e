use std::{
    convert::Infallible,
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame, SizeHint};

/// A request's body. One type for all calls, so that they share one pool of connections.
pub(super) enum RequestBody {
    Whole(Full<Bytes>),
    /// Still on its way from a caller.
    Passing(UnsyncBoxBody<Bytes, CallerGone>),
}

/// A caller's body broke off.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct CallerGone(Box<dyn Error + Send + Sync>);

impl RequestBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }

    pub(super) fn passing<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::Passing(
            body.map_err(|error| CallerGone(error.into()))
                .boxed_unsync(),
        )
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = CallerGone;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallerGone>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|never: Infallible| match never {}),
            Self::Passing(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Passing(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Passing(body) => body.size_hint(),
        }
    }
}
