use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http1,
};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    body::RequestBody,
    connect::Io,
    pool::{Shelf, Unanswered, broken, unsent},
};

/// A connection over HTTP/1 that moves only while somebody waits for something of it.
pub(super) struct Connection {
    requests: http1::SendRequest<RequestBody>,
    /// Reads and writes; `None` when it has ended.
    traffic: Option<http1::Connection<Io, RequestBody>>,
}

/// The body of a reply. Read to its end, it gives its connection back; dropped before, it aborts the call.
pub struct UpstreamBody {
    body: Incoming,
    /// `None` when it is shared, or given back.
    connection: Option<(Box<Connection>, Arc<Shelf>)>,
    /// Of a shared connection; held for as long as the reply is not read to its end.
    share: Option<OwnedSemaphorePermit>,
}

impl Connection {
    pub(super) async fn open(io: Io) -> Result<Self, hyper::Error> {
        let (requests, traffic) = http1::handshake(io).await?;
        Ok(Self {
            requests,
            traffic: Some(traffic),
        })
    }

    /// Whether a connection that was kept can take a request: not if the other side has closed it meanwhile.
    pub(super) async fn is_open(&mut self) -> bool {
        poll_fn(|context| {
            self.move_on(context);
            Poll::Ready(self.is_free(context))
        })
        .await
    }

    /// Sends a request; the reply's body then has the connection, and `shelf` gets it afterwards.
    pub(super) async fn send(
        mut self: Box<Self>,
        request: Request<RequestBody>,
        shelf: Arc<Shelf>,
    ) -> Result<Response<UpstreamBody>, Unanswered> {
        let sent = {
            let mut reply = pin!(self.requests.try_send_request(request));
            let traffic = &mut self.traffic;
            poll_fn(|context| {
                if let Poll::Ready(reply) = reply.as_mut().poll(context) {
                    return Poll::Ready(reply);
                }
                move_on(traffic, context);
                reply.as_mut().poll(context)
            })
            .await
        };
        match sent {
            Ok(reply) => Ok(reply.map(|body| UpstreamBody {
                body,
                connection: Some((self, shelf)),
                share: None,
            })),
            Err(mut error) => Err(match error.take_message() {
                Some(message) => (unsent(error.into_error()), Some(Box::new(message))),
                None => (broken(error.into_error()), None),
            }),
        }
    }

    fn move_on(&mut self, context: &mut Context<'_>) {
        move_on(&mut self.traffic, context);
    }

    fn is_free(&mut self, context: &mut Context<'_>) -> bool {
        self.traffic.is_some() && matches!(self.requests.poll_ready(context), Poll::Ready(Ok(())))
    }
}

/// Reads and writes what can be. An ended connection is dropped at once, which tells those who still wait for it.
fn move_on(traffic: &mut Option<http1::Connection<Io, RequestBody>>, context: &mut Context<'_>) {
    if let Some(open) = traffic
        && let Poll::Ready(ended) = Pin::new(open).poll(context)
    {
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection to the upstream ended");
        }
        *traffic = None;
    }
}

impl UpstreamBody {
    /// The body of a reply over a connection that moves by itself.
    pub(super) fn shared(body: Incoming, share: OwnedSemaphorePermit) -> Self {
        Self {
            body,
            connection: None,
            share: Some(share),
        }
    }

    /// Gives the connection back, if it can be used again.
    fn give_back(&mut self, context: &mut Context<'_>) {
        self.share = None;
        if let Some((mut connection, shelf)) = self.connection.take() {
            connection.move_on(context);
            if connection.is_free(context) {
                shelf.put(connection);
            }
        }
    }
}

impl Drop for UpstreamBody {
    /// Who has heard the last event of a stream reads no further, although only the end is left.
    fn drop(&mut self) {
        if self.connection.is_some() {
            let mut context = Context::from_waker(Waker::noop());
            // Gives the connection back if this is the end; anything else closes it.
            let _ = Pin::new(self).poll_frame(&mut context);
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_pending()
            && let Some((connection, _)) = &mut self.connection
        {
            connection.move_on(context);
            polled = Pin::new(&mut self.body).poll_frame(context);
        }
        match &polled {
            Poll::Ready(None) => self.give_back(context),
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => self.give_back(context),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
