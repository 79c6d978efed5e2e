//! Other models for those that the upstream does not have (`models.fallbacks`): asked only where nothing was accepted, and
//! told to the client.

use foxbridge::{
    config::Config,
    keys::{Entry, Hash, Limits},
    translate::{ByModel, Pattern},
};
use serde_json::{Value, json};

use crate::{
    events::Events,
    harness::Bridge,
    http::{Answer, Request},
    retries::again,
};

fn fall_back(config: &mut Config) {
    let list = |models: &[&str]| models.iter().map(|model| (*model).to_owned()).collect();
    let pattern = |name| Pattern::new(name).unwrap();
    config.models.fallbacks = ByModel::new(vec![
        (pattern("gpt-5.5"), list(&["claude-opus-4-7", "kimi-k2.6"])),
        (pattern("gpt-2"), list(&["gpt-1", "gpt-5.4"])),
        (pattern("none-*"), list(&["gpt-1", "gpt-0"])),
    ]);
    config.models.aliases = ByModel::new(vec![(pattern("smart"), "gpt-5.5".to_owned())]);
}

async fn bridge() -> Bridge {
    Bridge::with(fall_back).await
}

fn request(path: &str, model: &str, script: &str, stream: bool) -> Request {
    let text = format!("count 1 to 3 [[fox: {script}]]");
    let question = match path {
        "/v1/chat/completions" => json!({"messages": [{"role": "user", "content": text}]}),
        "/v1/completions" => json!({"prompt": text}),
        _ => json!({"input": text}),
    };
    let mut body = json!({"model": model, "stream": stream});
    body.as_object_mut()
        .unwrap()
        .extend(question.as_object().unwrap().clone());
    Request::new("POST", path, body.to_string())
}

fn chat(model: &str, script: &str) -> Request {
    request("/v1/chat/completions", model, script, false)
}

fn served_by(answer: &Answer) -> Option<&str> {
    answer.head.header("x-foxbridge-model")
}

fn submitted(bridge: &Bridge) -> Value {
    serde_json::from_str(&bridge.last_submission()).unwrap()
}

