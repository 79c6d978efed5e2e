use std::{io, net::IpAddr, sync::Arc, time::Duration};

use hyper_util::server::graceful::GracefulShutdown;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{
    App, Current, Renewal,
    addresses::Addresses,
    connection::Admitted,
    crew::{Crew, Habits},
    slots::Unwelcome,
};

/// When the process has no file descriptors left, accepting again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections beyond `server.max_connections`, or beyond the share of their address, that are told so. Those beyond these are closed without a word.
pub const SURPLUS_CONNECTIONS: usize = 256;
/// How long the errors that end the last requests may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What serves clients, ready to begin.
pub struct Front {
    current: Current,
    crew: Crew,
}

impl Front {
    /// Starts the threads that will serve, each with these habits.
    ///
    /// # Errors
    /// When the operating system gives no more threads or files.
    pub fn new(app: Arc<App>, habits: Habits) -> io::Result<Self> {
        let current = Current::new(app);
        let crew = Crew::muster(&current, habits)?;
        Ok(Self { current, crew })
    }

    /// What requests are served with.
    pub fn current(&self) -> &Current {
        &self.current
    }

    /// By which it can be given other settings.
    pub fn renewal(&self) -> Renewal {
        Renewal {
            base: self.current.clone(),
            threads: self.crew.currents(),
        }
    }

    /// Serves clients until `stop` resolves. From then on [`App::draining`] has begun; `server.drain_delay` later
    /// nothing more is accepted, and requests in flight may finish within `server.shutdown_grace`. What is still running
    /// after that ends with an error that says so.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let Self { current, crew } = self;
        let app = current.get();
        let door = Door::new(&app, crew);
        let stop = async {
            stop.await;
            app.draining.begin();
            sleep(current.get().settings.drain_delay).await;
        };
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut stop => break,
            };
            match accepted {
                Ok((stream, from)) => door.open(stream, from.ip()),
                Err(error) => pause(&error).await,
            }
        }

        drop(listener);
        let Door {
            crew, connections, ..
        } = door;
        let grace = current.get().settings.shutdown_grace;
        tracing::info!(
            requests = app.slots.taken(),
            ?grace,
            "stopping: no new connections, requests in flight may finish"
        );
        // Nobody waits for them, so nobody waits for their end either.
        app.relay.orphans.stop().await;
        // Also a submit that goes on without its client is waited for: its task is still to be noted.
        let all_done = async { tokio::join!(connections.shutdown(), app.slots.all_free()) };
        tokio::pin!(all_done);
        if timeout(grace, &mut all_done).await.is_err() {
            tracing::warn!("the grace is over: requests still in flight end with an error");
            app.relay.stop.cancel();
            // Whoever does not even take the error is left behind.
            let _ = timeout(LAST_WORDS, all_done).await;
        }
        drop(crew);
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
    crew: Crew,
    connections: GracefulShutdown,
    room: Arc<Semaphore>,
    surplus: Arc<Semaphore>,
    /// `None` where an address may have as many connections as there are.
    addresses: Option<Addresses>,
}

impl Door {
    fn new(app: &App, crew: Crew) -> Self {
        Self {
            crew,
            connections: GracefulShutdown::new(),
            room: Arc::new(Semaphore::new(app.settings.max_connections)),
            surplus: Arc::new(Semaphore::new(SURPLUS_CONNECTIONS)),
            addresses: match app.settings.max_connections_per_address {
                0 => None,
                most => Some(Addresses::new(most)),
            },
        }
    }

    fn open(&self, stream: TcpStream, from: IpAddr) {
        // A chunk must not wait for the acknowledgement of the chunk before it.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a client's connection refused TCP_NODELAY");
        }
        match self.admitted(from) {
            Some(admitted) => self.crew.serve(stream, admitted),
            None => tracing::debug!("a connection was closed at once: there are far too many"),
        }
    }

    fn admitted(&self, from: IpAddr) -> Option<Admitted> {
        let share = self.addresses.as_ref().map(|all| all.take(from));
        let room = match share {
            Some(None) => Err(Unwelcome::TooManyOfAddress),
            _ => (self.room.clone().try_acquire_owned()).map_err(|_| Unwelcome::TooMany),
        };
        let unwelcome = room.as_ref().err().copied();
        let place = match room {
            Ok(place) => place,
            Err(_) => self.surplus.clone().try_acquire_owned().ok()?,
        };
        Some(Admitted {
            place,
            share: share.flatten(),
            unwelcome,
            watcher: self.connections.watcher(),
            load: None,
        })
    }
}
