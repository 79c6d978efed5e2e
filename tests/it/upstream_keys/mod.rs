//! Several keys of the upstream (`upstream.keys_file`): which one a request goes with, and what becomes of one that is
//! refused.

mod files;
mod tasks;
mod waits;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use foxbridge::{
    config::Config,
    fox::paths,
    keys::{Entry, Hash, Limits},
    simulator::{Faults, Journal, Settings},
    upstream::UpstreamKey,
};

use crate::{
    harness::{Bridge, CHAT, scripted, within},
    http::Request,
};

const MAIN: &str = "sk-main-5d1be90c77";
const SPARE: &str = "sk-spare-0a44f1d2e3";

fn key(name: &str, key: &str) -> UpstreamKey {
    UpstreamKey {
        name: name.to_owned(),
        key: key.to_owned().into(),
        weight: 1,
    }
}

/// Both keys, the main one first.
fn both(config: &mut Config) {
    config.upstream.keys = Some(vec![key("main", MAIN), key("spare", SPARE)]);
}

/// What becomes of the submits of some keys.
fn scripts(scripts: &[(&str, &str)]) -> Settings {
    let faults = |script: &str| script.parse::<Faults>().unwrap();
    let scripts = scripts
        .iter()
        .map(|(key, script)| ((*key).to_owned(), faults(script)));
    Settings {
        keys: scripts.collect::<HashMap<_, _>>(),
        ..Settings::instant()
    }
}

/// The keys that submits came with, in their order.
fn submitted_with(journal: &Journal) -> Vec<String> {
    keys_of(journal, |path| path == paths::GENERATIONS)
}

fn keys_of(journal: &Journal, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let requests = journal.requests.iter();
    requests
        .filter(|request| wanted(&request.path))
        .map(|request| request.authorization().unwrap()["Bearer ".len()..].to_owned())
        .collect()
}

#[tokio::test]
async fn a_refused_key_yields_to_the_next_and_rests() {
    for status in [401, 402, 429] {
        for stream in [false, true] {
            let settings = scripts(&[(MAIN, &format!("submit={status}x*"))]);
            let bridge = Bridge::of(settings, both).await;
            for _ in 0..3 {
                let answer = bridge.ask(&scripted("words=3", stream)).await;
                assert_eq!(answer.status(), 200, "{status}: {}", answer.text());
            }
            let journal = bridge.journal();
            assert_eq!(
                submitted_with(&journal),
                [MAIN, SPARE, SPARE, SPARE],
                "{status}"
            );
            assert_eq!(journal.accepted, 3, "{status}: one task for each request");
            let asked = keys_of(&journal, |path| path != paths::GENERATIONS);
            assert!(!asked.is_empty() && asked.iter().all(|key| key == SPARE));
        }
    }
}

#[tokio::test]
async fn only_a_key_at_fault_yields() {
    for (script, status) in [
        ("submit=422:invalid_paramx*", 422),
        ("submit=400x*", 400),
        ("submit=403x*", 403),
        ("submit=500x*", 502),
        ("submit=503x*", 502),
        ("submit=resetx*", 502),
    ] {
        let bridge = Bridge::of(scripts(&[(MAIN, script), (SPARE, script)]), both).await;
        let answer = bridge.ask(&Request::chat(CHAT)).await;
        assert_eq!(answer.status(), status, "{script}: {}", answer.text());
        assert_eq!(bridge.journal().submits, 1, "{script}");
    }
}

#[tokio::test]
async fn a_key_is_back_when_its_rest_is_over() {
    let bridge = Bridge::of(scripts(&[(MAIN, "submit=429 retry-after=1")]), both).await;
    let began = Instant::now();
    within("the main key is taken again", async {
        while submitted_with(&bridge.journal())
            .iter()
            .filter(|key| *key == MAIN)
            .count()
            < 2
        {
            assert_eq!(bridge.ask(&Request::chat(CHAT)).await.status(), 200);
        }
    })
    .await;
    assert!(began.elapsed() >= Duration::from_secs(1));
    let journal = bridge.journal();
    assert_eq!(journal.accepted, journal.submits - 1);
}

#[tokio::test]
async fn where_every_key_rests_the_client_is_told_what_fits() {
    for (main, spare, status, code, retry) in [
        ("401", "401", 401, "invalid_api_key", None),
        ("402", "402", 429, "insufficient_quota", Some("false")),
        ("401", "402", 429, "insufficient_quota", Some("false")),
        ("429", "401", 429, "rate_limit_exceeded", None),
        ("429", "429", 429, "rate_limit_exceeded", None),
    ] {
        let script = |status: &str| format!("submit={status}x* retry-after=30");
        let settings = scripts(&[(MAIN, &script(main)), (SPARE, &script(spare))]);
        let bridge = Bridge::of(settings, both).await;
        for submits in [2, 2] {
            let answer = bridge.ask(&Request::chat(CHAT)).await;
            let about = format!("{main} {spare}: {}", answer.text());
            let error = answer.error();
            assert_eq!(answer.status(), status, "{about}");
            assert_eq!(error.code.as_deref(), Some(code), "{about}");
            assert!(error.message.contains("upstream.keys_file"), "{about}");
            assert!(error.message.contains("nothing was bought"), "{about}");
            if retry.is_some() {
                assert_eq!(answer.head.header("x-should-retry"), retry, "{about}");
            }
            if code == "rate_limit_exceeded" {
                let wait = answer.head.header("retry-after").unwrap();
                let wait: u64 = wait.parse().unwrap();
                assert!((1..=30).contains(&wait), "{about}: {wait}");
            }
            // Nobody is asked who said no a moment ago.
            assert_eq!(bridge.journal().submits, submits, "{about}");
        }
        assert_eq!(bridge.journal().accepted, 0);
    }
}

