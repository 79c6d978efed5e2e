//! What operators read off: every figure moves with what it counts, and none of them tells a secret or grows with what
//! clients make up.

use serde_json::json;

use crate::{
    harness::{Bridge, CHAT, scripted, within},
    http::{Connection, KEY, Request},
    process::Process,
    retries::again,
};

struct Scrape(String);

impl Scrape {
    async fn of(process: &Process) -> Self {
        let answer = process.supervise("/metrics").await;
        assert_eq!(answer.status(), 200);
        let kind = answer.head.header("content-type").unwrap();
        assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
        Self(answer.text().to_owned())
    }

    /// The value of a series, written as Prometheus writes it; 0 where there is none.
    fn get(&self, series: &str) -> f64 {
        let line = self
            .0
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// How many series a metric has.
    fn series(&self, name: &str) -> usize {
        let starts = [format!("{name}{{"), format!("{name} ")];
        let lines = self.0.lines();
        lines
            .filter(|line| starts.iter().any(|start| line.starts_with(start)))
            .count()
    }
}

async fn start(bridge: &Bridge) -> Process {
    Process::start(
        bridge,
        &["admin.listen=127.0.0.1:0", "server.max_in_flight=2"],
    )
    .await
}

#[tokio::test]
async fn every_figure_moves_with_what_it_counts() {
    let bridge = Bridge::start().await;
    let process = start(&bridge).await;
    assert_eq!(process.ask(&Request::chat(CHAT)).await.status(), 200);
    let stream = scripted("words=5 stream=cut@3", true);
    assert_eq!(process.ask(&stream).await.status(), 200);
    let keyed = || scripted("words=3", false).with("idempotency-key", "k");
    assert_eq!(process.ask(&keyed()).await.status(), 200);
    assert_eq!(process.ask(&again(keyed())).await.status(), 200);
    let response = json!({"model": "kimi-k2.6", "input": "think"}).to_string();
    let response = Request::new("POST", "/v1/responses", response);
    assert_eq!(process.ask(&response).await.status(), 200);
    let unknown = CHAT.replace("gpt-5.5", "gpt-2");
    assert_eq!(process.ask(&Request::chat(unknown)).await.status(), 404);
    assert_eq!(
        process.ask(&scripted("query=503", false)).await.status(),
        200
    );

    let scrape = Scrape::of(&process).await;
    let chat = |status| {
        format!(
            r#"foxbridge_requests_total{{endpoint="chat.completions",model="gpt-5.5",status="{status}"}}"#
        )
    };
    assert_eq!(scrape.get(&chat(200)), 5.0);
    // No task was made of it, so that its model is nobody's.
    assert_eq!(
        scrape
            .get(r#"foxbridge_requests_total{endpoint="chat.completions",model="",status="404"}"#),
        1.0
    );
    assert_eq!(
        scrape.get(
            r#"foxbridge_requests_total{endpoint="responses",model="kimi-k2.6",status="200"}"#
        ),
        1.0
    );
    let labels = r#"{endpoint="chat.completions",model="gpt-5.5"}"#;
    assert_eq!(
        scrape.get(&format!(
            "gen_ai_server_request_duration_seconds_count{labels}"
        )),
        5.0
    );
    assert_eq!(
        scrape.get(&format!(
            "gen_ai_server_time_to_first_token_seconds_count{labels}"
        )),
        1.0
    );
    assert_eq!(scrape.get("foxbridge_requests_reattached_total"), 1.0);
    assert_eq!(scrape.get("foxbridge_stream_resumes_total"), 1.0);
    assert_eq!(
        scrape.get(r#"foxbridge_upstream_errors_total{call="stream",kind="cut"}"#),
        1.0
    );
    assert_eq!(
        scrape.get(r#"foxbridge_upstream_errors_total{call="query",kind="status_5xx"}"#),
        1.0
    );
    assert_eq!(
        scrape.get(r#"foxbridge_upstream_errors_total{call="submit",kind="status_4xx"}"#),
        1.0
    );
    for phase in ["submit", "queue", "run", "overhead"] {
        let count = format!(r#"foxbridge_task_phase_seconds_count{{phase="{phase}"}}"#);
        assert!(scrape.get(&count) >= 5.0, "{phase}: {}", scrape.0);
    }
    assert!(scrape.get("foxbridge_task_queries_count") >= 5.0);
    for (model, kind) in [
        ("gpt-5.5", "input"),
        ("gpt-5.5", "output"),
        ("kimi-k2.6", "reasoning"),
    ] {
        let tokens = format!(r#"foxbridge_tokens_total{{model="{model}",type="{kind}"}}"#);
        assert!(scrape.get(&tokens) > 0.0, "{tokens}");
    }
    assert_eq!(scrape.get("foxbridge_responses_kept"), 1.0);
    assert!(scrape.get("foxbridge_responses_kept_bytes") > 100.0);
    assert_eq!(
        scrape.get("foxbridge_ledger_entries"),
        1.0,
        "the one with a key"
    );
    assert_eq!(scrape.get("foxbridge_ready"), 1.0);
    assert!(scrape.get("process_resident_memory_bytes") > 1e6);
    assert_eq!(scrape.series("foxbridge_build_info"), 1);
    assert!(!scrape.0.contains(&KEY[3..]));
}

#[tokio::test]
async fn whoever_waits_leaves_or_is_too_much_is_counted() {
    let bridge = Bridge::start().await;
    let process = start(&bridge).await;
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut connection = Connection::open(process.address).await;
        let request = scripted("words=9 chunk-interval=200ms first-chunk=1ms", true);
        connection.send(&request.to_bytes()).await;
        connection.head().await;
        connection.read_until(|text| text.contains("word1")).await;
        waiting.push(connection);
    }
    assert_eq!(process.ask(&Request::chat(CHAT)).await.status(), 503);
    let scrape = Scrape::of(&process).await;
    assert_eq!(scrape.get("foxbridge_requests_in_flight"), 2.0);
    assert!(scrape.get("foxbridge_connections") >= 2.0);
    assert_eq!(
        scrape.get(r#"foxbridge_requests_refused_total{reason="overloaded"}"#),
        1.0
    );
    drop(waiting);
    let left =
        r#"foxbridge_requests_total{endpoint="chat.completions",model="gpt-5.5",status="499"}"#;
    within("both have left", async {
        while Scrape::of(&process).await.get(left) < 2.0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let scrape = Scrape::of(&process).await;
    assert_eq!(scrape.get("foxbridge_requests_in_flight"), 0.0);
}

#[tokio::test]
async fn what_clients_make_up_makes_no_series() {
    let bridge = Bridge::start().await;
    let process = start(&bridge).await;
    let before = Scrape::of(&process).await.0.lines().count();
    for number in 0..200 {
        let made_up = CHAT.replace("gpt-5.5", &format!("made-up-{number}"));
        process.ask(&Request::chat(made_up)).await;
        process
            .ask(&Request::get(&format!("/v1/made/up/{number}")))
            .await;
        process
            .ask(&Request::new(
                &format!("MADE{number}"),
                "/v1/chat/completions",
                "",
            ))
            .await;
    }
    let after = Scrape::of(&process).await.0;
    assert!(after.lines().count() < before + 120, "{after}");
    assert!(!after.contains("made"), "{after}");
}

#[tokio::test]
async fn readiness_follows_the_upstream_and_heals() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let program = tokio::process::Command::new(env!("CARGO_BIN_EXE_foxbridge"));
    let upstream = format!("http://127.0.0.1:{port}");
    let process = Process::run(program, &upstream, &["admin.listen=127.0.0.1:0"]).await;
    assert_eq!(
        process.supervise("/readyz").await.status(),
        200,
        "nobody knows better yet"
    );
    for _ in 0..3 {
        assert_eq!(process.ask(&Request::chat(CHAT)).await.status(), 503);
    }
    let answer = process.supervise("/readyz").await;
    assert_eq!(answer.status(), 503);
    assert!(
        answer.text().contains("FoxAPI cannot be connected to"),
        "{}",
        answer.text()
    );
    assert_eq!(process.supervise("/livez").await.status(), 200);
    let scrape = Scrape::of(&process).await;
    assert!(scrape.get(r#"foxbridge_upstream_errors_total{call="submit",kind="connect"}"#) >= 3.0);
    let _healed = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .unwrap();
    assert_eq!(process.supervise("/readyz").await.status(), 200);
}
