//! The model list.

use std::time::Duration;

use crate::{
    harness::Bridge,
    http::{KEY, Request},
};

#[tokio::test]
async fn the_list_is_openais() {
    let bridge = Bridge::start().await;
    let answer = bridge.ask(&Request::get("/v1/models")).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.head.header("content-type"), Some("application/json"));
    let list = answer.json();
    assert_eq!(list["object"], "list");
    let models = list["data"].as_array().unwrap();
    assert!(models.len() >= 8, "{list}");
    for model in models {
        assert!(model["id"].is_string(), "{model}");
        assert_eq!(model["object"], "model");
        assert!(model["created"].is_u64(), "{model}");
        assert!(model["owned_by"].is_string(), "{model}");
    }
    for model in models {
        let id = model["id"].as_str().unwrap();
        let one = bridge.ask(&Request::get(&format!("/v1/models/{id}"))).await;
        assert_eq!(&one.json(), model);
    }
    let journal = bridge.journal();
    assert_eq!(journal.accepted, 0);
    for request in journal.requests {
        assert_eq!(
            request.authorization(),
            Some(format!("Bearer {KEY}").as_str())
        );
    }
}

#[tokio::test]
async fn an_unknown_model_is_not_found() {
    let bridge = Bridge::start().await;
    for unknown in ["gpt-2", "a%2Fb", "%ff", "x y".replace(' ', "%20").as_str()] {
        let answer = bridge
            .ask(&Request::get(&format!("/v1/models/{unknown}")))
            .await;
        assert_eq!(answer.status(), 404, "{unknown}: {}", answer.text());
        assert_eq!(
            answer.error().code.as_deref(),
            Some("model_not_found"),
            "{unknown}"
        );
    }
}

#[tokio::test]
async fn a_list_is_kept_for_a_while_and_only_for_the_key_it_was_made_for() {
    let bridge =
        Bridge::with(|config| config.upstream.models_cache = Duration::from_secs(600)).await;
    let list = Request::get("/v1/models");
    let first = bridge.ask(&list).await.json();
    assert_eq!(bridge.ask(&list).await.json(), first);
    assert_eq!(bridge.journal().model_lists, 1);

    let other = list.clone().with("Authorization", "Bearer sk-other");
    assert_eq!(bridge.ask(&other).await.status(), 200);
    assert_eq!(bridge.journal().model_lists, 2);

    // A refusal is no list: it is never kept, and never given to anybody else.
    let refused = list.clone().with("Authorization", "Bearer sk-invalid");
    for _ in 0..2 {
        let answer = bridge.ask(&refused).await;
        assert_eq!(answer.status(), 401, "{}", answer.text());
        assert_eq!(answer.error().code.as_deref(), Some("invalid_api_key"));
    }
    assert_eq!(bridge.journal().model_lists, 4);
    assert_eq!(bridge.ask(&list).await.json(), first);
}
