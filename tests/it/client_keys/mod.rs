//! Clients with keys of their own (`server.keys_file`): who is let in, and what is told of them.

mod limits;
mod models;

use foxbridge::{
    config::Config,
    keys::{Entry, Hash, Limits},
};
use tokio::process::Command;

use crate::{
    harness::{Bridge, CHAT, scripted},
    http::{Answer, Request},
    process::Process,
};

const UPSTREAM: &str = "sk-upstream-5d0c66e1";
const ANNA: &str = "fbk-anna-0c51b7f2e86d4a93";
const BERT: &str = "fbk-bert-e7708f1d25b94c6a";

/// An entry of the list, without models and limits of its own.
fn entry(name: &str, key: &str) -> Entry {
    Entry {
        name: name.to_owned(),
        hash: Hash::of(key.as_bytes()),
        models: None,
        limits: Limits::default(),
    }
}

fn limited(name: &str, key: &str, limits: Limits) -> Entry {
    Entry {
        limits,
        ..entry(name, key)
    }
}

/// Only these are served.
fn clients(entries: Vec<Entry>) -> impl FnOnce(&mut Config) {
    move |config| {
        config.upstream.api_key = Some(UPSTREAM.to_owned().into());
        config.server.clients = Some(entries);
    }
}

fn by(key: &str, request: Request) -> Request {
    request.with("Authorization", &format!("Bearer {key}"))
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let value = answer.head.header(name);
    value.unwrap_or_else(|| panic!("no {name} in {:?}", answer.head))
}

#[tokio::test]
async fn a_known_key_is_served_and_never_goes_upstream() {
    let entries = vec![entry("anna", ANNA), entry("bert", BERT)];
    let bridge = Bridge::with(clients(entries)).await;
    for key in [ANNA, BERT] {
        let requests = [
            Request::chat(CHAT),
            scripted("words=3", true),
            Request::get("/v1/models"),
        ];
        for request in requests {
            let answer = bridge.ask(&by(key, request)).await;
            assert_eq!(answer.status(), 200, "{}", answer.text());
            // Without limits there is nothing to tell.
            assert!(
                answer
                    .head
                    .headers
                    .iter()
                    .all(|(name, _)| !name.starts_with("x-ratelimit-"))
            );
        }
    }
    let requests = bridge.journal().requests;
    assert!(requests.len() >= 6);
    for request in requests {
        assert_eq!(
            request.authorization(),
            Some(format!("Bearer {UPSTREAM}").as_str())
        );
        assert!(!format!("{request:?}").contains("fbk-"));
    }
}

#[tokio::test]
async fn everybody_else_is_turned_away_everywhere_and_nothing_is_asked_upstream() {
    let bridge = Bridge::with(|config| {
        clients(vec![entry("anna", ANNA)])(config);
        config.server.passthrough = vec!["/v1/embeddings".to_owned()];
    })
    .await;
    let long = "x".repeat(5000);
    let hash = Hash::of(ANNA.as_bytes()).written();
    let credentials = [
        Some(format!("Bearer {BERT}")),
        Some(format!("Bearer {UPSTREAM}")),
        Some(format!("Bearer {hash}")),
        Some(format!("Bearer {}", &ANNA[..ANNA.len() - 1])),
        Some(format!("Bearer {ANNA}x")),
        Some(format!("Basic {ANNA}")),
        Some(format!("Bearer {long}")),
        Some("Bearer".to_owned()),
        Some(String::new()),
        None,
    ];
    for credential in credentials {
        for request in [
            Request::chat(CHAT),
            Request::new("POST", "/v1/completions", "{}"),
            Request::new("POST", "/v1/responses", "{}"),
            Request::new("POST", "/v1/embeddings", "{}"),
            Request::get("/v1/responses/resp_1"),
            Request::new("DELETE", "/v1/responses/resp_1", ""),
            Request::get("/v1/models"),
            Request::get("/v1/models/gpt-5.5"),
            Request::get("/v1/nothing"),
        ] {
            let request = match &credential {
                Some(credential) => request.with("Authorization", credential),
                None => request.without("authorization"),
            };
            let answer = bridge.ask(&request).await;
            assert_eq!(answer.status(), 401, "{credential:?}: {}", answer.text());
            let error = answer.error();
            assert_eq!(error.code.as_deref(), Some("invalid_api_key"));
            assert_eq!(error.kind, "invalid_request_error");
            assert!(!answer.text().contains("anna"), "{}", answer.text());
        }
    }
    assert!(bridge.journal().requests.is_empty());
    assert_eq!(
        bridge.ask(&by(ANNA, Request::chat(CHAT))).await.status(),
        200
    );
}

