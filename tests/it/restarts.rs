//! With a ledger file, what was bought before a crash is found after it, and what nobody knows is not bought again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    events::Events,
    harness::{Bridge, CHAT, scripted, within},
    http::{Connection, KEY, Request},
    process::Process,
    retries::again,
    sdk,
    untaken::leave_unread,
};

/// A ledger file of its own, and a proxy that keeps it.
struct Kept {
    folder: TempDir,
    bridge: Bridge,
}

impl Kept {
    async fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            bridge: Bridge::start().await,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.redb")
    }

    fn setting(&self) -> String {
        format!("ledger.store=file:{}", self.path().display())
    }

    async fn start(&self) -> Process {
        self.start_at("127.0.0.1:0").await
    }

    async fn start_at(&self, listen: &str) -> Process {
        Process::start_at(&self.bridge, listen, &[&self.setting()]).await
    }

    /// Sends a request, and kills the proxy when `seen` holds of the simulator's journal.
    async fn die_during(
        &self,
        request: &Request,
        seen: impl Fn(&foxbridge::simulator::Journal) -> bool,
    ) {
        let process = self.start().await;
        let mut connection = Connection::open(process.address).await;
        connection.send(&request.to_bytes()).await;
        self.bridge.until("the moment to die", seen).await;
        process.kill().await;
    }

    /// Starts where it must not, and returns the exit code and what it said.
    async fn refused(&self, settings: &[&str]) -> (Option<i32>, String) {
        let child = Command::new(env!("CARGO_BIN_EXE_foxbridge"))
            .args(["serve", "--listen", "127.0.0.1:0", "--set", &self.setting()])
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .args(["--upstream", &self.bridge.simulator.base_url()])
            .current_dir(&self.folder)
            .env_clear()
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = within("it leaves", child).await.unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }
}

/// The SDK's own retry after `kill -9`, with nothing told to it but its base URL.
#[tokio::test]
async fn openai_python_gets_its_answer_across_a_kill() {
    let kept = Kept::new().await;
    let process = kept.start().await;
    let address = process.address;
    let script = r#"
from openai import OpenAI
client = OpenAI(max_retries=4)
text = "count 1 to 3 [[fox: text=\"survived\" first-chunk=1500ms]]"
answer = client.chat.completions.create(model="gpt-5.5", messages=[{"role": "user", "content": text}])
print(answer.choices[0].message.content)
"#;
    let python = tokio::task::spawn_blocking(|| sdk::python_of("python"))
        .await
        .unwrap();
    let call = Command::new(python)
        .args(["-c", script])
        .env("OPENAI_BASE_URL", format!("http://{address}/v1"))
        .env("OPENAI_API_KEY", KEY)
        .env("NO_PROXY", "*")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // A query, so the proxy has read the submit's reply.
    kept.bridge
        .until("a query", |journal| journal.queries > 0)
        .await;
    process.kill().await;
    let process = kept.start_at(&address.to_string()).await;
    let output = within("the SDK's call", call.wait_with_output())
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        said.trim(),
        "survived",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(kept.bridge.journal().submits, 1);
    process.terminate().await;
    let (status, log) = process.left().await;
    assert_eq!(status.code(), Some(0), "{log}");
}

#[tokio::test]
async fn a_stream_is_told_from_its_start_after_a_kill() {
    let kept = Kept::new().await;
    let request = scripted("words=12 chunk-interval=50ms", true);
    let process = kept.start().await;
    let mut connection = Connection::open(process.address).await;
    connection.send(&request.to_bytes()).await;
    assert_eq!(connection.head().await.status, 200);
    connection
        .read_until(|text| text.matches("data: ").count() > 3)
        .await;
    process.kill().await;
    let answer = kept.start().await.ask(&again(request)).await;
    let events = Events::read(answer.text());
    assert_eq!(events.payloads.last().map(String::as_str), Some("[DONE]"));
    assert!(events.payloads[0].contains("\"role\":\"assistant\""));
    assert_eq!(answer.head.header("x-foxbridge-found"), Some("true"));
    assert_eq!(kept.bridge.journal().submits, 1);
}