#[tokio::test]
async fn a_request_waits_for_the_key_that_is_back_soonest() {
    let settings = scripts(&[
        (MAIN, "submit=429 retry-after=9"),
        (SPARE, "submit=429 retry-after=1"),
    ]);
    let bridge = Bridge::of(settings, |config| {
        both(config);
        config.task.submit_retries = 1;
    })
    .await;
    let began = Instant::now();
    let answer = bridge.ask(&Request::chat(CHAT)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert!(began.elapsed() >= Duration::from_secs(1));
    let journal = bridge.journal();
    assert_eq!(submitted_with(&journal), [MAIN, SPARE, SPARE]);
    assert_eq!(journal.accepted, 1);
}

#[tokio::test]
async fn many_requests_do_not_all_come_back_at_once() {
    let bridge = Bridge::of(scripts(&[(MAIN, "submit=429x2 retry-after=1")]), |config| {
        config.upstream.keys = Some(vec![key("main", MAIN)]);
        config.task.submit_retries = 1;
    })
    .await;
    let request = Request::chat(CHAT);
    assert_eq!(bridge.ask(&request).await.status(), 429, "refused twice");
    let began = Instant::now();
    let requests: Vec<_> = (0..3).map(|_| bridge.ask(&request)).collect();
    let answers = futures_util::future::join_all(requests).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
    // The rest of the second that it rests, and then one a second until one is seen to have gone well.
    assert!(began.elapsed() >= Duration::from_millis(2500));
    let journal = bridge.journal();
    assert_eq!((journal.submits, journal.accepted), (5, 3));
}

#[tokio::test]
async fn each_key_has_its_share() {
    let bridge = Bridge::with(|config| {
        both(config);
        let keys = config.upstream.keys.as_mut().unwrap();
        keys[0].weight = 3;
    })
    .await;
    for _ in 0..40 {
        assert_eq!(bridge.ask(&Request::chat(CHAT)).await.status(), 200);
    }
    let submitted = submitted_with(&bridge.journal());
    let of_main = submitted.iter().filter(|key| *key == MAIN).count();
    assert_eq!((of_main, submitted.len()), (30, 40));
}

#[tokio::test]
async fn the_callers_own_key_stays_here() {
    let bridge = Bridge::with(both).await;
    for request in [
        Request::chat(CHAT),
        Request::chat(CHAT).without("authorization"),
        Request::get("/v1/models"),
    ] {
        assert_eq!(bridge.ask(&request).await.status(), 200);
    }
    let sent = keys_of(&bridge.journal(), |_| true);
    assert!(!sent.is_empty() && sent.iter().all(|key| [MAIN, SPARE].contains(&key.as_str())));
}

#[tokio::test]
async fn clients_with_keys_of_their_own_are_served_with_those_of_the_list() {
    const ANNA: &str = "fbk-anna-0c51b7f2e86d4a93";
    let bridge = Bridge::with(|config| {
        both(config);
        config.server.clients = Some(vec![Entry {
            name: "anna".to_owned(),
            hash: Hash::of(ANNA.as_bytes()),
            models: None,
            limits: Limits::default(),
        }]);
    })
    .await;
    let by = |key: &str| Request::chat(CHAT).with("Authorization", &format!("Bearer {key}"));
    for (key, status) in [(ANNA, 200), (ANNA, 200), (MAIN, 401), ("fbk-nobody", 401)] {
        assert_eq!(bridge.ask(&by(key)).await.status(), status, "{key}");
    }
    assert_eq!(submitted_with(&bridge.journal()), [MAIN, SPARE]);
}

#[tokio::test]
async fn a_list_of_models_is_asked_of_the_next_key_and_a_relayed_path_is_not() {
    let bridge = Bridge::with(|config| {
        config.upstream.keys = Some(vec![key("bad", "sk-invalid-1"), key("good", SPARE)]);
        config.server.passthrough = vec!["/v1/configs/*".to_owned()];
    })
    .await;
    let relayed = Request::get("/v1/configs/llm_generations_models");
    let statuses = [
        bridge.ask(&relayed).await.status(),
        bridge.ask(&relayed).await.status(),
    ];
    assert_eq!(statuses, [401, 200], "each goes out once, with its own key");
    assert_eq!(bridge.journal().model_lists, 2);
    for lists in [4, 5] {
        let answer = bridge.ask(&Request::get("/v1/models")).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(bridge.journal().model_lists, lists);
    }
}

#[tokio::test]
async fn an_upload_goes_with_the_key_that_buys() {
    let bridge = Bridge::with(|config| {
        config.upstream.keys = Some(vec![key("bad", "sk-invalid-1"), key("good", SPARE)]);
        config.models.inline_max = 20;
    })
    .await;
    let image = format!("data:image/png;base64,{}", "QUJD".repeat(50));
    let part = serde_json::json!({"type": "image_url", "image_url": {"url": image}});
    let messages = serde_json::json!([{"role": "user", "content": [part]}]);
    let body = serde_json::json!({"model": "gpt-5.5", "messages": messages}).to_string();
    let answer = bridge.ask(&Request::chat(body)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let journal = bridge.journal();
    let uploads = keys_of(&journal, |path| path == paths::UPLOAD_BASE64);
    assert_eq!(uploads, ["sk-invalid-1", SPARE]);
    assert_eq!(submitted_with(&journal), [SPARE]);
}