#[tokio::test]
async fn the_next_model_answers_by_its_own_rules_in_every_api() {
    for path in ["/v1/chat/completions", "/v1/completions", "/v1/responses"] {
        for stream in [false, true] {
            for refusal in [
                "422:no_available_model",
                "422:no_compatible_channel",
                "422:model_not_found",
                "422:model_not_supported",
                "422:service_unavailable_error",
            ] {
                let bridge = bridge().await;
                let script = format!("id=x words=3 submit={refusal}");
                let answer = bridge.ask(&request(path, "smart", &script, stream)).await;
                let about = format!("{path} {stream} {refusal}: {}", answer.text());
                assert_eq!(answer.status(), 200, "{about}");
                assert_eq!(served_by(&answer), Some("claude-opus-4-7"), "{about}");
                let adjusted = answer.head.header("x-foxbridge-adjusted").unwrap();
                assert!(adjusted.contains("gpt-5.5 replaced by claude-opus-4-7"));
                assert!(adjusted.contains("max_tokens set to 4096"), "{adjusted}");
                let body = submitted(&bridge);
                assert_eq!(body["model"], "claude-opus-4-7", "{about}");
                assert_eq!(body["max_tokens"], 4096, "{about}");
                assert_eq!(body["stream"] == true, stream, "{about}");
                let journal = bridge.journal();
                assert_eq!((journal.submits, journal.accepted), (2, 1), "{about}");
                if stream && path == "/v1/chat/completions" {
                    Events::chunks(&answer);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_fallback_that_cannot_take_it_is_passed_over() {
    let bridge = bridge().await;
    let answer = bridge.ask(&chat("gpt-2", "words=3")).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(served_by(&answer), Some("gpt-5.4"));
    assert_eq!(bridge.journal().submits, 3);
    let script = "id=y submit=422:no_available_model,422:model_not_support_capability words=3";
    let answer = bridge.ask(&chat("gpt-5.5", script)).await;
    assert_eq!(served_by(&answer), Some("kimi-k2.6"));
    // It is waited for as its own rule says.
    assert_eq!(submitted(&bridge)["stream"], true);
    assert!(answer.json()["choices"][0]["message"]["reasoning_content"].is_string());
}

#[tokio::test]
async fn a_refusal_of_all_is_told_as_that_of_the_model_that_was_asked() {
    let bridge = bridge().await;
    let answer = bridge.ask(&chat("none-1", "words=3")).await;
    assert_eq!(answer.status(), 404);
    let error = answer.error();
    assert!(error.message.contains("none-1"), "{}", error.message);
    assert_eq!(bridge.journal().submits, 3);
    assert_eq!(bridge.journal().accepted, 0);
}

#[tokio::test]
async fn nothing_falls_back_that_may_have_been_accepted() {
    for (script, submits, accepted) in [
        ("submit=503:all_platforms_exhaustedx*", 1, 0),
        ("submit=500x*", 1, 0),
        ("submit=accept+500x*", 1, 1),
        ("submit=accept+resetx*", 1, 1),
        ("submit=422:invalid_paramx*", 1, 0),
        ("submit=422:model_not_support_capabilityx*", 1, 0),
        ("submit=401x*", 1, 0),
        ("submit=429x*", 1, 0),
        ("submit=garbagex*", 1, 0),
        // A task exists, whatever it says.
        ("task=failed error-code=no_available_model", 1, 1),
        ("id=z submit=422:no_available_model,500", 2, 0),
        ("id=z submit=422:no_available_model,accept+reset", 2, 1),
    ] {
        let bridge = bridge().await;
        let answer = bridge.ask(&chat("gpt-5.5", script)).await;
        assert_ne!(answer.status(), 200, "{script}: {}", answer.text());
        let journal = bridge.journal();
        assert_eq!(
            (journal.submits, journal.accepted),
            (submits, accepted),
            "{script}"
        );
    }
}

#[tokio::test]
async fn who_needs_no_fallback_is_told_its_model_all_the_same() {
    let bridge = bridge().await;
    for model in ["smart", "gpt-5.5", "gpt-5.4"] {
        let answer = bridge.ask(&chat(model, "words=3")).await;
        assert_eq!(answer.status(), 200);
        let expected = if model == "smart" { "gpt-5.5" } else { model };
        assert_eq!(served_by(&answer), Some(expected));
        assert_eq!(answer.head.header("x-foxbridge-adjusted"), None);
    }
    let unlisted = bridge.ask(&chat("gpt-3", "words=3")).await;
    assert_eq!(unlisted.status(), 404);
    assert_eq!(bridge.journal().submits, 4);
}

#[tokio::test]
async fn nobody_is_served_by_a_model_that_they_may_not_use() {
    const ANNA: &str = "fbk-anna-0c51b7f2e86d4a93";
    let anna = |models: &[&str]| Entry {
        name: "anna".to_owned(),
        hash: Hash::of(ANNA.as_bytes()),
        models: Some(models.iter().map(|it| Pattern::new(it).unwrap()).collect()),
        limits: Limits::default(),
    };
    for (models, served, submits) in [
        (["smart", "claude-*"].as_slice(), Some("claude-opus-4-7"), 2),
        (&["smart", "kimi-*"], Some("kimi-k2.6"), 2),
        (&["smart"], None, 1),
        (&["gpt-*"], None, 1),
    ] {
        let bridge = Bridge::with(|config| {
            fall_back(config);
            config.upstream.api_key = Some("sk-upstream".to_owned().into());
            config.server.clients = Some(vec![anna(models)]);
        })
        .await;
        let request = chat("smart", "id=x words=3 submit=422:no_available_model");
        let request = request.with("Authorization", &format!("Bearer {ANNA}"));
        let answer = bridge.ask(&request).await;
        assert_eq!(served_by(&answer), served, "{models:?}: {}", answer.text());
        assert_eq!(bridge.journal().submits, submits, "{models:?}");
        if served.is_none() {
            assert_eq!(answer.status(), 503, "{models:?}");
        }
    }
}

#[tokio::test]
async fn what_is_found_again_says_who_served_it() {
    for (stream, script) in [
        (false, "id=x words=3 submit=422:no_available_model"),
        (true, "id=x words=3 submit=422:no_available_model"),
        (
            false,
            "id=x words=3 submit=422:no_available_model,422:no_available_model",
        ),
    ] {
        let bridge = bridge().await;
        let request = || {
            request("/v1/chat/completions", "gpt-5.5", script, stream).with("idempotency-key", "k")
        };
        let first = bridge.ask(&request()).await;
        let second = bridge.ask(&again(request())).await;
        assert_eq!((first.status(), second.status()), (200, 200));
        assert_eq!(second.head.header("x-foxbridge-found"), Some("true"));
        assert_eq!(first.text(), second.text());
        assert_eq!(served_by(&first), served_by(&second));
        assert!(served_by(&second).is_some_and(|model| !model.starts_with("gpt")));
        assert_eq!(bridge.journal().accepted, 1);
    }
}

#[tokio::test]
async fn what_was_uploaded_is_not_uploaded_again() {
    let bridge = Bridge::with(|config| {
        fall_back(config);
        config.models.inline_max = 20;
    })
    .await;
    let image = format!("data:image/png;base64,{}", "QUJD".repeat(50));
    let parts = json!([
        {"type": "text", "text": "see [[fox: id=x submit=422:no_available_model]]"},
        {"type": "image_url", "image_url": {"url": image}},
    ]);
    let messages = json!([{"role": "user", "content": parts}]);
    let body = json!({"model": "gpt-5.5", "messages": messages}).to_string();
    let answer = bridge.ask(&Request::chat(body)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let journal = bridge.journal();
    assert_eq!((journal.uploads, journal.submits), (1, 2));
    let url = &submitted(&bridge)["messages"][0]["content"][1]["image_url"]["url"];
    assert!(url.as_str().unwrap().starts_with("http"), "{url}");
}

#[tokio::test]
async fn fallbacks_of_fallbacks_are_not_asked_and_aliases_are_no_names() {
    let bridge = Bridge::with(|config| {
        let list = |models: &[&str]| models.iter().map(|model| (*model).to_owned()).collect();
        let pattern = |name| Pattern::new(name).unwrap();
        config.models.fallbacks = ByModel::new(vec![
            // The pattern has the model itself too, and each leads to the other.
            (pattern("gpt-*"), list(&["gpt-5.5", "smart", "kimi-k2.6"])),
            (pattern("kimi-*"), list(&["gpt-5.5", "claude-opus-4-7"])),
        ]);
        config.models.aliases = ByModel::new(vec![(pattern("smart"), "gpt-5.4".to_owned())]);
    })
    .await;
    let script = "id=w submit=422:no_available_modelx*";
    let answer = bridge.ask(&chat("gpt-5.5", script)).await;
    assert_eq!(answer.status(), 503, "{}", answer.text());
    let asked: Vec<String> = bridge
        .journal()
        .requests
        .iter()
        .filter(|request| request.path == foxbridge::fox::paths::GENERATIONS)
        .map(|request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            body["model"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(asked, ["gpt-5.5", "smart", "kimi-k2.6"]);
    assert_eq!(bridge.journal().accepted, 0);
}
