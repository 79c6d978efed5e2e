//! Bodies and replies without measure, and halves of things: refused before anything is bought, or told as they are.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    harness::{Bridge, CHAT},
    http::Request,
    raw_upstream::*,
};

#[tokio::test]
async fn more_elements_and_members_than_anybody_writes() {
    let bridge = Bridge::with(|config| config.server.max_body = 16 << 20).await;
    let many = |unit: &str, length: usize| unit.repeat(length / unit.len());
    let members: String = (0..500_000).map(|at| format!(",\"{at}\":0")).collect();
    let user = r#""messages":[{"role":"user","content":"x"}]"#;
    for body in [
        format!(
            r#"{{"model":"gpt-5.5","messages":[{}0]}}"#,
            many("0,", 8 << 20)
        ),
        format!(
            r#"{{"model":"gpt-5.5","messages":[{}0]}}"#,
            many("{},", 8 << 20)
        ),
        format!(
            r#"{{"model":"gpt-5.5","messages":[{}{{"role":"user","content":"x"}}]}}"#,
            many(r#"{"role":"user","content":"x"},"#, 8 << 20)
        ),
        format!(r#"{{"model":"gpt-5.5",{user}{members}}}"#),
        format!(
            r#"{{"model":"gpt-5.5",{user},"x":{}1{}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        ),
    ] {
        let answer = bridge.ask(&Request::chat(body)).await;
        assert_eq!(answer.status(), 400, "{}", answer.text());
        assert!(answer.body.len() < 1000);
    }
    assert_eq!(bridge.journal().requests.len(), 0);
}

#[tokio::test]
async fn half_a_character_is_refused_wherever_it_stands() {
    let bridge = Bridge::start().await;
    for body in [
        CHAT.replace("count", r"\ud800"),
        CHAT.replace("gpt-5.5", r"\udc00"),
        CHAT.replace("\"model\"", r#""x\ud800":1,"model""#),
        CHAT.replace("\"model\"", r#""x":[{"y":"\ud83e"}],"model""#),
    ] {
        let answer = bridge.ask(&Request::chat(body)).await;
        assert_eq!(answer.status(), 400, "{}", answer.text());
    }
    assert_eq!(bridge.journal().requests.len(), 0);
}

#[tokio::test]
async fn a_result_beyond_measure_is_said_to_be_so() {
    for stream in [false, true] {
        let script = Script {
            query: vec![completed(completion(&"x".repeat(5000)))],
            open: vec![events(&text("x"))],
            ..Script::default()
        };
        let stage = Stage::with(script, |config| config.upstream.max_reply = 1024).await;
        let answer = stage.ask(&question(stream, json!({}))).await;
        assert!(answer.text().contains("\"task_lost\""), "{}", answer.text());
        assert!(answer.text().contains("max_reply"), "{}", answer.text());
        assert!(!answer.text().contains("[DONE]"));
    }
}

#[tokio::test]
async fn a_task_that_cannot_be_asked_about_is_not_said_to_run() {
    for query in [
        json_reply(500, "", &json!({})),
        json_reply(200, "", &json!([])),
    ] {
        let script = Script {
            query: vec![query],
            ..Script::default()
        };
        let stage = Stage::with(script, |config| {
            config.task.deadline = Duration::from_secs(1)
        })
        .await;
        let answer = stage.ask(&question(false, json!({}))).await;
        assert_eq!(answer.status(), 504);
        assert_eq!(answer.error().code.as_deref(), Some("task_unreachable"));
    }
}

#[tokio::test]
async fn uploads_that_fail_half_way_buy_nothing() {
    let url = |name: &str| json_reply(200, "", &json!({"url": format!("https://files/{name}")}));
    let part = |at: usize| {
        let data = format!("data:image/png;base64,{}", at.to_string().repeat(2000));
        json!({"type": "image_url", "image_url": {"url": data}})
    };
    let parts: Vec<Value> = (0..4).map(part).collect();
    let messages = json!({"messages": [{"role": "user", "content": parts}]});
    let refused = json_reply(413, "", &json!({"error": {"message": "too large"}}));
    let all = [url("a"), url("b"), url("c"), url("d")];
    let start = async |upload: Vec<Reply>| {
        let script = Script {
            upload,
            ..Script::default()
        };
        Stage::with(script, |config| config.models.inline_max = 1000).await
    };
    for (third, status) in [
        (refused, 413),
        (json_reply(500, "", &json!({})), 502),
        (hang(), 502),
    ] {
        let mut uploads = all.to_vec();
        uploads[2] = third;
        let stage = {
            let script = Script {
                upload: uploads,
                ..Script::default()
            };
            Stage::with(script, |config| {
                config.models.inline_max = 1000;
                config.upstream.request_timeout = Duration::from_millis(500);
            })
            .await
        };
        let answer = stage.ask(&question(false, messages.clone())).await;
        assert_eq!(answer.status(), status, "{}", answer.text());
        assert!(answer.error().param.is_some());
        assert_eq!(stage.upstream.seen().submits, 0, "{status}");
    }
    let stage = start(all.to_vec()).await;
    let answer = stage.ask(&question(false, messages)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let submissions = stage.upstream.submissions();
    let parts = submissions[0]["messages"][0]["content"].as_array().unwrap();
    let mut urls: Vec<&str> = parts
        .iter()
        .map(|part| part["image_url"]["url"].as_str().unwrap())
        .collect();
    urls.sort_unstable();
    assert_eq!(
        urls,
        [
            "https://files/a",
            "https://files/b",
            "https://files/c",
            "https://files/d"
        ]
    );
}
