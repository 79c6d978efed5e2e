use std::{
    convert::Infallible,
    future, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    App,
    framing::{HeadWatch, Verdict},
    route::{self, Arrival},
    wire::Wire,
};

/// The longest request head. Official clients send about one KiB.
const LONGEST_HEAD: usize = 64 << 10;
/// When the process has no file descriptors left, accepting again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections beyond `server.max_connections` that are told so. Those beyond these are closed without a word.
pub const SURPLUS_CONNECTIONS: usize = 256;
/// How long such a connection may take to ask and to be told.
const SURPLUS_PATIENCE: Duration = Duration::from_secs(5);
/// How long the errors that end the last requests may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves clients until `stop` resolves. From then on [`App::draining`] is cancelled; `server.drain_delay` later nothing
/// more is accepted, and requests in flight may finish within `server.shutdown_grace`. What is still running after that
/// ends with an error that says so.
pub async fn serve(app: Arc<App>, listener: TcpListener, stop: impl Future<Output = ()>) {
    let door = Door::new(app.clone());
    let stop = async {
        stop.await;
        app.draining.cancel();
        sleep(app.settings.drain_delay).await;
    };
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, _)) => door.open(stream),
            Err(error) => pause(&error).await,
        }
    }

    drop(listener);
    let grace = app.settings.shutdown_grace;
    tracing::info!(
        requests = app.slots.taken(),
        ?grace,
        "stopping: no new connections, requests in flight may finish"
    );
    // Nobody waits for them, so nobody waits for their end either.
    app.orphans.stop().await;
    // Also a submit that goes on without its client is waited for: its task is still to be noted.
    let all_done = async { tokio::join!(door.connections.shutdown(), app.slots.all_free()) };
    tokio::pin!(all_done);
    if timeout(grace, &mut all_done).await.is_err() {
        tracing::warn!("the grace is over: requests still in flight end with an error");
        app.stop.cancel();
        // Whoever does not even take the error is left behind.
        let _ = timeout(LAST_WORDS, all_done).await;
    }
}

async fn pause(error: &io::Error) {
    // Errors of one connection that went away while it was being accepted say nothing about the next.
    if !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    ) {
        tracing::error!(%error, "a connection could not be accepted");
        sleep(ACCEPT_PAUSE).await;
    }
}

/// Where clients come in, as many as there is room for.
struct Door {
    app: Arc<App>,
    server: Arc<auto::Builder<TokioExecutor>>,
    connections: GracefulShutdown,
    room: Arc<Semaphore>,
    surplus: Arc<Semaphore>,
}

/// A connection's share of the room.
struct Place {
    _permit: OwnedSemaphorePermit,
    /// There was no room, so that the connection is only told so.
    is_surplus: bool,
}

impl Door {
    fn new(app: Arc<App>) -> Self {
        let mut server = auto::Builder::new(TokioExecutor::new());
        server
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(app.settings.read_timeout)
            .max_buf_size(LONGEST_HEAD);
        server
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(LONGEST_HEAD as u32)
            .keep_alive_interval(Some(Duration::from_secs(30)));
        Self {
            server: Arc::new(server),
            connections: GracefulShutdown::new(),
            room: Arc::new(Semaphore::new(app.settings.max_connections)),
            surplus: Arc::new(Semaphore::new(SURPLUS_CONNECTIONS)),
            app,
        }
    }

    fn place(&self) -> Option<Place> {
        let room = self.room.clone().try_acquire_owned();
        let is_surplus = room.is_err();
        let permit = room.or_else(|_| self.surplus.clone().try_acquire_owned());
        Some(Place {
            _permit: permit.ok()?,
            is_surplus,
        })
    }

    fn open(&self, stream: TcpStream) {
        // A chunk must not wait for the acknowledgement of the chunk before it.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a client's connection refused TCP_NODELAY");
        }
        let Some(place) = self.place() else {
            tracing::debug!("a connection was closed at once: there are far too many");
            return;
        };
        let (app, server) = (self.app.clone(), self.server.clone());
        let watcher = self.connections.watcher();
        tokio::spawn(async move {
            let is_surplus = place.is_surplus;
            let has_spoken = Arc::new(AtomicBool::new(false));
            let ambiguous = Verdict::default();
            let heads = HeadWatch::new(ambiguous.clone());
            let given_up = CancellationToken::new();
            let read_timeout = app.settings.read_timeout;
            let service = service_fn({
                let (has_spoken, given_up) = (has_spoken.clone(), given_up.clone());
                move |request| {
                    has_spoken.store(true, Ordering::Relaxed);
                    let app = app.clone();
                    let arrival = Arrival {
                        connection: given_up.clone(),
                        is_ambiguous: ambiguous.take(),
                        is_surplus,
                    };
                    async move { Ok::<_, Infallible>(route::handle(app, request, arrival).await) }
                }
            });
            let connection = server.serve_connection(
                TokioIo::new(Wire::new(stream, heads, read_timeout)),
                service,
            );
            let connection = watcher.watch(connection.into_owned());
            tokio::pin!(connection);
            // hyper's own limit begins only when it knows which HTTP this is, so a connection that never says enough
            // for that needs a limit of its own.
            let first = async {
                if is_surplus {
                    return sleep(SURPLUS_PATIENCE.min(read_timeout)).await;
                }
                sleep(read_timeout).await;
                if has_spoken.load(Ordering::Relaxed) {
                    future::pending().await
                }
            };
            let served = tokio::select! {
                served = &mut connection => served,
                () = first => return,
                () = given_up.cancelled() => {
                    tracing::info!("a client did not take its answer by the deadline; its connection is ended");
                    return;
                }
            };
            if let Err(error) = served {
                tracing::debug!(error = &*error, "a client's connection ended early");
            }
            drop(place);
        });
    }
}
