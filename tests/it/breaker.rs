//! An upstream that fails is left alone for a while, and not hit harder by repetitions.

use std::time::{Duration, Instant};

use foxbridge::config::Config;
use tokio::time::sleep;

use crate::{
    harness::{Bridge, CHAT, Proxy, scripted, within},
    http::{Connection, Request},
    process::Process,
};

const PAUSE: Duration = Duration::from_millis(300);

fn guarded(config: &mut Config) {
    config.upstream.breaker = Some(0.8);
    config.upstream.breaker_pause = PAUSE;
}

/// Never open again within a test.
fn shut_for_long(config: &mut Config) {
    guarded(config);
    config.upstream.breaker_pause = Duration::from_secs(3600);
}

async fn fail(bridge: &Bridge, script: &str) {
    for _ in 0..10 {
        let answer = bridge.ask(&scripted(script, false)).await;
        assert_eq!(answer.status(), 502, "{}", answer.text());
    }
}

#[tokio::test]
async fn submits_that_fail_open_it_and_new_ones_are_refused_at_once() {
    for script in ["submit=500x*", "submit=html:502x*", "submit=resetx*"] {
        let bridge = Bridge::with(shut_for_long).await;
        let mut running = bridge.open().await;
        let slow = scripted("first-chunk=200ms chunk-interval=30ms words=9", false);
        running.send(&slow.to_bytes()).await;
        bridge
            .until("a task", |journal| journal.accepted == 1)
            .await;
        // One success among ten is no reason to go on.
        for _ in 0..9 {
            assert_eq!(bridge.ask(&scripted(script, false)).await.status(), 502);
        }
        let before = bridge.journal().submits;
        for stream in [false, true] {
            let answer = bridge.ask(&scripted("words=3", stream)).await;
            let error = answer.error();
            assert_eq!(answer.status(), 503, "{script}: {error:?}");
            assert_eq!(error.code.as_deref(), Some("upstream_unavailable"));
            assert!(error.message.contains("nothing was bought"), "{error:?}");
            let wait: u64 = answer.head.header("retry-after").unwrap().parse().unwrap();
            assert!(wait >= 1);
        }
        assert_eq!(bridge.journal().submits, before, "{script}");
        // What exists is asked for all the same, and so is the list of models.
        assert_eq!(running.answer().await.status(), 200, "{script}");
        assert_eq!(bridge.ask(&Request::get("/v1/models")).await.status(), 200);
    }
}