#[tokio::test]
async fn a_submit_that_a_kill_left_open_is_not_bought_again() {
    let kept = Kept::new().await;
    for keyed in [false, true] {
        let request = || {
            let request = scripted("submit-latency=10s", keyed);
            if keyed {
                request.with("idempotency-key", "k-1")
            } else {
                request
            }
        };
        let before = kept.bridge.journal().submits;
        kept.die_during(&request(), |journal| journal.submits > before)
            .await;
        let process = kept.start().await;
        let answer = process.ask(&again(request())).await;
        assert_eq!(answer.status(), 502, "{}", answer.text());
        assert_eq!(answer.error().code.as_deref(), Some("submit_unconfirmed"));
        assert_eq!(answer.head.header("x-should-retry"), Some("false"));
        assert_eq!(kept.bridge.journal().submits, before + 1);
    }
}

#[tokio::test]
async fn what_was_delivered_is_forgotten_and_what_has_a_key_is_kept() {
    let kept = Kept::new().await;
    let keyed = || Request::chat(CHAT).with("idempotency-key", "k-1");
    let process = kept.start().await;
    let first = process.ask(&keyed()).await;
    assert_eq!(process.ask(&Request::chat(CHAT)).await.status(), 200);
    process.terminate().await;
    assert_eq!(process.left().await.0.code(), Some(0));
    let process = kept.start().await;
    let second = process.ask(&keyed()).await;
    assert_eq!((second.status(), second.text()), (200, first.text()));
    let other = scripted("words=2", false).with("idempotency-key", "k-1");
    assert_eq!(process.ask(&other).await.status(), 422);
    assert_eq!(kept.bridge.journal().submits, 2);
    let unmarked = process.ask(&again(Request::chat(CHAT))).await;
    assert_eq!(unmarked.head.header("x-foxbridge-found"), None);
}

#[tokio::test]
async fn what_was_delivered_and_not_taken_is_found_after_a_restart() {
    let kept = Kept::new().await;
    let process = kept.start().await;
    let request = scripted("words=3", false);
    let first = request.clone().with("x-stainless-retry-count", "0");
    leave_unread(process.address, &first).await;
    process.logs(&["the client left without its answer"]).await;
    process.terminate().await;
    assert_eq!(process.left().await.0.code(), Some(0));
    let process = kept.start().await;
    let answer = process.ask(&again(request)).await;
    assert_eq!(answer.head.header("x-foxbridge-found"), Some("true"));
    assert_eq!(kept.bridge.journal().submits, 1);
}

