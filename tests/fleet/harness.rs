//! Replicas as an operator runs them, in front of one simulated FoxAPI and beside one Redis.

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use foxbridge::simulator::{self, Journal, Simulator};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::sleep,
};

use crate::{
    http::{Answer, Connection, KEY, Request},
    server::Redis,
};

/// The bound on everything that happens in its own time: only a hang comes near it, on any machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for what must happen, and says what it was when it does not.
pub(crate) async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, happens)
        .await
        .unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// Waits until something is so that happens elsewhere.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !is_so().await {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Two replicas, or as many as are started.
pub(crate) struct Fleet {
    pub(crate) replicas: Vec<Replica>,
    pub(crate) redis: Redis,
    pub(crate) simulator: Arc<Simulator>,
    next: AtomicUsize,
}

impl Fleet {
    /// Two replicas with these settings beside those of tests: only a server that is really away is taken for it.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        Self::beside(Redis::start(), settings).await
    }

    pub(crate) async fn beside(redis: Redis, settings: &[&str]) -> Self {
        let simulator = Simulator::start(simulator::Settings::instant())
            .await
            .unwrap();
        let mut fleet = Self {
            replicas: Vec::new(),
            redis,
            simulator: Arc::new(simulator),
            next: AtomicUsize::new(0),
        };
        for _ in 0..2 {
            fleet.join(settings).await;
        }
        fleet
    }

    /// One replica more.
    pub(crate) async fn join(&mut self, settings: &[&str]) {
        let store = self.redis.setting();
        let usual = [&store, "ledger.redis_timeout=20s"];
        let settings = [&usual, settings].concat();
        let replica = Replica::start(&self.simulator.base_url(), &settings).await;
        self.replicas.push(replica);
    }

    /// One replica after the other.
    pub(crate) async fn ask(&self, request: &Request) -> Answer {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.replicas[next % self.replicas.len()].ask(request).await
    }

    pub(crate) fn journal(&self) -> Journal {
        self.simulator.journal()
    }

    pub(crate) async fn until(&self, what: &str, seen: impl Fn(&Journal) -> bool) {
        within(what, self.simulator.journal_when(seen)).await;
    }

    /// Waits until every replica has heard that Redis is there, or is not.
    pub(crate) async fn redis_is(&self, is_up: bool) {
        for replica in &self.replicas {
            replica.redis_is(is_up).await;
        }
    }
}

/// `foxbridge serve`; killed when dropped.
pub(crate) struct Replica {
    child: Option<Child>,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

impl Replica {
    pub(crate) async fn start(upstream: &str, settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let usual = [
            "admin.listen=127.0.0.1:0",
            "log.level=debug",
            "task.poll_first=5ms",
        ];
        let mut child = Command::new(env!("CARGO_BIN_EXE_foxbridge"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
            .args(["--upstream", upstream])
            .args(
                usual
                    .iter()
                    .chain(settings)
                    .flat_map(|setting| ["--set", setting]),
            )
            .current_dir(&folder)
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (mut log, mut listening) = (Vec::new(), None);
        within("it says where it listens", async {
            while listening.is_none() {
                let line = lines.next_line().await.unwrap();
                let line = line.unwrap_or_else(|| panic!("it does not start: {log:#?}"));
                let event: Value = serde_json::from_str(&line).unwrap_or_default();
                let address = |name: &str| event[name].as_str()?.parse::<SocketAddr>().ok();
                listening = address("listen").zip(address("admin"));
                log.push(line);
            }
        })
        .await;
        let (address, admin) = listening.unwrap();
        let log = Arc::new(Mutex::new(log));
        let kept = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap().push(line);
            }
        });
        Self {
            child: Some(child),
            address,
            admin,
            log,
        }
    }

    pub(crate) async fn ask(&self, request: &Request) -> Answer {
        let mut connection = self.send(request).await;
        connection.answer().await
    }

    /// Sends a request, whose answer is for the caller to wait for or to leave.
    pub(crate) async fn send(&self, request: &Request) -> Connection {
        let mut connection = Connection::open(self.address).await;
        connection.send(&request.to_bytes()).await;
        connection
    }

    /// What a supervisor is told.
    pub(crate) async fn supervise(&self, path: &str) -> Answer {
        let mut connection = Connection::open(self.admin).await;
        connection.send(&Request::get(path).to_bytes()).await;
        let answer = connection.answer().await;
        assert!(!answer.text().contains(&KEY[3..]), "a key in {path}");
        answer
    }

    /// The value of a metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let answer = self.supervise("/metrics").await;
        let line = answer
            .text()
            .lines()
            .find_map(|line| line.strip_prefix(name));
        let value = line.unwrap_or_else(|| panic!("no {name} in {}", answer.text()));
        value.trim().parse().unwrap()
    }

    pub(crate) async fn redis_is(&self, is_up: bool) {
        let wanted = f64::from(u8::from(is_up));
        until("what is known of Redis", async || {
            self.metric("foxbridge_ledger_shared_up").await == wanted
        })
        .await;
    }

    /// Waits until nothing waits to be written to Redis.
    pub(crate) async fn has_told(&self) {
        until("Redis has been told", async || {
            self.metric("foxbridge_ledger_shared_waiting").await == 0.0
        })
        .await;
    }

    /// Waits for a line of the log that has all of these words.
    pub(crate) async fn logs(&self, words: &[&str]) -> String {
        let has_all = |line: &&String| words.iter().all(|word| line.contains(word));
        within(&format!("{words:?} in the log"), async {
            loop {
                let line = self.log.lock().unwrap().iter().find(has_all).cloned();
                match line {
                    Some(line) => return line,
                    None => sleep(Duration::from_millis(10)).await,
                }
            }
        })
        .await
    }

    /// `-STOP` or `-CONT`.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.as_ref().and_then(Child::id).unwrap();
        let status = std::process::Command::new("kill")
            .args([signal, &id.to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.unwrap();
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let log = self.log.lock().unwrap();
        if std::thread::panicking() {
            let shown = log
                .iter()
                .filter(|line| !line.contains("\"level\":\"DEBUG\""));
            eprintln!("{:#?}", shown.collect::<Vec<_>>());
            return;
        }
        let told = log
            .iter()
            .find(|line| line.contains(&KEY[3..]) || line.contains("panicked"));
        assert_eq!(told, None, "a key in the log, or a panic");
    }
}

/// A request whose text tells the simulator how to behave.
pub(crate) fn scripted(script: &str, stream: bool) -> Request {
    let text = format!("count 1 to 3 [[fox: {script}]]");
    let messages = json!([{ "role": "user", "content": text }]);
    let body = json!({ "model": "gpt-5.5", "messages": messages, "stream": stream });
    Request::chat(body.to_string())
}

/// As the official SDKs mark their second attempt.
pub(crate) fn again(request: &Request) -> Request {
    request.clone().with("x-stainless-retry-count", "1")
}
