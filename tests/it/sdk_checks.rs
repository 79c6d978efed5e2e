//! The checks that are written with the official SDKs, one test a file, so that they run side by side.

use crate::sdk::{node, python};

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
