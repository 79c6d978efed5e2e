//! A task is asked for with the key that bought it, whoever's turn it is meanwhile.

use foxbridge::fox::paths;
use serde_json::json;
use tokio::process::Command;

use super::{MAIN, SPARE, both, keys_of, submitted_with};
use crate::{
    harness::{Bridge, CHAT, scripted, within},
    http::{Answer, Connection, Request},
    process::Process,
    retries::again,
};

fn is_about_a_task(path: &str) -> bool {
    path.starts_with("/v1/tasks/") || path.ends_with("/stream")
}

/// Every call about a task went with the key that bought the only one there is.
fn assert_asked_by_the_buyer(bridge: &Bridge, least: usize) {
    let journal = bridge.journal();
    let buyers = submitted_with(&journal);
    assert_eq!((buyers.len(), journal.accepted), (1, 1));
    let asked = keys_of(&journal, is_about_a_task);
    assert!(asked.len() >= least, "{asked:?}");
    assert!(asked.iter().all(|key| *key == buyers[0]), "{asked:?}");
}

#[tokio::test]
async fn a_stream_is_resumed_with_the_key_that_bought_it() {
    let bridge = Bridge::with(both).await;
    let answer = bridge
        .ask(&scripted("words=9 stream=cut@3,cut@5 query=503", true))
        .await;
    assert!(answer.text().ends_with("data: [DONE]\n\n"));
    assert_asked_by_the_buyer(&bridge, 4);
}

#[tokio::test]
async fn a_request_that_is_sent_again_asks_with_the_key_that_bought() {
    for stream in [false, true] {
        let bridge = Bridge::with(both).await;
        let request = || scripted("words=5", stream).with("idempotency-key", "k");
        for _ in 0..4 {
            let answer = bridge.ask(&again(request())).await;
            assert_eq!(answer.status(), 200, "{}", answer.text());
        }
        assert_asked_by_the_buyer(&bridge, 4);
    }
}

fn response(body: &serde_json::Value) -> Request {
    Request::new("POST", "/v1/responses", body.to_string())
}

#[tokio::test]
async fn a_kept_response_is_asked_for_with_the_key_that_bought_it() {
    let bridge = Bridge::with(both).await;
    let made =
        json!({"model": "gpt-5.5", "input": "x [[fox: first-chunk=100ms]]", "background": true});
    let answer = bridge.ask(&response(&made)).await;
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let look = Request::get(&format!("/v1/responses/{id}"));
    within("it completes", async {
        while bridge.ask(&look).await.json()["status"] != "completed" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let streamed = Request::get(&format!("/v1/responses/{id}?stream=true"));
    assert!(
        bridge
            .ask(&streamed)
            .await
            .text()
            .contains("response.completed")
    );
    assert_asked_by_the_buyer(&bridge, 1);
}

/// A proxy with a ledger file and a list of keys.
struct Kept {
    folder: tempfile::TempDir,
    bridge: Bridge,
}

impl Kept {
    async fn start(&self, keys: &str) -> Process {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        std::fs::write(path("keys.toml"), keys).unwrap();
        let settings = [
            "log.level=trace".to_owned(),
            format!("ledger.store=file:{}", path("ledger.redb")),
            format!("upstream.keys_file={}", path("keys.toml")),
        ];
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let program = Command::new(env!("CARGO_BIN_EXE_foxbridge"));
        Process::run(program, &self.bridge.simulator.base_url(), &settings).await
    }
}

fn listed(keys: &[(&str, &str)]) -> String {
    let entry =
        |(name, key): &(&str, &str)| format!("[[key]]\nname = \"{name}\"\nkey = \"{key}\"\n");
    keys.iter().map(entry).collect()
}

/// Has a task bought, and leaves before its answer is there.
async fn buy(bridge: &Bridge, process: &Process, request: &Request) {
    let mut connection = Connection::open(process.address).await;
    connection.send(&request.to_bytes()).await;
    bridge.until("a task", |journal| journal.queries > 0).await;
}

#[tokio::test]
async fn who_bought_what_is_known_after_a_restart() {
    let kept = Kept {
        folder: tempfile::tempdir().unwrap(),
        bridge: Bridge::start().await,
    };
    let request = || scripted("first-chunk=300ms words=3", false).with("idempotency-key", "k");
    let process = kept
        .start(&listed(&[("main", MAIN), ("spare", SPARE)]))
        .await;
    buy(&kept.bridge, &process, &request()).await;
    process.terminate().await;
    process.left().await;
    // The other one is first now.
    let process = kept
        .start(&listed(&[("spare", SPARE), ("main", MAIN)]))
        .await;
    let answer = process.ask(&request()).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.head.header("x-foxbridge-found"), Some("true"));
    assert_asked_by_the_buyer(&kept.bridge, 2);
    let line = process.logs(&["\"answered\""]).await;
    assert_eq!(line["upstream_key"], "main", "{line}");
}

#[tokio::test]
async fn a_key_that_is_gone_is_no_reason_to_give_up() {
    let kept = Kept {
        folder: tempfile::tempdir().unwrap(),
        bridge: Bridge::start().await,
    };
    let request = || scripted("first-chunk=300ms words=3", false).with("idempotency-key", "k");
    let process = kept.start(&listed(&[("main", MAIN)])).await;
    buy(&kept.bridge, &process, &request()).await;
    process.terminate().await;
    process.left().await;
    // The same key by another name: whether it may have the answer is for the upstream to say.
    let process = kept.start(&listed(&[("renamed", MAIN)])).await;
    let answer: Answer = process.ask(&request()).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let line = process.logs(&["not configured any more"]).await;
    assert_eq!(line["upstream_key"], "main", "{line}");
    assert_eq!(process.ask(&Request::chat(CHAT)).await.status(), 200);
    let bought = kept.bridge.journal();
    assert_eq!(keys_of(&bought, |path| path == paths::GENERATIONS).len(), 2);
    process.terminate().await;
    let (_, log) = process.left().await;
    assert!(!log.contains(&MAIN[3..]), "{log}");
}
