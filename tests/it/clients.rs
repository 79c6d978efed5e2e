//! Checks that are written with further clients of the chat API, one test a client.

use crate::sdk::{node, python};

#[tokio::test]
async fn langchain_is_served() {
    python("langchain", "checks.py").await;
}

#[tokio::test]
async fn litellm_is_served() {
    python("litellm", "checks.py").await;
}

#[tokio::test]
async fn instructor_is_served() {
    python("instructor", "checks.py").await;
}

#[tokio::test]
async fn the_vercel_ai_sdk_is_served() {
    node("ai-sdk", "checks.mjs").await;
}

#[tokio::test]
async fn llama_index_is_served() {
    python("llama-index", "checks.py").await;
}
