//! The program itself, as an operator runs it: what it logs, what it needs, and how it leaves.

use std::{
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::{
    harness::{Bridge, CHAT, scripted, within},
    http::{Answer, Connection, KEY, Request},
};

/// `foxbridge serve` in front of an upstream; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Where it answers supervisors, if it was told to.
    pub(crate) admin: Option<SocketAddr>,
    /// Everything that it has logged, line by line.
    log: Log,
    logging: JoinHandle<()>,
}

/// What a process has logged, at every level. Whatever a test does to a process, the key of its client is not in it.
struct Log(Arc<Mutex<Vec<String>>>);

impl Drop for Log {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let log = self.0.lock().unwrap();
            let told = log.iter().find(|line| line.contains(&KEY[3..]));
            assert_eq!(told, None, "a key in the log");
        }
    }
}

impl Process {
    pub(crate) async fn start(bridge: &Bridge, settings: &[&str]) -> Self {
        Self::start_at(bridge, "127.0.0.1:0", settings).await
    }

    pub(crate) async fn start_at(bridge: &Bridge, listen: &str, settings: &[&str]) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_foxbridge"));
        Self::start_program(program, bridge, listen, settings).await
    }

    /// Starts with `program`, whose arguments so far end where foxbridge's begin.
    pub(crate) async fn start_program(
        program: Command,
        bridge: &Bridge,
        listen: &str,
        settings: &[&str],
    ) -> Self {
        let settings = [&["log.level=trace"], settings].concat();
        Self::run_at(program, listen, &bridge.simulator.base_url(), &settings).await
    }

    pub(crate) async fn run(program: Command, upstream: &str, settings: &[&str]) -> Self {
        Self::run_at(program, "127.0.0.1:0", upstream, settings).await
    }

    async fn run_at(mut program: Command, listen: &str, upstream: &str, settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = program
            .args(["serve", "--listen", listen, "--log-format", "json"])
            .args(["--upstream", upstream])
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .current_dir(&folder)
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (address, admin) = within("it says where it listens", async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it runs");
                let event: serde_json::Value =
                    serde_json::from_str(&line).unwrap_or_else(|_| panic!("it says: {line}"));
                if let Some(address) = event["listen"].as_str() {
                    let admin = event["admin"].as_str().map(|admin| admin.parse().unwrap());
                    return (address.parse().unwrap(), admin);
                }
            }
        })
        .await;
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = log.clone();
        let logging = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap().push(line);
            }
        });
        Self {
            child,
            address,
            admin,
            log: Log(log),
            logging,
        }
    }

    pub(crate) async fn ask(&self, request: &Request) -> Answer {
        let mut connection = Connection::open(self.address).await;
        connection.send(&request.to_bytes()).await;
        connection.answer().await
    }

    /// What a supervisor is told.
    pub(crate) async fn supervise(&self, path: &str) -> Answer {
        let mut connection = Connection::open(self.admin.expect("an admin address")).await;
        connection.send(&Request::get(path).to_bytes()).await;
        let answer = connection.answer().await;
        assert!(!answer.text().contains(&KEY[3..]), "a key in {path}");
        answer
    }

    pub(crate) async fn is_draining(&self) {
        within("it says that it drains", async {
            while self.supervise("/readyz").await.status() == 200 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// The first line that has all of these words, once it is there.
    pub(crate) async fn logs(&self, words: &[&str]) -> Value {
        let has_all = |line: &&String| words.iter().all(|word| line.contains(word));
        within("a line of the log", async {
            loop {
                let line = self.log.0.lock().unwrap().iter().find(has_all).cloned();
                match line {
                    Some(line) => return serde_json::from_str(&line).unwrap(),
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        })
        .await
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// `kill -9`: nothing is finished, nothing is written any more.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) async fn terminate(&self) {
        let id = self.child.id().expect("it runs").to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(status.unwrap().success());
    }

    /// Its exit status and everything that it logged, once it has left by itself.
    pub(crate) async fn left(mut self) -> (ExitStatus, String) {
        let status = within("it leaves", self.child.wait()).await.unwrap();
        within("its log ends", self.logging).await.unwrap();
        let log = self.log.0.lock().unwrap().join("\n");
        (status, log)
    }

    /// The most memory that it ever held, in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory(&self) -> u64 {
        let id = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|peak| peak.trim().strip_suffix(" kB"))
            .expect("VmHWM");
        peak.parse::<u64>().unwrap() * 1024
    }
}

#[tokio::test]
async fn the_limit_of_open_files_is_raised_as_far_as_it_goes() {
    let bridge = Bridge::start().await;
    // Forty connections need more than 30 files, and 600 are enough for all that these settings allow.
    let settings = ["server.max_in_flight=40", "server.max_connections=60"];
    for (hard, is_low) in [(600, false), (400, true)] {
        let mut shell = Command::new("sh");
        let script = format!(
            "ulimit -Sn 30 && ulimit -Hn {hard} && exec {} \"$@\"",
            env!("CARGO_BIN_EXE_foxbridge")
        );
        shell.args(["-c", &script, "sh"]);
        let process = Process::run(shell, &bridge.simulator.base_url(), &settings).await;
        let mut idle = Vec::new();
        for _ in 0..40 {
            idle.push(Connection::open(process.address).await);
        }
        assert_eq!(process.ask(&Request::chat(CHAT)).await.status(), 200);
        process.terminate().await;
        let (_, log) = process.left().await;
        let warning = format!("at most {hard} files may be open");
        assert_eq!(log.contains(&warning), is_low, "{log}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_counted_in_the_requests_line() {
    let bridge = Bridge::start().await;
    let process = Process::start(&bridge, &["models.wait=gpt-*=stream"]).await;
    for (stream, script) in [
        (true, "words=3 frame=malformed"),
        (false, "words=3 frame=malformed"),
        (true, "words=3"),
    ] {
        let answer = process.ask(&scripted(script, stream)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let id = answer.head.header("x-request-id").unwrap();
        let line = process.logs(&[id, "\"answered\""]).await;
        let count = line["malformed"].as_u64();
        assert_eq!(count.is_some(), script.contains("malformed"), "{line}");
        assert!(count.is_none_or(|count| count > 0), "{line}");
    }
    let mut connection = Connection::open(process.address).await;
    let request = scripted("words=9 frame=malformed stream=stall@6x*", true);
    connection.send(&request.to_bytes()).await;
    assert_eq!(connection.head().await.status, 200);
    connection
        .read_until(|text| text.matches("data: ").count() > 5)
        .await;
    drop(connection);
    let line = process.logs(&["\"the client left\""]).await;
    assert!(line["malformed"].as_u64() > Some(0), "{line}");
}

#[tokio::test]
async fn an_orphans_end_is_logged() {
    let bridge = Bridge::start().await;
    for (script, outcome) in [
        ("first-chunk=500ms", "completed"),
        ("first-chunk=500ms task=failed", "failed"),
        ("task=stuck", "still running"),
        ("task=stuck first-chunk=1ms", "stopped"),
    ] {
        let grace = match outcome {
            "still running" => "task.orphan_grace=300ms",
            _ => "task.orphan_grace=1h",
        };
        let settings = ["task.orphan=finish", "task.poll_first=20ms", grace];
        let process = Process::start(&bridge, &settings).await;
        let before = bridge.journal().queries;
        let mut connection = Connection::open(process.address).await;
        connection.send(&scripted(script, false).to_bytes()).await;
        bridge
            .until("a query", |journal| journal.queries > before)
            .await;
        drop(connection);
        let left = process.logs(&["\"the client left\""]).await;
        if outcome == "stopped" {
            process.terminate().await;
        }
        let line = process.logs(&["followed on"]).await;
        assert_eq!(
            (&line["outcome"], &line["level"]),
            (&json!(outcome), &json!("INFO"))
        );
        assert!(
            line["task"].as_str().unwrap().starts_with("task-"),
            "{line}"
        );
        assert_ne!(left, line);
    }
}

#[tokio::test]
async fn no_key_is_in_the_log_at_any_level() {
    let configured = "sk-configured-5b0e44d7aa";
    let bridge = Bridge::start().await;
    let setting = format!("upstream.api_key={configured}");
    for settings in [vec![], vec![setting.as_str()]] {
        let process = Process::start(&bridge, &settings).await;
        for script in [
            "words=3",
            "submit=401x*",
            "submit=resetx*",
            "query=403x*",
            "task=failed",
        ] {
            for stream in [false, true] {
                process.ask(&scripted(script, stream)).await;
            }
        }
        process.ask(&Request::get("/v1/models")).await;
        process.terminate().await;
        let (status, log) = process.left().await;
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(
            log.contains("/v1/chat/completions"),
            "requests are logged: {log}"
        );
        for key in [KEY, configured] {
            assert!(!log.contains(&key[3..]), "{key} is in the log");
        }
    }
}
