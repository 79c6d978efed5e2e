use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Method, Request, Response, Version,
    body::{Body, Frame, SizeHint},
    header::{AUTHORIZATION, HeaderValue, TRANSFER_ENCODING},
    http::uri::PathAndQuery,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    Key, Parent, Upstream, UpstreamBody, body::RequestBody, client::NoReply,
    forward_headers as headers,
};
use crate::metrics::{Call, Trouble};

/// Why there is no reply to pass on. The texts are for the operator.
#[derive(Debug)]
pub enum ForwardError {
    /// No connection: nothing was sent.
    NotConnected(String),
    /// For this long (`upstream.request_timeout`) the upstream neither took more of the request nor began to reply.
    TimedOut(Duration),
    /// Anything else: the upstream may have acted.
    Broken(String),
}

impl From<NoReply> for ForwardError {
    fn from(error: NoReply) -> Self {
        match error {
            NoReply::NotConnected(cause) => Self::NotConnected(cause),
            NoReply::Broken(cause) | NoReply::TooLong(cause) => Self::Broken(cause),
        }
    }
}

impl Upstream {
    /// Sends a caller's request to the same path and query under the base URL, once, with `key` in place of the
    /// caller's credentials, and gives the head of the reply with a body that is still to be read. Both bodies are
    /// read only as fast as the other side takes them. Of the headers, those pass that are for the other end
    /// (RFC 9110, section 7.6.1). Dropping the future or the reply's body aborts the upstream request.
    pub async fn forward<B>(
        &self,
        key: &Key,
        parent: Option<&Parent>,
        request: Request<B>,
    ) -> Result<Response<UpstreamBody>, ForwardError>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let target = self.target(path)?;
        let mut headers = headers::for_upstream(head.headers, head.version);
        headers.insert(AUTHORIZATION, key.header());
        if let Some(parent) = parent {
            parent.mark(&mut headers);
        }
        if is_length_unknown(&body) && matches!(head.method, Method::GET | Method::HEAD) {
            // hyper takes such a request for one without a body unless it is told otherwise.
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }

        let (turn, upstreams_turn) = watch::channel(Some(Instant::now()));
        let body = Paced { body, turn };
        let mut request = Request::new(RequestBody::passing(body));
        *request.method_mut() = head.method;
        *request.uri_mut() = target;
        *request.headers_mut() = headers;
        let limit = self.settings().request_timeout;
        let reply = tokio::select! {
            reply = self.send(request) => {
                reply.inspect_err(|error| self.count(Call::Relay, error.trouble()))?
            }
            () = turn_taken_for(limit, upstreams_turn) => {
                self.count(Call::Relay, Trouble::Timeout);
                return Err(ForwardError::TimedOut(limit));
            }
        };
        let (mut head, body) = reply.into_parts();
        if head.status.is_informational() {
            // No upgrade was asked for, and hyper hands over no other interim reply.
            return Err(ForwardError::Broken(format!("status {}", head.status)));
        }
        headers::clean_for_client(&mut head.headers, key);
        // Each connection has its own; an HTTP/1.0 reply would otherwise lose the mark of its end.
        head.version = Version::HTTP_11;
        Ok(Response::from_parts(head, body))
    }
}

fn is_length_unknown<B: Body>(body: &B) -> bool {
    !body.is_end_stream() && body.size_hint().exact().is_none()
}

/// Resolves when it has been the upstream's turn for `limit` without a break.
async fn turn_taken_for(limit: Duration, mut turn: watch::Receiver<Option<Instant>>) {
    loop {
        let since = *turn.borrow_and_update();
        match since {
            Some(since) => tokio::select! {
                Ok(()) = turn.changed() => {}
                () = sleep_until(since + limit) => return,
            },
            None if turn.changed().await.is_err() => return,
            None => {}
        }
    }
}

/// A request body that tells since when it is the upstream's turn to do something; nothing while more of the body is
/// awaited from the caller, so that a slow caller is not taken for a slow upstream.
struct Paced<B> {
    body: B,
    turn: watch::Sender<Option<Instant>>,
}

impl<B> Drop for Paced<B> {
    fn drop(&mut self) {
        // Whatever became of the body, no more of it is awaited.
        self.turn.send_replace(Some(Instant::now()));
    }
}

impl<B: Body + Unpin> Body for Paced<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.turn.send_replace(polled.is_ready().then(Instant::now));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
