//! A proxy and a simulated FoxAPI in this process, on real sockets.

use std::{
    cell::RefCell,
    net::SocketAddr,
    panic,
    sync::{Arc, Once},
    thread,
    time::Duration,
};

use foxbridge::{
    config::{self, Config, Sources},
    run,
    simulator::{self, Journal, Simulator},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::http::{Answer, Connection, Request};

/// The bound on everything that happens in its own time: only a hang comes near it, on any machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A proxy in front of a simulator of its own.
pub(crate) struct Bridge {
    // Dropped first, so that the proxy never sees its upstream vanish.
    pub(crate) proxy: Proxy,
    pub(crate) simulator: Arc<Simulator>,
}

impl Bridge {
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// Starts with settings changed from those of [`config`].
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::of(simulator::Settings::instant(), change).await
    }

    /// The same with a simulator of another kind.
    pub(crate) async fn of(
        settings: simulator::Settings,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let simulator = Arc::new(Simulator::start(settings).await.unwrap());
        let proxy = Proxy::start(&simulator.base_url(), change).await;
        Self { proxy, simulator }
    }

    pub(crate) fn journal(&self) -> Journal {
        self.simulator.journal()
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: &Request) -> Answer {
        self.proxy.ask(request).await
    }

    pub(crate) async fn open(&self) -> Connection {
        Connection::open(self.proxy.address).await
    }

    /// Waits until the simulator has seen what `seen` looks for.
    pub(crate) async fn until(&self, what: &str, seen: impl Fn(&Journal) -> bool) {
        within(what, self.simulator.journal_when(seen)).await;
    }

    /// The bytes of the last submit that the simulator received.
    pub(crate) fn last_submission(&self) -> String {
        let requests = self.journal().requests;
        let submit = requests
            .iter()
            .rfind(|request| request.path == foxbridge::fox::paths::GENERATIONS)
            .expect("a submit");
        String::from_utf8(submit.body.to_vec()).unwrap()
    }

    /// A plain question is answered: whatever came before did no harm.
    pub(crate) async fn assert_serves(&self) {
        let answer = self.ask(&Request::chat(CHAT)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if !thread::panicking() {
            assert_eq!(self.journal().panics, 0, "the simulator panicked");
        }
    }
}

/// A plain question, not streaming.
pub(crate) const CHAT: &str =
    r#"{"model":"gpt-5.5","messages":[{"role":"user","content":"count 1 to 3"}]}"#;

/// A request whose text tells the simulator how to behave.
pub(crate) fn scripted(script: &str, stream: bool) -> Request {
    let text = format!("count 1 to 3 [[fox: {script}]]");
    let messages = serde_json::json!([{ "role": "user", "content": text }]);
    let body = serde_json::json!({ "model": "gpt-5.5", "messages": messages, "stream": stream });
    Request::chat(body.to_string())
}

/// A proxy that is stopped when dropped; a panic anywhere in it fails the test.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    serving: Option<JoinHandle<Result<(), run::StartError>>>,
}

impl Proxy {
    pub(crate) async fn start(upstream: &str, change: impl FnOnce(&mut Config)) -> Self {
        watch_panics();
        let mut config = config(upstream);
        change(&mut config);
        let listener = TcpListener::bind(config.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let serving = tokio::spawn(run::serve(config, listener, stopped));
        Self {
            address,
            stop,
            serving: Some(serving),
        }
    }

    pub(crate) async fn ask(&self, request: &Request) -> Answer {
        let mut connection = Connection::open(self.address).await;
        connection.send(&request.to_bytes()).await;
        connection.answer().await
    }

    /// Asks for the stop that SIGTERM asks for.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    /// Resolves when nothing is served any more.
    pub(crate) async fn stopped(&mut self) {
        let serving = self.serving.take().expect("stopped once");
        within("the proxy stops", serving).await.unwrap().unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
        if !thread::panicking() {
            let panics = PANICS.take();
            assert!(panics.is_empty(), "panicked while serving: {panics:?}");
        }
    }
}

thread_local! {
    /// Everything that a test starts runs on the thread of its own single-threaded runtime, so a panic seen on this
    /// thread while the test itself goes on is one that a task has swallowed.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn watch_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            PANICS.with_borrow_mut(|panics| panics.push(panic.to_string()));
            previous(panic);
        }));
    });
}

/// The defaults with short waits and wide bounds: tests end soon when all is well, and fail late when the machine is
/// merely slow.
fn config(upstream: &str) -> Config {
    let mut config = config::load(&Sources::default()).unwrap().config;
    config.listen.set_port(0);
    config.upstream.base_url = upstream.parse().unwrap();
    config.upstream.models_cache = Duration::ZERO;
    // Most tests are about failures, one after the other.
    config.upstream.breaker = None;
    config.task.deadline = Duration::from_secs(50);
    config.task.poll_first = Duration::from_millis(5);
    config.task.poll_max = Duration::from_millis(50);
    config.task.results_grace = Duration::from_secs(2);
    config.task.submit_retries = 0;
    // On the test's own thread, where a panic is seen.
    config.server.threads = 0;
    config.server.max_body = 1 << 20;
    config
}

/// Waits for what must happen, and says what it was when it does not.
pub(crate) async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, happens)
        .await
        .unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

#[tokio::test]
async fn a_panic_that_a_task_swallows_is_seen() {
    watch_panics();
    let task = tokio::spawn(async { panic!("planted") });
    assert!(task.await.is_err());
    let panics = PANICS.take();
    assert!(
        panics.len() == 1 && panics[0].contains("planted"),
        "{panics:?}"
    );
}