#[tokio::test]
async fn without_a_list_whoever_likes_may_call() {
    let bridge = Bridge::with(|config| {
        config.upstream.api_key = Some(UPSTREAM.to_owned().into());
    })
    .await;
    for request in [
        by(BERT, Request::chat(CHAT)),
        Request::chat(CHAT).without("authorization"),
    ] {
        assert_eq!(bridge.ask(&request).await.status(), 200);
    }
}

#[tokio::test]
async fn what_one_client_bought_another_does_not_find() {
    let entries = vec![entry("anna", ANNA), entry("bert", BERT)];
    let bridge = Bridge::with(clients(entries)).await;
    let request = Request::chat(CHAT).with("Idempotency-Key", "the-same");
    for (key, accepted, found) in [(ANNA, 1, None), (BERT, 2, None), (ANNA, 2, Some("true"))] {
        let answer = bridge.ask(&by(key, request.clone())).await;
        assert_eq!(answer.head.header("x-foxbridge-found"), found);
        assert_eq!(bridge.journal().accepted, accepted);
    }
}

/// The program with a list of keys that is a file.
async fn process(bridge: &Bridge, list: &str) -> (Process, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), list).unwrap();
    let program = Command::new(env!("CARGO_BIN_EXE_foxbridge"));
    let settings = [
        "log.level=trace".to_owned(),
        format!("upstream.api_key={UPSTREAM}"),
        format!("server.keys_file={}", file.path().display()),
        "server.threads=2".to_owned(),
        "admin.listen=127.0.0.1:0".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let process = Process::run(program, &bridge.simulator.base_url(), &settings).await;
    (process, file)
}

fn listed(name: &str, key: &str, rest: &str) -> String {
    let hash = Hash::of(key.as_bytes()).written();
    format!("[[key]]\nname = \"{name}\"\nhash = \"{hash}\"\n{rest}\n")
}

#[tokio::test]
async fn the_log_has_the_name_and_no_key_and_no_hash_and_refusals_are_counted() {
    let bridge = Bridge::start().await;
    let (process, _file) =
        process(&bridge, &listed("team-a", ANNA, "requests_per_minute = 1")).await;
    let answered = by(ANNA, Request::chat(CHAT)).with("x-request-id", "the-first");
    assert_eq!(process.ask(&answered).await.status(), 200);
    let refused = by(ANNA, Request::chat(CHAT)).with("x-request-id", "the-second");
    assert_eq!(process.ask(&refused).await.status(), 429);
    let unknown = by(BERT, Request::chat(CHAT)).with("x-request-id", "the-third");
    assert_eq!(process.ask(&unknown).await.status(), 401);
    let metrics = process.supervise("/metrics").await.text().to_owned();
    for reason in ["rate_limit", "key"] {
        let line = format!("foxbridge_requests_refused_total{{reason=\"{reason}\"}} 1\n");
        assert!(metrics.contains(&line), "{metrics}");
    }
    process.terminate().await;
    let (_, log) = process.left().await;
    let line = |id: &str| {
        log.lines()
            .find(|line| line.contains(id))
            .unwrap()
            .to_owned()
    };
    for (id, status) in [("the-first", 200), ("the-second", 429)] {
        let line: serde_json::Value = serde_json::from_str(&line(id)).unwrap();
        assert_eq!(
            (&line["key"], &line["status"]),
            (&"team-a".into(), &status.into()),
            "{line}"
        );
    }
    let line: serde_json::Value = serde_json::from_str(&line("the-third")).unwrap();
    assert_eq!(
        (&line["key"], &line["status"]),
        (&serde_json::Value::Null, &401.into())
    );
    for secret in [
        ANNA,
        BERT,
        UPSTREAM,
        &Hash::of(ANNA.as_bytes()).written()[7..],
    ] {
        assert!(!log.contains(secret), "{log}");
        assert!(!metrics.contains(secret), "{metrics}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn wrong_keys_take_no_memory() {
    let bridge = Bridge::start().await;
    let (process, _file) =
        process(&bridge, &listed("team-a", ANNA, "requests_per_minute = 60")).await;
    let wrong = async |from: usize| {
        for number in from..from + 200 {
            let key = format!("fbk-{number}-{}", "x".repeat(4000));
            assert_eq!(
                process.ask(&by(&key, Request::chat(CHAT))).await.status(),
                401
            );
        }
    };
    assert_eq!(
        process.ask(&by(ANNA, Request::chat(CHAT))).await.status(),
        200
    );
    wrong(0).await;
    let before = process.peak_memory();
    for round in 1..7 {
        wrong(round * 200).await;
    }
    let growth = process.peak_memory().saturating_sub(before);
    // To keep the keys would take 4.8 MB.
    assert!(growth < 2 << 20, "grew by {growth} bytes");
}
