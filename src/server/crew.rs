use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use tokio::{
    net::TcpStream,
    runtime,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use super::{
    App, Current,
    connection::{Admitted, Server},
};

/// How many turns tasks may have before sockets and timers are looked at again. A task that is always ready has many, one
/// behind the other.
const EVENT_INTERVAL: u32 = 16;

/// Whoever serves the connections that were admitted.
///
/// A connection stays with one thread, and so does everything that is done for it: its requests, their upstream
/// connections, their timers. Nothing on the way of a request or a chunk goes from one thread to another.
pub(crate) enum Crew {
    /// The runtime that it is used on.
    Here(Current, Server),
    Threads(Vec<Hand>),
}

/// One thread, with a runtime and an [`App`] of its own.
pub(crate) struct Hand {
    current: Current,
    /// `None` when no more will come.
    connections: Option<UnboundedSender<Handed>>,
    /// How many it has.
    load: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

/// What a thread is to do besides serving.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// When it begins.
    pub begins: fn(),
    /// Each time that it has nothing more to do.
    pub rests: fn(),
}

/// A connection on its way to a thread.
struct Handed {
    socket: std::net::TcpStream,
    admitted: Admitted,
}

/// One connection of those that a thread has.
pub(super) struct Load(Arc<AtomicUsize>);

impl Crew {
    /// As many threads as `server.threads` says. With none, which only tests ask for, the connections are served on the
    /// runtime of whoever admits them.
    ///
    /// # Errors
    /// When the operating system gives no more threads or files.
    pub(crate) fn muster(current: &Current, habits: Habits) -> io::Result<Self> {
        let app = current.get();
        match app.settings.threads {
            0 => Ok(Self::Here(current.clone(), Server::new(&app.settings))),
            threads => (0..threads)
                .map(|_| Hand::new(app.for_another_thread(), habits))
                .collect::<io::Result<_>>()
                .map(Self::Threads),
        }
    }

    /// What each thread serves with.
    pub(crate) fn currents(&self) -> Vec<Current> {
        match self {
            Self::Here(..) => Vec::new(),
            Self::Threads(hands) => hands.iter().map(|hand| hand.current.clone()).collect(),
        }
    }

    /// Has a connection served by the thread that has the fewest.
    pub(crate) fn serve(&self, stream: TcpStream, admitted: Admitted) {
        match self {
            Self::Here(current, server) => {
                tokio::spawn(server.serve(current.clone(), stream, admitted));
            }
            Self::Threads(hands) => {
                let idlest = hands
                    .iter()
                    .filter(|hand| hand.is_at_work())
                    .min_by_key(|hand| hand.load.load(Ordering::Relaxed));
                match idlest {
                    Some(hand) => hand.take(stream, admitted),
                    None => tracing::error!("no thread is left to serve; restart foxbridge"),
                }
            }
        }
    }
}

impl Hand {
    fn new(app: App, habits: Habits) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(habits.rests)
            .event_interval(EVENT_INTERVAL)
            .build()?;
        let (connections, handed) = unbounded_channel();
        let current = Current::new(Arc::new(app));
        let own = current.clone();
        let thread = thread::Builder::new()
            .name("foxbridge-serve".into())
            .spawn(move || {
                (habits.begins)();
                runtime.block_on(serve_all(own, handed));
                // What was given up ends here; a name lookup that hangs does not hold up the exit.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            current,
            connections: Some(connections),
            load: Arc::default(),
            thread: Some(thread),
        })
    }

    /// Whether its thread takes connections: until the end, unless it has a defect.
    fn is_at_work(&self) -> bool {
        let connections = self.connections.as_ref();
        connections.is_some_and(|connections| !connections.is_closed())
    }

    fn take(&self, stream: TcpStream, mut admitted: Admitted) {
        // Only the runtime that waits for a socket may have it.
        let socket = match stream.into_std() {
            Ok(socket) => socket,
            Err(error) => return tracing::error!(%error, "a connection could not be handed on"),
        };
        self.load.fetch_add(1, Ordering::Relaxed);
        admitted.load = Some(Load(self.load.clone()));
        let handed = Handed { socket, admitted };
        if let Some(connections) = &self.connections {
            // Whether its thread is at work was just looked at.
            let _ = connections.send(handed);
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.connections = None;
        if let Some(thread) = self.thread.take() {
            // What made it panic has been told.
            let _ = thread.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves what is handed over, until no more will come.
async fn serve_all(current: Current, mut handed: UnboundedReceiver<Handed>) {
    let server = Server::new(&current.get().settings);
    while let Some(Handed { socket, admitted }) = handed.recv().await {
        match TcpStream::from_std(socket) {
            Ok(stream) => drop(tokio::spawn(server.serve(
                current.clone(),
                stream,
                admitted,
            ))),
            Err(error) => tracing::error!(%error, "a connection could not be handed on"),
        }
    }
}
