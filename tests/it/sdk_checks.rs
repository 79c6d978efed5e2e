//! The checks that are written with the official SDKs, one test a file, so that they run side by side.

use crate::sdk::{node, python};

#[tokio::test]
async fn openai_python_gets_plain_answers() {
    python("chat.py").await;
}

#[tokio::test]
async fn openai_python_follows_streams() {
    python("streams.py").await;
}

#[tokio::test]
async fn openai_python_lists_models() {
    python("models.py").await;
}

#[tokio::test]
async fn openai_python_gets_legacy_completions() {
    python("completions.py").await;
}

#[tokio::test]
async fn openai_python_raises_its_own_exceptions() {
    python("errors.py").await;
}

#[tokio::test]
async fn openai_python_retries_and_buys_once() {
    python("billing.py").await;
}

#[tokio::test]
async fn openai_python_calls_tools_and_parses() {
    python("tools.py").await;
}

#[tokio::test]
async fn openai_node_gets_plain_answers() {
    node("chat.mjs").await;
}

#[tokio::test]
async fn openai_node_follows_streams() {
    node("streams.mjs").await;
}

#[tokio::test]
async fn openai_node_throws_its_own_errors_and_buys_once() {
    node("errors.mjs").await;
}

#[tokio::test]
async fn openai_node_calls_tools_and_parses() {
    node("tools.mjs").await;
}
