//! Settings that change while foxbridge serves: in force for the next request, without one that fails meanwhile.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::{process::Command, time::sleep};

use crate::{
    harness::{Bridge, CHAT, scripted, within},
    http::{Connection, Ending, Request},
    process::Process,
};

const ALIASED: &str = "[models.aliases]\nmine = \"gpt-5.5\"\n";

/// A folder with a configuration, and a proxy that has it.
struct Configured {
    folder: TempDir,
    bridge: Bridge,
}

impl Configured {
    async fn new() -> Self {
        let this = Self {
            folder: tempfile::tempdir().unwrap(),
            bridge: Bridge::start().await,
        };
        fs::write(this.path("proxy.toml"), "").unwrap();
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn start(&self) -> Process {
        self.start_with(&self.path("proxy.toml")).await
    }

    async fn start_with(&self, file: &Path) -> Process {
        let mut program = Command::new("sh");
        let script = format!("exec \"$0\" \"$@\" --config {}", file.display());
        program.args(["-c", &script, env!("CARGO_BIN_EXE_foxbridge")]);
        let upstream = self.bridge.simulator.base_url();
        Process::run(program, &upstream, &["admin.listen=127.0.0.1:0"]).await
    }
}

fn mine() -> Request {
    Request::chat(CHAT.replace("gpt-5.5", "mine"))
}

async fn until_status(process: &Process, request: impl Fn() -> Request, status: u16) {
    within("the new settings are in force", async {
        while process.ask(&request()).await.status() != status {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn metric(process: &Process, series: &str) -> f64 {
    let scrape = process.supervise("/metrics").await;
    let line = scrape
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(series));
    line.unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn a_changed_file_is_in_force_without_a_failed_request() {
    let configured = Configured::new().await;
    let process = Arc::new(configured.start().await);
    assert_eq!(process.ask(&mine()).await.status(), 404);
    let (is_over, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (process, is_over, asked) = (process.clone(), is_over.clone(), asked.clone());
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = process.ask(&scripted("words=3", number % 2 == 0)).await;
                    assert_eq!((answer.status(), answer.ending), (200, Ending::Whole));
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // A stream that began before goes on to its end, and a connection that was open is served with what is new.
    let mut kept = Connection::open(process.address).await;
    kept.send(&mine().to_bytes()).await;
    assert_eq!(kept.answer().await.status(), 404);
    let mut stream = Connection::open(process.address).await;
    stream
        .send(&scripted("words=40 chunk-interval=50ms", true).to_bytes())
        .await;
    assert_eq!(stream.head().await.status, 200);

    fs::write(configured.path("proxy.toml"), ALIASED).unwrap();
    until_status(&process, mine, 200).await;
    kept.send(&mine().to_bytes()).await;
    assert_eq!(kept.answer().await.status(), 200);
    fs::write(configured.path("proxy.toml"), "").unwrap();
    until_status(&process, mine, 404).await;
    let (rest, ending) = stream.rest().await;
    assert_eq!(ending, Ending::Whole);
    assert!(
        String::from_utf8(rest)
            .unwrap()
            .ends_with("data: [DONE]\n\n")
    );
    is_over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert!(asked.load(Ordering::Relaxed) > 50);
    let applied = r#"foxbridge_config_reloads_total{result="applied"}"#;
    assert!(metric(&process, applied).await >= 2.0);
}

#[tokio::test]
async fn a_faulty_file_changes_nothing_and_is_told_everywhere() {
    let configured = Configured::new().await;
    fs::write(configured.path("proxy.toml"), ALIASED).unwrap();
    let process = configured.start().await;
    let successful = "foxbridge_config_last_reload_successful";
    assert_eq!(metric(&process, successful).await, 1.0);
    let faulty =
        "[task]\ndeadline = \"soon\"\n[upstream]\napi_key = \"sk-a-secret\"\n[models]\nwrong = 1\n";
    fs::write(configured.path("proxy.toml"), faulty).unwrap();
    within("it is told", async {
        while metric(&process, successful).await == 1.0 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(process.ask(&mine()).await.status(), 200);
    let ready = process.supervise("/readyz").await;
    assert_eq!(ready.status(), 200, "it serves on");
    for word in ["not in force", "task.deadline", "models.wrong"] {
        assert!(ready.text().contains(word), "{word}: {}", ready.text());
    }
    assert!(!ready.text().contains("a-secret"));
    let refused = r#"foxbridge_config_reloads_total{result="refused"}"#;
    assert_eq!(metric(&process, refused).await, 1.0);
    fs::write(configured.path("proxy.toml"), ALIASED).unwrap();
    within("it is put right", async {
        while process.supervise("/readyz").await.text() != "ok\n" {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(metric(&process, successful).await, 1.0);
    process.terminate().await;
    let (_, log) = process.left().await;
    assert!(
        log.contains("faulty") && log.contains("task.deadline"),
        "{log}"
    );
    assert!(!log.contains("a-secret"));
}

#[tokio::test]
async fn a_config_map_is_swapped_by_its_link() {
    let configured = Configured::new().await;
    for (version, content) in [("..v1", ""), ("..v2", ALIASED)] {
        fs::create_dir(configured.path(version)).unwrap();
        fs::write(configured.path(version).join("mounted.toml"), content).unwrap();
    }
    symlink("..v1", configured.path("..data")).unwrap();
    symlink("..data/mounted.toml", configured.path("mounted.toml")).unwrap();
    let process = configured
        .start_with(&configured.path("mounted.toml"))
        .await;
    assert_eq!(process.ask(&mine()).await.status(), 404);
    symlink("..v2", configured.path("..new")).unwrap();
    fs::rename(configured.path("..new"), configured.path("..data")).unwrap();
    until_status(&process, mine, 200).await;
}

#[tokio::test]
async fn clients_keys_come_and_go() {
    let configured = Configured::new().await;
    let entry = |key: &str| {
        let digest = ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
        let hex: String = digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("[[key]]\nname = \"{key}\"\nhash = \"sha256:{hex}\"\n")
    };
    let keys = configured.path("keys.toml");
    fs::write(&keys, entry("client-key-one")).unwrap();
    let file = format!(
        "[upstream]\napi_key = \"sk-upstream-1234567890\"\n[server]\nkeys_file = \"{}\"\n",
        keys.display()
    );
    fs::write(configured.path("proxy.toml"), file).unwrap();
    let process = configured.start().await;
    let with = |key: &'static str| {
        move || {
            let request = Request::chat(CHAT).without("authorization");
            request.with("authorization", &format!("Bearer {key}"))
        }
    };
    assert_eq!(process.ask(&with("client-key-one")()).await.status(), 200);
    assert_eq!(process.ask(&with("client-key-two")()).await.status(), 401);
    fs::write(&keys, entry("client-key-two")).unwrap();
    until_status(&process, with("client-key-two"), 200).await;
    assert_eq!(process.ask(&with("client-key-one")()).await.status(), 401);
}

#[tokio::test]
async fn what_needs_a_restart_says_so() {
    let configured = Configured::new().await;
    let process = configured.start().await;
    let changed = "[server]\nmax_in_flight = 7\nmax_body = \"1KiB\"\n";
    fs::write(configured.path("proxy.toml"), changed).unwrap();
    let long = || Request::chat(CHAT.replace("count 1 to 3", &"x".repeat(2000)));
    until_status(&process, long, 413).await;
    process.terminate().await;
    let (_, log) = process.left().await;
    let told = |words: &[&str]| {
        log.lines()
            .any(|line| words.iter().all(|word| line.contains(word)))
    };
    assert!(told(&["server.max_in_flight", "restart"]), "{log}");
    assert!(told(&["server.max_body", "from now on"]), "{log}");
}
