use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use hyper::{
    Request, Response, Uri,
    client::conn::http2,
    header::{HOST, HeaderValue},
    http::uri::PathAndQuery,
};
use hyper_util::{
    client::legacy::connect::Connection as _,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, interval},
};
use tower_service::Service;

use super::{
    body::RequestBody,
    client::{NoReply, chain},
    connect::{Connector, Io},
    connection::{Connection, UpstreamBody},
};

/// Connections kept open without use. Below the minute after which most fronts cut them, because a submit sent into a
/// connection that is just being cut cannot be told from one that arrived.
const IDLE_CONNECTION: Duration = Duration::from_secs(25);

/// HTTP/2 flow control, in bytes: what one stream may have unread, and what all streams of a connection may together.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 30;

/// How many requests share a connection over HTTP/2: as many as servers are advised to allow at least (RFC 9113, section
/// 6.5.2). One request more than a server allows would wait for another one's end, which may be minutes away.
const SHARERS: usize = 100;

/// Connections to one origin, each driven by whoever has its request under way.
///
/// A connection over HTTP/1 has no task of its own: the future that sends a request and the body of its reply do the
/// reading and writing themselves, so that nothing is handed from task to task on the way. HTTP/2, which many requests
/// share, has one.
pub(super) struct Pool {
    connector: Connector,
    /// Scheme, host and port, with an empty path.
    origin: Uri,
    /// `Host`, as HTTP/1 wants it.
    host: HeaderValue,
    shelf: Arc<Shelf>,
}

/// What is there to be used again.
#[derive(Default)]
pub(super) struct Shelf {
    idle: Mutex<Idle>,
    shared: Mutex<Vec<Shared>>,
}

/// A connection over HTTP/2.
#[derive(Clone)]
struct Shared {
    requests: http2::SendRequest<RequestBody>,
    /// For up to [`SHARERS`] requests, each until its reply has been read.
    room: Arc<Semaphore>,
    /// When the last of them came.
    used: Instant,
}

#[derive(Default)]
struct Idle {
    /// The one used last is at the back.
    connections: VecDeque<(Instant, Box<Connection>)>,
    /// Whether somebody will clear them away.
    is_tended: bool,
}

impl Pool {
    pub(super) fn new(connector: Connector, base: &Uri) -> Self {
        let host = base.authority().map_or("", |authority| authority.as_str());
        let mut origin = base.clone().into_parts();
        origin.path_and_query = Some(PathAndQuery::from_static("/"));
        Self {
            connector,
            // The settings allow no base URL but an absolute one.
            origin: Uri::from_parts(origin).unwrap_or_default(),
            // An authority has only characters that a header may have.
            host: HeaderValue::try_from(host).unwrap_or(HeaderValue::from_static("")),
            shelf: Arc::default(),
        }
    }

    pub(super) fn connector(&self) -> Connector {
        self.connector.clone()
    }

    pub(super) fn origin(&self) -> Uri {
        self.origin.clone()
    }

    /// A pool for the same origin, without connections.
    pub(super) fn emptied(&self) -> Self {
        Self {
            connector: self.connector.clone(),
            origin: self.origin.clone(),
            host: self.host.clone(),
            shelf: Arc::default(),
        }
    }

