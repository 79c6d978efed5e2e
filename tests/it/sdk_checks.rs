//! The checks that are written with the official SDKs, one test a file, so that they run side by side.

use std::time::Duration;

use foxbridge::{
    config::Config,
    keys::{Entry, Hash, Limits},
    translate::Pattern,
};

use crate::sdk::{node, node_with, python, python_with};

#[tokio::test]
async fn openai_python_gets_plain_answers() {
    python("python", "chat.py").await;
}

#[tokio::test]
async fn openai_python_follows_streams() {
    python("python", "streams.py").await;
}

#[tokio::test]
async fn openai_python_lists_models() {
    python("python", "models.py").await;
}

#[tokio::test]
async fn openai_python_gets_legacy_completions() {
    python("python", "completions.py").await;
}

#[tokio::test]
async fn openai_python_raises_its_own_exceptions() {
    python("python", "errors.py").await;
}

#[tokio::test]
async fn openai_python_retries_and_buys_once() {
    python("python", "billing.py").await;
}

#[tokio::test]
async fn openai_python_calls_tools_and_parses() {
    python("python", "tools.py").await;
}

#[tokio::test]
async fn openai_node_gets_plain_answers() {
    node("node", "chat.mjs").await;
}

#[tokio::test]
async fn openai_node_follows_streams() {
    node("node", "streams.mjs").await;
}

#[tokio::test]
async fn openai_node_throws_its_own_errors_and_buys_once() {
    node("node", "errors.mjs").await;
}

#[tokio::test]
async fn openai_node_calls_tools_and_parses() {
    node("node", "tools.mjs").await;
}

#[tokio::test]
async fn openai_python_sends_every_parameter() {
    python("python", "parameters.py").await;
}

#[tokio::test]
async fn openai_python_sends_media() {
    python("python", "media.py").await;
}

#[tokio::test]
async fn openai_python_reads_reasoning() {
    python("python", "reasoning.py").await;
}

#[tokio::test]
async fn openai_node_sends_every_parameter() {
    node("node", "parameters.mjs").await;
}

#[tokio::test]
async fn openai_node_sends_media() {
    node("node", "media.mjs").await;
}

fn impatient(config: &mut Config) {
    config.task.deadline = Duration::from_millis(700);
}

#[tokio::test]
async fn openai_python_waits_on_behind_the_deadline() {
    python_with("python", "deadline.py", impatient).await;
}

#[tokio::test]
async fn openai_node_waits_on_behind_the_deadline() {
    node_with("node", "deadline.mjs", impatient).await;
}

fn kept_alive(config: &mut Config) {
    config.server.sync_keepalive = Some(Duration::from_millis(50));
}

#[tokio::test]
async fn openai_python_takes_white_space_for_what_it_is() {
    python_with("python", "late.py", kept_alive).await;
}

#[tokio::test]
async fn openai_node_takes_white_space_for_what_it_is() {
    node_with("node", "late.mjs", kept_alive).await;
}

fn with_clients(config: &mut Config) {
    let a_minute = |requests| Limits {
        requests_per_minute: Some(requests),
        ..Limits::default()
    };
    let entry = |name: &str, key: &str, limits, models: Option<&str>| Entry {
        name: name.to_owned(),
        hash: Hash::of(key.as_bytes()),
        models: models.map(|model| vec![Pattern::new(model).unwrap()]),
        limits,
    };
    config.upstream.api_key = Some("sk-of-the-operator".into());
    config.server.clients = Some(vec![
        entry(
            "unlimited",
            "fbk-unlimited-1c9e7d3a",
            Limits::default(),
            None,
        ),
        entry("two-a-minute", "fbk-two-a-minute-77a1c2", a_minute(2), None),
        entry("paced", "fbk-ten-a-minute-5be0", a_minute(10), None),
        entry(
            "only-gpt",
            "fbk-only-gpt-40f2",
            Limits::default(),
            Some("gpt-*"),
        ),
    ]);
}

#[tokio::test]
async fn openai_python_is_told_of_its_own_keys_limits() {
    python_with("python", "keys.py", with_clients).await;
}
