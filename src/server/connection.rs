use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::Watcher},
};
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit, time::sleep};

use super::{
    Current, Settings,
    addresses::Share,
    crew::Load,
    framing::{HeadWatch, Verdict},
    holding::Holding,
    last_answer::LastAnswer,
    presence::Presence,
    route::{self, Arrival},
    slots::Unwelcome,
    socket::Socket,
    watchdog::Watchdog,
    wire::Wire,
};

/// The longest request head. Official clients send about one KiB.
const LONGEST_HEAD: usize = 64 << 10;
/// How long a connection for which there is no room may take to ask and to be told.
const SURPLUS_PATIENCE: Duration = Duration::from_secs(5);

/// Serves connections over HTTP/1 and HTTP/2.
#[derive(Clone)]
pub(crate) struct Server(Arc<auto::Builder<TokioExecutor>>);

/// A connection that may be served.
pub(crate) struct Admitted {
    /// Its share of the room.
    pub(super) place: OwnedSemaphorePermit,
    /// Its share of its address, where these are limited.
    pub(super) share: Option<Share>,
    /// There was no room, so that it is only told so.
    pub(super) unwelcome: Option<Unwelcome>,
    /// By which its end is waited for when foxbridge stops.
    pub(super) watcher: Watcher,
    /// Its part of what its thread has to do.
    pub(super) load: Option<Load>,
}

impl Server {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut server = auto::Builder::new(TokioExecutor::new());
        server
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(settings.read_timeout)
            .max_buf_size(LONGEST_HEAD);
        server
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(LONGEST_HEAD as u32)
            .keep_alive_interval(Some(Duration::from_secs(30)));
        Self(Arc::new(server))
    }

    /// Serves a connection to its end.
    pub(super) fn serve(
        &self,
        current: Current,
        stream: TcpStream,
        admitted: Admitted,
    ) -> impl Future<Output = ()> + Send + use<> {
        let server = self.0.clone();
        async move {
            let Admitted {
                place,
                share,
                mut unwelcome,
                watcher,
                load,
            } = admitted;
            let app = current.get();
            let connections = app.connections.clone();
            connections.fetch_add(1, Ordering::Relaxed);
            let counted = scopeguard::guard(connections, |connections| {
                connections.fetch_sub(1, Ordering::Relaxed);
            });
            let read_timeout = app.settings.read_timeout;
            let socket = match &app.tls {
                None => Socket::Plain(stream),
                Some(tls) => {
                    let limit = match unwelcome {
                        Some(_) => SURPLUS_PATIENCE.min(read_timeout),
                        None => read_timeout,
                    };
                    // Boxed, so that connections without TLS need no room for it.
                    let Some((socket, mistaken)) = Box::pin(tls.secure(&app, stream, limit)).await
                    else {
                        return;
                    };
                    unwelcome = unwelcome.or(mistaken);
                    socket
                }
            };
            // Requests are served with what is in force when they begin.
            drop(app);
            let presence = Presence::default();
            let ambiguous = Verdict::default();
            let heads = HeadWatch::new(ambiguous.clone());
            let watchdog = Watchdog::default();
            let last_answer = LastAnswer::default();
            let service = service_fn({
                let (presence, watchdog) = (presence.clone(), watchdog.clone());
                let last_answer = last_answer.clone();
                move |request: Request<Incoming>| {
                    let stay = presence.ask(request.version());
                    last_answer.taken();
                    let app = current.get();
                    let arrival = Arrival {
                        watchdog: watchdog.clone(),
                        last_answer: last_answer.clone(),
                        is_ambiguous: ambiguous.take(),
                        unwelcome,
                    };
                    async move {
                        let reply = route::handle(app, request, arrival).await;
                        Ok::<_, Infallible>(reply.map(|body| Holding::new(body, stay)))
                    }
                }
            });
            let wire = Wire::new(socket, heads, last_answer, read_timeout);
            let connection = server.serve_connection(TokioIo::new(wire), service);
            let connection = watcher.watch(connection.into_owned());
            tokio::pin!(connection);
            // hyper's own limit begins only when it knows which HTTP this is, so a connection that never says enough
            // for that needs a limit of its own.
            let silence = async {
                match unwelcome {
                    Some(_) => sleep(SURPLUS_PATIENCE.min(read_timeout)).await,
                    None => presence.ends(read_timeout).await,
                }
            };
            let served = tokio::select! {
                biased;
                served = &mut connection => served,
                () = watchdog.bites() => {
                    tracing::info!("a client did not take its answer by the deadline; its connection is ended");
                    return;
                }
                () = silence => return,
            };
            if let Err(error) = served {
                tracing::debug!(error = &*error, "a client's connection ended early");
            }
            drop((place, share, load, counted));
        }
    }
}
