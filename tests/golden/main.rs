//! Golden pairs, end to end: what a client says and what FoxAPI is told; what FoxAPI says and what the client is told.
//!
//! A folder below `chat/` is one case of `POST /v1/chat/completions`, a folder below `completions/` one of
//! `POST /v1/completions`, a folder below `responses/` one of `POST /v1/responses`:
//!
//! | file | what it is |
//! |---|---|
//! | `request.json` | the client's body, sent as it is |
//! | `submission.json` | the body that must reach FoxAPI, byte for byte; left out when it is the client's own |
//! | `result.json` | `results[0]` of the task |
//! | `stream.txt` | the task's event stream |
//! | `answer.json`, `answer.txt` | what the client must get, byte for byte (a stream is `.txt`), but for when it was made |
//! | `status.txt` | the HTTP status, where it is not 200; then there may be no task at all |
//!
//! `UPDATE_GOLDEN=1 cargo test --test golden` writes the expected files anew; read the diff.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of a test fail the test by panicking"
)]

mod upstream;

use std::{env, fs, path::Path};

use foxbridge::{
    config::{self, Config, Flag, Sources},
    run,
};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;

use upstream::{Case, Upstream};

#[tokio::test]
async fn every_chat_pair_holds() {
    check_all("chat", "/v1/chat/completions", 10).await;
}

#[tokio::test]
async fn every_legacy_pair_holds() {
    check_all("completions", "/v1/completions", 4).await;
}

#[tokio::test]
async fn every_pair_of_responses_holds() {
    check_all("responses", "/v1/responses", 17).await;
}

async fn check_all(cases: &str, path: &str, least: usize) {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(cases);
    let mut folders: Vec<_> = fs::read_dir(&cases)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    assert!(folders.len() >= least, "the cases are gone");
    let mut wrong = Vec::new();
    for folder in folders {
        for split in [usize::MAX, 7] {
            if let Err(difference) = check(&folder, path, split).await {
                wrong.push(format!(
                    "{} (reads of {split} bytes): {difference}",
                    folder.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// `split` is how many bytes of the event stream FoxAPI writes at once.
async fn check(folder: &Path, path: &str, split: usize) -> Result<(), String> {
    let read = |name: &str| fs::read(folder.join(name)).ok();
    let request = read("request.json").expect("a case has a request");
    let upstream = Upstream::start(Case {
        result: read("result.json"),
        stream: read("stream.txt"),
        split,
    })
    .await;
    let base = proxy(&upstream.base_url).await;

    let client = Client::builder(TokioExecutor::new()).build_http();
    let call = Request::post(format!("{base}{path}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(request.clone())))
        .unwrap();
    let reply = client.request(call).await.unwrap();
    let status = reply.status().as_u16().to_string();
    let answer = reply.into_body().collect().await.unwrap().to_bytes();

    let is_stream = answer.starts_with(b"data:") || answer.starts_with(b"event:");
    let answer = ["created_at", "completed_at"]
        .iter()
        .fold(answer.to_vec(), |answer, name| timeless(&answer, name));
    same(
        folder,
        if is_stream {
            "answer.txt"
        } else {
            "answer.json"
        },
        Some(answer),
    )?;
    same(
        folder,
        "status.txt",
        (status != "200").then(|| status.into_bytes()),
    )?;
    let submission = upstream.submission();
    same(
        folder,
        "submission.json",
        submission.filter(|submission| *submission != request),
    )
}

/// The text with a fixed time in every member of this name, which nobody else has.
fn timeless(text: &[u8], name: &str) -> Vec<u8> {
    let text = String::from_utf8(text.to_vec()).unwrap();
    let member = format!("\"{name}\":");
    let mut pieces = text.split(&member);
    let first = pieces.next().unwrap_or_default().to_owned();
    let fixed = pieces.fold(first, |text, piece| {
        let rest = piece.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let time = if rest.len() < piece.len() { "1" } else { "" };
        format!("{text}{member}{time}{rest}")
    });
    fixed.into_bytes()
}

fn same(folder: &Path, name: &str, got: Option<Vec<u8>>) -> Result<(), String> {
    let path = folder.join(name);
    let trimmed = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    let got = got.map(trimmed);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        match &got {
            Some(got) => fs::write(&path, format!("{got}\n")).unwrap(),
            None => drop(fs::remove_file(&path)),
        }
        return Ok(());
    }
    let expected = fs::read(&path).ok().map(trimmed);
    if got == expected {
        return Ok(());
    }
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "(nothing)".into());
    Err(format!(
        "{name}\nexpected: {}\ngot:      {}",
        shown(&expected),
        shown(&got)
    ))
}

/// A proxy in front of `upstream`, with an alias; it runs until the test is over.
async fn proxy(upstream: &str) -> String {
    let flag = |key: &str, value: &str| Flag {
        name: "--set",
        key: key.to_owned(),
        value: Some(value.to_owned()),
    };
    let sources = Sources {
        flags: vec![
            flag("upstream.base_url", upstream),
            flag("upstream.api_key", "sk-golden"),
            flag("task.poll_first", "1ms"),
            flag("models.aliases", "gpt-4o=gpt-5.5,fox/*=*"),
            flag("media.inline_max", "1KiB"),
        ],
        ..Sources::default()
    };
    let config: Config = config::load(&sources).unwrap().config;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        run::serve(config, listener, std::future::pending())
            .await
            .unwrap()
    });
    format!("http://{address}")
}