    /// Sends a request, whose URI is what stands behind the origin, and gives the head of the reply.
    ///
    /// A request that a dying connection gave back unwritten is sent on another one: given back means that not one byte
    /// of it was written, so that is no resending.
    pub(super) async fn send(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<UpstreamBody>, NoReply> {
        loop {
            let sent = if let Some((shared, share)) = self.shelf.shared() {
                // Out of line, here and below, so that the usual way over HTTP/1 does not carry the size of the others.
                Box::pin(shared.send(share, self.absolute(request))).await
            } else if let Some(connection) = self.shelf.take().await {
                self.send_own(connection, request).await
            } else {
                return Box::pin(self.send_anew(request)).await;
            };
            match sent {
                Err((NoReply::NotConnected(_), Some(unsent))) => request = relative(*unsent),
                Err((error, _)) => return Err(error),
                Ok(reply) => return Ok(reply),
            }
        }
    }

    /// Sends a request on a new connection.
    async fn send_anew(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<UpstreamBody>, NoReply> {
        let io = self.connector.clone().call(self.origin.clone()).await;
        let io = io.map_err(|error| NoReply::NotConnected(chain(&*error)))?;
        let sent = if io.connected().is_negotiated_h2() {
            let shared = Shared::open(io).await.map_err(broken)?;
            match self.shelf.share(shared) {
                Some((shared, share)) => shared.send(share, self.absolute(request)).await,
                None => {
                    let cause = "a new connection has no room".into();
                    return Err(NoReply::NotConnected(cause));
                }
            }
        } else {
            let connection = Connection::open(io).await.map_err(broken)?;
            self.send_own(Box::new(connection), request).await
        };
        sent.map_err(|(error, _)| error)
    }

    fn send_own(
        &self,
        connection: Box<Connection>,
        mut request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<UpstreamBody>, Unanswered>> + use<> {
        request.headers_mut().insert(HOST, self.host.clone());
        connection.send(request, self.shelf.clone())
    }

    /// The request as HTTP/2 wants it, with the origin in its URI.
    fn absolute(&self, mut request: Request<RequestBody>) -> Request<RequestBody> {
        let mut parts = self.origin.clone().into_parts();
        parts.path_and_query = request.uri().path_and_query().cloned();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        request
    }
}

/// The request as HTTP/1 wants it.
fn relative(mut request: Request<RequestBody>) -> Request<RequestBody> {
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
    request
}

/// Something may have been sent.
pub(super) fn broken(error: hyper::Error) -> NoReply {
    NoReply::Broken(chain(&error))
}

/// Not one byte was sent.
pub(super) fn unsent(error: hyper::Error) -> NoReply {
    NoReply::NotConnected(chain(&error))
}

/// Why there is no reply; with the request, if not one byte of it was written.
pub(super) type Unanswered = (NoReply, Option<Box<Request<RequestBody>>>);

impl Shared {
    async fn open(io: Io) -> Result<Self, hyper::Error> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        let builder = builder
            .timer(TokioTimer::new())
            // Clients that do not read must not use up the window of those who share the connection.
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let (requests, connection) = builder.handshake(io).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the upstream ended");
            }
        });
        Ok(Self {
            requests,
            room: Arc::new(Semaphore::new(SHARERS)),
            used: Instant::now(),
        })
    }

    fn share(&self) -> Option<OwnedSemaphorePermit> {
        self.room.clone().try_acquire_owned().ok()
    }

    fn is_unused(&self) -> bool {
        self.room.available_permits() == SHARERS
    }

    async fn send(
        mut self,
        share: OwnedSemaphorePermit,
        request: Request<RequestBody>,
    ) -> Result<Response<UpstreamBody>, Unanswered> {
        if let Err(error) = self.requests.ready().await {
            return Err((unsent(error), Some(Box::new(request))));
        }
        match self.requests.try_send_request(request).await {
            Ok(reply) => Ok(reply.map(|body| UpstreamBody::shared(body, share))),
            Err(mut error) => Err(match error.take_message() {
                Some(message) => (unsent(error.into_error()), Some(Box::new(message))),
                None => (broken(error.into_error()), None),
            }),
        }
    }
}

impl Shelf {
    /// The connection used last that is still open.
    async fn take(&self) -> Option<Box<Connection>> {
        loop {
            let (since, mut connection) = self.idle().connections.pop_back()?;
            if since.elapsed() < IDLE_CONNECTION && connection.is_open().await {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(self: &Arc<Self>, connection: Box<Connection>) {
        // Without a runtime the process is ending.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut idle = self.idle();
        if !std::mem::replace(&mut idle.is_tended, true) {
            // Nobody may come to take these away.
            runtime.spawn(clear_away(Arc::downgrade(self)));
        }
        idle.connections.push_back((Instant::now(), connection));
    }

    /// The first connection with room, so that few have much to do and the others become unused; those are let go, and
    /// so is one that nobody has used for [`IDLE_CONNECTION`].
    fn shared(&self) -> Option<(Shared, OwnedSemaphorePermit)> {
        let mut all = self.all_shared();
        let mut found = None;
        all.retain_mut(|shared| {
            let is_old = shared.used.elapsed() >= IDLE_CONNECTION;
            let is_needless = shared.is_unused() && (found.is_some() || is_old);
            if shared.requests.is_closed() || is_needless {
                return false;
            }
            if found.is_none()
                && let Some(share) = shared.share()
            {
                shared.used = Instant::now();
                found = Some((shared.clone(), share));
            }
            true
        });
        found
    }

    /// Keeps a new connection, and takes the first share of it.
    fn share(&self, connection: Shared) -> Option<(Shared, OwnedSemaphorePermit)> {
        let share = connection.share()?;
        self.all_shared().push(connection.clone());
        Some((connection, share))
    }

    fn all_shared(&self) -> MutexGuard<'_, Vec<Shared>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections that nobody has used for [`IDLE_CONNECTION`], until there are none.
async fn clear_away(shelf: Weak<Shelf>) {
    let mut often = interval(IDLE_CONNECTION / 5);
    loop {
        often.tick().await;
        let Some(shelf) = shelf.upgrade() else { return };
        let mut idle = shelf.idle();
        while idle
            .connections
            .front()
            .is_some_and(|(since, _)| since.elapsed() >= IDLE_CONNECTION)
        {
            idle.connections.pop_front();
        }
        if idle.connections.is_empty() {
            idle.is_tended = false;
            return;
        }
    }
}
