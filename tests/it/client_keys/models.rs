//! What a client may use.

use foxbridge::{
    config::Config,
    keys::Entry,
    translate::{ByModel, Pattern},
};

use super::{ANNA, BERT, by, clients, entry};
use crate::{
    harness::{Bridge, CHAT},
    http::Request,
};

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).unwrap()
}

/// Anna may use some models only, and `path` is relayed.
fn some_models(models: &[&str], config: &mut Config) {
    let anna = Entry {
        models: Some(models.iter().map(|model| pattern(model)).collect()),
        ..entry("anna", ANNA)
    };
    clients(vec![anna, entry("bert", BERT)])(config);
    config.models.aliases = ByModel::new(vec![
        (pattern("fast"), "gpt-5.5".to_owned()),
        (pattern("best"), "claude-opus-4-7".to_owned()),
        (pattern("my-*"), "*".to_owned()),
    ]);
    config.server.passthrough = vec!["/v1/embeddings".to_owned()];
}

async fn bridge(models: &[&str]) -> Bridge {
    Bridge::with(|config| some_models(models, config)).await
}

fn asking_for(model: &str, path: &str) -> Request {
    let question = match path {
        "/v1/chat/completions" => r#""messages":[{"role":"user","content":"hello"}]"#,
        "/v1/completions" => r#""prompt":"hello""#,
        _ => r#""input":"hello""#,
    };
    Request::new("POST", path, format!(r#"{{"model":"{model}",{question}}}"#))
}

#[tokio::test]
async fn only_allowed_models_are_served_by_every_api() {
    let bridge = bridge(&["gpt-*", "best"]).await;
    for path in ["/v1/chat/completions", "/v1/completions", "/v1/responses"] {
        let before = bridge.journal().accepted;
        for model in ["gpt-5.5", "fast", "best", "my-gpt-5.5"] {
            let answer = bridge.ask(&by(ANNA, asking_for(model, path))).await;
            assert_eq!(answer.status(), 200, "{model}: {}", answer.text());
        }
        assert_eq!(bridge.journal().accepted, before + 4);
        for model in [
            "claude-opus-4-7",
            "my-claude-opus-4-7",
            "kimi-k2.6",
            "GPT-5.5",
            "nothing",
        ] {
            let answer = bridge.ask(&by(ANNA, asking_for(model, path))).await;
            assert_eq!(answer.status(), 403, "{model}: {}", answer.text());
            let error = answer.error();
            assert_eq!(error.code.as_deref(), Some("model_not_found"));
            assert_eq!(error.param.as_deref(), Some("model"));
            assert!(error.message.contains("'anna'") && error.message.contains(model));
        }
        assert_eq!(bridge.journal().accepted, before + 4, "nothing was bought");
        let others = by(BERT, asking_for("claude-opus-4-7", path));
        assert_eq!(bridge.ask(&others).await.status(), 200);
    }
}

#[tokio::test]
async fn the_list_has_only_what_a_key_may_use() {
    let bridge = bridge(&["gpt-*", "best"]).await;
    let ids = async |key: &str| -> Vec<String> {
        let list = bridge
            .ask(&by(key, Request::get("/v1/models")))
            .await
            .json();
        let models = list["data"].as_array().unwrap().iter();
        models
            .map(|model| model["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let (of_anna, of_bert) = (ids(ANNA).await, ids(BERT).await);
    assert!(of_bert.len() > of_anna.len());
    for id in ["fast", "best", "gpt-5.5"] {
        assert!(of_anna.iter().any(|other| other == id), "{of_anna:?}");
    }
    for id in &of_bert {
        let is_allowed = of_anna.contains(id);
        assert_eq!(
            is_allowed,
            id.starts_with("gpt-") || ["fast", "best"].contains(&id.as_str()),
            "{id}"
        );
        let one = bridge
            .ask(&by(ANNA, Request::get(&format!("/v1/models/{id}"))))
            .await;
        assert_eq!(one.status(), if is_allowed { 200 } else { 404 }, "{id}");
    }
}

#[tokio::test]
async fn paths_whose_bodies_are_not_read_are_for_keys_without_such_bounds() {
    let bridge = bridge(&["*"]).await;
    let embeddings = Request::new(
        "POST",
        "/v1/embeddings",
        r#"{"model":"gpt-5.5","input":"x"}"#,
    );
    let answer = bridge.ask(&by(ANNA, embeddings.clone())).await;
    assert_eq!(answer.status(), 403, "{}", answer.text());
    assert_eq!(answer.error().code.as_deref(), Some("path_not_allowed"));
    assert!(bridge.journal().requests.is_empty());
    // The simulator has no such path, and says so itself.
    assert_eq!(bridge.ask(&by(BERT, embeddings)).await.status(), 404);
    assert_eq!(bridge.journal().requests.len(), 1);
    assert_eq!(
        bridge.ask(&by(ANNA, Request::chat(CHAT))).await.status(),
        200
    );
}