#[tokio::test]
async fn the_file_has_no_keys_no_prompts_and_no_answers() {
    let kept = Kept::new().await;
    let request = scripted("text=\"a-telling-answer\" first-chunk=5s", false)
        .with("idempotency-key", "a-telling-idempotency-key");
    kept.die_during(&request, |journal| journal.accepted == 1)
        .await;
    let answered = scripted("text=\"a-telling-answer\"", false).with("idempotency-key", "k-2");
    let process = kept.start().await;
    assert_eq!(process.ask(&answered).await.status(), 200);
    process.terminate().await;
    process.left().await;
    let bytes = fs::read(kept.path()).unwrap();
    let holds = |text: &str| memchr::memmem::find(&bytes, text.as_bytes()).is_some();
    assert!(holds("task-llm-"), "task ids are what it is for");
    for secret in [&KEY[3..], "telling", "count 1 to 3"] {
        assert!(!holds(secret), "{secret} is in the ledger file");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(kept.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "only its owner may read it: {mode:o}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_ledger_is_refused_and_left_where_it_is() {
    let kept = Kept::new().await;
    let process = kept.start().await;
    assert_eq!(process.ask(&Request::chat(CHAT)).await.status(), 200);
    process.kill().await;
    let whole = fs::read(kept.path()).unwrap();
    let mut changed = whole.clone();
    let used = changed.iter().rposition(|byte| *byte != 0).unwrap();
    for byte in &mut changed[4096..used] {
        *byte ^= 0x5a;
    }
    let cut = whole[..whole.len() / 2].to_vec();
    let foreign = b"SQLite format 3\0and so on".to_vec();
    for bad in [foreign, cut, changed, vec![0; 5000]] {
        fs::write(kept.path(), &bad).unwrap();
        let (code, said) = kept.refused(&[]).await;
        assert_eq!(code, Some(1), "{said}");
        for word in [
            "ledger.redb",
            "ledger.store",
            "ledger.if_damaged",
            "move-aside",
        ] {
            assert!(said.contains(word), "{word} is missing: {said}");
        }
        for word in ["panicked", "listening"] {
            assert!(!said.contains(word), "{said}");
        }
        let left = fs::metadata(kept.path()).unwrap();
        assert_eq!(left.len(), bad.len() as u64, "it is still there");
    }
}

#[tokio::test]
async fn a_damaged_file_is_moved_aside_on_request() {
    let kept = Kept::new().await;
    for number in 1..3 {
        fs::write(kept.path(), "no ledger").unwrap();
        let settings = [&*kept.setting(), "ledger.if_damaged=move-aside"];
        let process = Process::start_at(&kept.bridge, "127.0.0.1:0", &settings).await;
        assert_eq!(process.ask(&Request::chat(CHAT)).await.status(), 200);
        process.kill().await;
        let aside = kept
            .folder
            .path()
            .join(format!("ledger.redb.aside-{number}"));
        assert_eq!(fs::read_to_string(aside).unwrap(), "no ledger");
    }
}

#[tokio::test]
async fn one_file_serves_one_process() {
    let kept = Kept::new().await;
    let process = kept.start().await;
    let (code, said) = kept.refused(&["ledger.if_damaged=move-aside"]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("in use by another process"), "{said}");
    assert_eq!(process.ask(&Request::chat(CHAT)).await.status(), 200);
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named() {
    let kept = Kept::new().await;
    fs::remove_dir(kept.folder.path()).unwrap();
    let missing = kept.path();
    let output = Command::new(env!("CARGO_BIN_EXE_foxbridge"))
        .args(["serve", "--listen", "127.0.0.1:0", "--set", &kept.setting()])
        .current_dir(Path::new("/"))
        .env_clear()
        .output();
    let output = within("it leaves", output).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&*missing.to_string_lossy()), "{said}");
    assert!(said.contains("folder"), "{said}");
}

/// As on a full disk: what cannot be noted is not bought, and the ledger heals by itself.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn nothing_is_bought_that_could_not_be_noted() {
    let kept = Kept::new().await;
    // Writing beyond the limit would kill the process, if this did not make it a plain error.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#]);
    shell.arg(env!("CARGO_BIN_EXE_foxbridge"));
    let setting = kept.setting();
    let process = Process::start_program(shell, &kept.bridge, "127.0.0.1:0", &[&*setting]).await;
    let limit = async |size: &str| {
        let status = Command::new("prlimit")
            .args([
                "--pid",
                &process.id().to_string(),
                &format!("--fsize={size}:unlimited"),
            ])
            .status();
        assert!(status.await.unwrap().success());
    };
    assert_eq!(process.ask(&Request::chat(CHAT)).await.status(), 200);
    limit("0").await;
    for _ in 0..3 {
        let answer = process.ask(&Request::chat(CHAT)).await;
        assert_eq!(answer.status(), 503, "{}", answer.text());
        assert_eq!(answer.error().code.as_deref(), Some("ledger_unavailable"));
        assert_eq!(answer.head.header("retry-after"), Some("1"));
    }
    assert_eq!(kept.bridge.journal().submits, 1);
    limit("unlimited").await;
    assert_eq!(process.ask(&Request::chat(CHAT)).await.status(), 200);
    let slow = scripted("words=3 first-chunk=5s", false);
    let before = kept.bridge.journal().queries;
    let mut connection = Connection::open(process.address).await;
    connection.send(&slow.to_bytes()).await;
    kept.bridge
        .until("a query", |journal| journal.queries > before)
        .await;
    process.kill().await;
    let answer = kept.start().await.ask(&again(slow)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.head.header("x-foxbridge-found"), Some("true"));
}