#[tokio::test]
async fn one_request_finds_out_that_all_is_well_again() {
    let bridge = Bridge::with(guarded).await;
    fail(&bridge, "submit=500x*").await;
    let before = bridge.journal().submits;
    within("it closes", async {
        while bridge.ask(&Request::chat(CHAT)).await.status() != 200 {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(bridge.journal().submits, before + 1, "one probe was enough");
    for _ in 0..5 {
        assert_eq!(bridge.ask(&Request::chat(CHAT)).await.status(), 200);
    }
}

#[tokio::test]
async fn a_probe_that_fails_keeps_it_open_for_longer() {
    let bridge = Bridge::with(guarded).await;
    fail(&bridge, "submit=500x*").await;
    let before = bridge.journal().submits;
    let began = Instant::now();
    let statuses = async |wanted: u64| {
        within("probes go out", async {
            while bridge.journal().submits < before + wanted {
                bridge.ask(&scripted("submit=500x*", false)).await;
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    };
    statuses(3).await;
    // 300, 600 and 1200 ms, of which the first may have begun before the clock was looked at.
    assert!(began.elapsed() > PAUSE * 5, "{:?}", began.elapsed());
}

#[tokio::test]
async fn refusals_and_success_leave_it_closed() {
    let bridge = Bridge::with(shut_for_long).await;
    for script in ["submit=422:invalid_paramx*", "submit=429x*", "submit=401x*"] {
        for _ in 0..25 {
            bridge.ask(&scripted(script, false)).await;
        }
    }
    // A fifth of failures is too little.
    for round in 0..20 {
        for failure in 0..2 {
            let script = match failure {
                0 => "words=3",
                _ => "submit=500x*",
            };
            bridge.ask(&scripted(script, false)).await;
        }
        assert_eq!(
            bridge.ask(&Request::chat(CHAT)).await.status(),
            200,
            "{round}"
        );
    }
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_opens_it_and_stays_unready() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let proxy = Proxy::start(&format!("http://127.0.0.1:{port}"), shut_for_long).await;
    let codes: Vec<_> = {
        let mut codes = Vec::new();
        for _ in 0..11 {
            let error = proxy.ask(&Request::chat(CHAT)).await.error();
            codes.push(error.code.unwrap());
        }
        codes
    };
    assert!(
        codes[..10]
            .iter()
            .all(|code| code == "upstream_unreachable"),
        "{codes:?}"
    );
    assert_eq!(codes[10], "upstream_unavailable");
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let bridge = Bridge::with(|config| config.upstream.breaker = None).await;
    for _ in 0..3 {
        fail(&bridge, "submit=500x*").await;
    }
    bridge.assert_serves().await;
}

#[tokio::test]
async fn its_state_is_a_metric_and_does_not_make_it_unready() {
    let bridge = Bridge::start().await;
    let settings = [
        "admin.listen=127.0.0.1:0",
        "upstream.breaker_pause=1h",
        "server.threads=2",
    ];
    let process = Process::start(&bridge, &settings).await;
    let state = async |process: &Process| {
        let metrics = process.supervise("/metrics").await.text().to_owned();
        let name = "foxbridge_upstream_breaker_state ";
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        (line.unwrap().to_owned(), metrics)
    };
    assert_eq!(state(&process).await.0, "0");
    for _ in 0..10 {
        process.ask(&scripted("submit=500x*", false)).await;
    }
    let refused = process.ask(&Request::chat(CHAT)).await;
    assert_eq!(refused.status(), 503);
    let (value, metrics) = state(&process).await;
    assert_eq!(value, "2");
    let counted = r#"foxbridge_requests_refused_total{reason="breaker"} 1"#;
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
    // Whoever is sent no requests could not find out that all is well again.
    assert_eq!(process.supervise("/readyz").await.status(), 200);
    process.logs(&["\"ERROR\"", "upstream.breaker"]).await;
}

#[tokio::test]
async fn a_storm_of_refusals_is_repeated_a_share_of_the_times() {
    const REQUESTS: u64 = 200;
    let bridge = Bridge::with(|config| {
        config.task.submit_retries = 5;
        config.upstream.retry_budget = 0.2;
    })
    .await;
    let request = scripted("submit=429x* retry-after=0", false);
    let began = Instant::now();
    let requests: Vec<_> = (0..REQUESTS).map(|_| bridge.ask(&request)).collect();
    for answer in futures_util::future::join_all(requests).await {
        assert_eq!(answer.status(), 429, "{}", answer.text());
        let error = answer.error();
        assert_eq!(error.code.as_deref(), Some("rate_limit_exceeded"));
    }
    let repeated = bridge.journal().submits - REQUESTS;
    // A fifth, ten to begin with, and ten a second.
    let most = REQUESTS / 5 + 10 + (10.0 * began.elapsed().as_secs_f64()) as u64 + 1;
    assert!((10..=most).contains(&repeated), "{repeated} of {most}");
    assert_eq!(bridge.journal().accepted, 0);
    bridge.assert_serves().await;
}

#[tokio::test]
async fn queries_in_trouble_are_repeated_later_and_never_given_up() {
    const TASKS: u64 = 40;
    let bridge = Bridge::with(|config| {
        config.upstream.retry_budget = 0.0;
        config.task.poll_max = Duration::from_millis(10);
    })
    .await;
    let mut waiting = Vec::new();
    let began = Instant::now();
    for number in 0..TASKS {
        let mut connection: Connection = bridge.open().await;
        let request = scripted(&format!("id=t{number} words=3 query=503x2"), false);
        connection.send(&request.to_bytes()).await;
        waiting.push(connection);
    }
    for connection in &mut waiting {
        assert_eq!(connection.answer().await.status(), 200);
    }
    let journal = bridge.journal();
    assert_eq!(journal.accepted, TASKS);
    // Each task was queried once for nothing, once again for nothing, and once for its answer, of which only those
    // repetitions are free that go well.
    let repeated_in_vain = TASKS;
    let paid = 10.0 + 10.0 * began.elapsed().as_secs_f64();
    assert!(paid + 1.0 >= repeated_in_vain as f64, "{paid}");
}

#[tokio::test]
async fn who_was_waiting_when_it_opened_is_refused_too() {
    let bridge = Bridge::with(|config| {
        shut_for_long(config);
        config.task.submit_retries = 1;
    })
    .await;
    let mut waiting = bridge.open().await;
    let busy = scripted("submit=429 retry-after=4", false);
    waiting.send(&busy.to_bytes()).await;
    bridge
        .until("a refusal", |journal| journal.submits == 1)
        .await;
    let failing = scripted("submit=500x*", false);
    within("it opens", async {
        while bridge.ask(&failing).await.status() != 503 {}
    })
    .await;
    let before = bridge.journal().submits;
    let answer = waiting.answer().await;
    assert_eq!(answer.status(), 503, "{}", answer.text());
    assert_eq!(answer.error().code.as_deref(), Some("upstream_unavailable"));
    let journal = bridge.journal();
    assert_eq!((journal.submits, journal.accepted), (before, 0));
}

#[tokio::test]
async fn a_probe_whose_client_leaves_leaves_it_as_open_as_its_outcome_says() {
    for (script, probes) in [("submit-latency=200ms words=3", 1), ("submit=hangx*", 2)] {
        let bridge = Bridge::with(|config| {
            guarded(config);
            config.upstream.request_timeout = Duration::from_secs(2);
        })
        .await;
        fail(&bridge, "submit=500x*").await;
        let before = bridge.journal().submits;
        let probe = scripted(script, false);
        within("a probe goes out", async {
            loop {
                let mut connection = bridge.open().await;
                connection.send(&probe.to_bytes()).await;
                let seen = |journal: &foxbridge::simulator::Journal| journal.submits > before;
                tokio::select! {
                    biased;
                    () = async { bridge.simulator.journal_when(seen).await; } => break,
                    answer = connection.answer() => assert_eq!(answer.status(), 503),
                }
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        within("it closes", async {
            while bridge.ask(&Request::chat(CHAT)).await.status() != 200 {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        // The one that was answered has closed it, and the one that was not needs another.
        let (submits, accepted) = (bridge.journal().submits, bridge.journal().accepted);
        assert_eq!(submits, before + 2, "{script}");
        assert_eq!(accepted, if probes == 1 { 2 } else { 1 }, "{script}");
        bridge.assert_serves().await;
    }
}
