//! The list as a file: what is told of it, and what becomes of it while foxbridge serves.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use foxbridge::simulator::Journal;
use tokio::{process::Command, time::sleep};

use super::{MAIN, SPARE, keys_of, scripts, submitted_with};
use crate::{
    harness::{Bridge, CHAT, scripted, within},
    http::{Connection, Ending, Request},
    process::Process,
};

fn listed(keys: &[(&str, &str)]) -> String {
    let entry =
        |(name, key): &(&str, &str)| format!("[[key]]\nname = \"{name}\"\nkey = \"{key}\"\n");
    keys.iter().map(entry).collect()
}

/// The program with a list of keys in a folder of its own.
struct Running {
    folder: tempfile::TempDir,
    bridge: Bridge,
    process: Arc<Process>,
}

impl Running {
    async fn new(bridge: Bridge, keys: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.toml");
        fs::write(&file, keys).unwrap();
        let settings = [
            "log.level=trace".to_owned(),
            "admin.listen=127.0.0.1:0".to_owned(),
            "server.threads=2".to_owned(),
            format!("upstream.keys_file={}", file.display()),
        ];
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        // A folder that is there as long as the program, so that it can be watched.
        let config = folder.path().join("proxy.toml");
        fs::write(&config, "").unwrap();
        let mut program = Command::new("sh");
        let script = format!("exec \"$0\" \"$@\" --config {}", config.display());
        program.args(["-c", &script, env!("CARGO_BIN_EXE_foxbridge")]);
        let process = Process::run(program, &bridge.simulator.base_url(), &settings).await;
        Self {
            folder,
            bridge,
            process: Arc::new(process),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("keys.toml")
    }

    async fn metrics(&self) -> String {
        self.process.supervise("/metrics").await.text().to_owned()
    }

    async fn until_metric(&self, line: &str) {
        within(line, async {
            while !self.metrics().await.lines().any(|other| other == line) {
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn keys_are_told_by_their_names_and_never_by_their_values() {
    let quoting = "sk-invalid-77e1c0aa";
    let bridge = Bridge::of(scripts(&[(MAIN, "submit=429x* retry-after=30")]), |_| ()).await;
    let keys = listed(&[("main", MAIN), ("spare", SPARE), ("revoked", quoting)]);
    let running = Running::new(bridge, &keys).await;
    let mut told = String::new();
    for script in ["words=3", "submit=500x*", "task=failed", "query=401x*"] {
        for stream in [false, true] {
            told += running.process.ask(&scripted(script, stream)).await.text();
        }
    }
    told += running
        .process
        .ask(&Request::get("/v1/models"))
        .await
        .text();
    let metrics = running.metrics().await;
    for line in [
        r#"foxbridge_upstream_key_submits_total{key="main",outcome="status_429"} 1"#,
        r#"foxbridge_upstream_key_submits_total{key="revoked",outcome="status_401"} 1"#,
        r#"foxbridge_upstream_key_resting{key="main"} 1"#,
        r#"foxbridge_upstream_key_resting{key="spare"} 0"#,
        r#"foxbridge_upstream_key_resting{key="revoked"} 1"#,
    ] {
        assert!(
            metrics.lines().any(|other| other == line),
            "{line}: {metrics}"
        );
    }
    assert!(metrics.contains(r#"_submits_total{key="spare",outcome="accepted"}"#));
    assert!(metrics.contains(r#"_submits_total{key="spare",outcome="failed"}"#));
    let line = running.process.logs(&["was refused and is not used"]).await;
    assert_eq!(
        (&line["level"], &line["upstream_key"]),
        (&"WARN".into(), &"main".into())
    );
    running.process.terminate().await;
    let process = Arc::into_inner(running.process).unwrap();
    let (_, log) = process.left().await;
    for (about, text) in [("log", log), ("metrics", metrics), ("answers", told)] {
        for key in [MAIN, SPARE, quoting] {
            assert!(!text.contains(&key[3..]), "{about} tells {key}: {text}");
        }
    }
}

#[tokio::test]
async fn the_list_is_swapped_under_load() {
    let running = Running::new(Bridge::start().await, &listed(&[("main", MAIN)])).await;
    let (is_over, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients: Vec<_> = (0..6)
        .map(|number| {
            let (process, is_over, asked) =
                (running.process.clone(), is_over.clone(), asked.clone());
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = process.ask(&scripted("words=3", number % 2 == 0)).await;
                    assert_eq!((answer.status(), answer.ending), (200, Ending::Whole));
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let used = async |key: &str| {
        let before = running.bridge.journal().submits;
        running
            .bridge
            .until("the key is used", |journal| {
                let recent = submitted_with(journal);
                journal.submits > before && recent.last().is_some_and(|last| last == key)
            })
            .await;
    };
    used(MAIN).await;
    fs::write(running.file(), listed(&[("spare", SPARE)])).unwrap();
    used(SPARE).await;
    fs::write(running.file(), listed(&[("main", MAIN), ("spare", SPARE)])).unwrap();
    used(MAIN).await;
    is_over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let journal = running.bridge.journal();
    assert_eq!(journal.submits, journal.accepted);
    assert_eq!(journal.accepted, asked.load(Ordering::Relaxed) as u64);
}

#[tokio::test]
async fn a_faulty_list_keeps_the_old_one() {
    let running = Running::new(Bridge::start().await, &listed(&[("main", MAIN)])).await;
    let faulty = "[[key]]\nname = \"spare\"\nkey = \"sk a-secret\"\nweight = 0\n[[key]]\nname = \"sk-a-secret\"\n";
    fs::write(running.file(), faulty).unwrap();
    running
        .until_metric("foxbridge_config_last_reload_successful 0")
        .await;
    assert_eq!(
        running.process.ask(&Request::chat(CHAT)).await.status(),
        200
    );
    assert_eq!(submitted_with(&running.bridge.journal()), [MAIN]);
    let ready = running.process.supervise("/readyz").await;
    for words in [
        "not in force",
        "key 1 (\"spare\"): key",
        "weight = 0",
        "key 2: name",
    ] {
        assert!(ready.text().contains(words), "{words}: {}", ready.text());
    }
    assert!(!ready.text().contains("a-secret"), "{}", ready.text());
    fs::write(running.file(), listed(&[("spare", SPARE)])).unwrap();
    running
        .until_metric("foxbridge_config_last_reload_successful 1")
        .await;
    assert_eq!(
        running.process.ask(&Request::chat(CHAT)).await.status(),
        200
    );
    let sent = keys_of(&running.bridge.journal(), |_| true);
    assert_eq!(sent.last().map(String::as_str), Some(SPARE));
}

#[tokio::test]
async fn a_key_that_rests_does_so_in_the_next_list_too() {
    let bridge = Bridge::of(scripts(&[(MAIN, "submit=401")]), |_| ()).await;
    let running = Running::new(bridge, &listed(&[("main", MAIN), ("spare", SPARE)])).await;
    assert_eq!(
        running.process.ask(&Request::chat(CHAT)).await.status(),
        200
    );
    running
        .until_metric(r#"foxbridge_upstream_key_resting{key="main"} 1"#)
        .await;
    let other = "sk-other-9f3e00a1";
    fs::write(running.file(), listed(&[("main", MAIN), ("third", other)])).unwrap();
    running
        .until_metric(r#"foxbridge_upstream_key_resting{key="third"} 0"#)
        .await;
    for _ in 0..3 {
        assert_eq!(
            running.process.ask(&Request::chat(CHAT)).await.status(),
            200
        );
    }
    assert_eq!(
        submitted_with(&running.bridge.journal()),
        [MAIN, SPARE, other, other, other]
    );
    // Whoever puts another key under the name need not wait.
    fs::write(running.file(), listed(&[("main", SPARE)])).unwrap();
    running
        .until_metric(r#"foxbridge_upstream_key_resting{key="main"} 0"#)
        .await;
    assert_eq!(
        running.process.ask(&Request::chat(CHAT)).await.status(),
        200
    );
}

#[tokio::test]
async fn keys_that_were_all_refused_are_healed_by_a_new_file_and_an_empty_one_changes_nothing() {
    let invalid = listed(&[("main", "sk-invalid-1"), ("spare", "sk-invalid-2")]);
    let running = Running::new(Bridge::start().await, &invalid).await;
    for submits in [2, 2] {
        let answer = running.process.ask(&Request::chat(CHAT)).await;
        assert_eq!(answer.status(), 401, "{}", answer.text());
        assert_eq!(running.bridge.journal().submits, submits);
    }
    fs::write(running.file(), listed(&[("main", MAIN), ("spare", SPARE)])).unwrap();
    running
        .until_metric(r#"foxbridge_upstream_key_resting{key="main"} 0"#)
        .await;
    let is_served = async || {
        let answer = running.process.ask(&Request::chat(CHAT)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    };
    is_served().await;
    fs::write(running.file(), "").unwrap();
    running
        .until_metric("foxbridge_config_last_reload_successful 0")
        .await;
    let ready = running.process.supervise("/readyz").await;
    assert!(ready.text().contains("at least one [[key]] table"));
    is_served().await;
    let submitted = submitted_with(&running.bridge.journal());
    assert_eq!(submitted[2..], [MAIN, SPARE]);
}

#[tokio::test]
async fn a_task_is_asked_for_with_its_key_after_that_was_taken_out() {
    let running = Running::new(Bridge::start().await, &listed(&[("main", MAIN)])).await;
    let queries_by = |journal: &Journal, key: &str| {
        let asked = keys_of(journal, |path| path.starts_with("/v1/tasks/"));
        asked.iter().filter(|it| *it == key).count()
    };
    let mut connection = Connection::open(running.process.address).await;
    connection
        .send(&scripted("task=stuck", false).to_bytes())
        .await;
    running
        .bridge
        .until("a query", |journal| journal.queries > 0)
        .await;
    fs::write(running.file(), listed(&[("spare", SPARE)])).unwrap();
    running
        .until_metric(r#"foxbridge_upstream_key_resting{key="spare"} 0"#)
        .await;
    let before = queries_by(&running.bridge.journal(), MAIN);
    running
        .bridge
        .until("another query", |journal| {
            queries_by(journal, MAIN) > before
        })
        .await;
    assert_eq!(queries_by(&running.bridge.journal(), SPARE), 0);
    // Those that begin now have the new list.
    let answer = running.process.ask(&Request::chat(CHAT)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let submitted = submitted_with(&running.bridge.journal());
    assert_eq!(submitted, [MAIN, SPARE]);
}
