//! The program itself, as an operator runs it: what it logs, how much memory it takes, and how it leaves.

use std::{
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::{
    events::Events,
    harness::{Bridge, CHAT, scripted, within},
    http::{Answer, Connection, KEY, Request},
};

/// `foxbridge serve` in front of a bridge's simulator; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Everything that it has logged, line by line.
    log: Arc<Mutex<Vec<String>>>,
    logging: JoinHandle<()>,
}

impl Process {
    async fn start(bridge: &Bridge, settings: &[&str]) -> Self {
        Self::start_at(bridge, "127.0.0.1:0", settings).await
    }

    pub(crate) async fn start_at(bridge: &Bridge, listen: &str, settings: &[&str]) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_foxbridge"));
        Self::start_program(program, bridge, listen, settings).await
    }

    /// Starts with `program`, which must become foxbridge.
    pub(crate) async fn start_program(
        mut program: Command,
        bridge: &Bridge,
        listen: &str,
        settings: &[&str],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = program
            .args(["serve", "--listen", listen, "--log-format", "json"])
            .args([
                "--log-level",
                "trace",
                "--upstream",
                &bridge.simulator.base_url(),
            ])
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .current_dir(&folder)
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = within("it says where it listens", async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it runs");
                let event: serde_json::Value = serde_json::from_str(&line).unwrap();
                if let Some(address) = event["listen"].as_str() {
                    return address.parse().unwrap();
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
            log,
            logging,
        }
    }

    pub(crate) async fn ask(&self, request: &Request) -> Answer {
        let mut connection = Connection::open(self.address).await;
        connection.send(&request.to_bytes()).await;
        connection.answer().await
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
        let log = self.log.lock().unwrap().join("\n");
        (status, log)
    }

    /// The most memory that it ever held, in bytes.
    #[cfg(target_os = "linux")]
    fn peak_memory(&self) -> u64 {
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
async fn sigterm_finishes_the_stream_and_leaves_with_0() {
    let bridge = Bridge::start().await;
    let process = Process::start(&bridge, &[]).await;
    let mut connection = Connection::open(process.address).await;
    let request = scripted("words=9 stream=stall@3:1s", true);
    connection.send(&request.to_bytes()).await;
    let head = connection.head().await;
    let early = connection.read_until(|text| text.contains("data: ")).await;
    process.terminate().await;
    let (rest, ending) = connection.rest().await;
    let body = [early.into_bytes(), rest].concat();
    assert!(Events::chunks(&Answer { head, body, ending }).len() > 3);
    let (status, _) = process.left().await;
    assert_eq!(status.code(), Some(0));
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

#[cfg(target_os = "linux")]
#[tokio::test]
async fn memory_is_bounded_whatever_is_sent() {
    let bridge = Bridge::start().await;
    let process = Process::start(&bridge, &["server.max_body=1MiB"]).await;
    assert_eq!(process.ask(&Request::chat(CHAT)).await.status(), 200);
    let before = process.peak_memory();
    let megabyte = || [b"100000\r\n".as_slice(), &[b'['; 1 << 20], b"\r\n"].concat();
    let endless = Request::chat("")
        .without("content-length")
        .with("Transfer-Encoding", "chunked");
    let mut senders = Vec::new();
    for _ in 0..16 {
        let mut connection = Connection::open(process.address).await;
        connection.send(&endless.head()).await;
        connection.send_in_background(std::iter::repeat_with(megabyte).take(50));
        senders.push(connection);
    }
    for sender in &mut senders {
        assert_eq!(sender.answer().await.status(), 413);
    }
    let deep = format!("{{\"x\":{}", "[".repeat(1_000_000));
    assert_eq!(process.ask(&Request::chat(deep)).await.status(), 400);
    // Sixteen times 50 MB came, of which each connection may hold its one permitted megabyte and what is in flight.
    let growth = process.peak_memory() - before;
    assert!(growth < 64 << 20, "grew by {growth} bytes");
}
