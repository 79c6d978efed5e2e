//! Checks that are written with clients of the Responses API, one test a file.

use crate::sdk::{node, python};

#[tokio::test]
async fn openai_python_gets_responses() {
    python("python", "responses.py").await;
}

#[tokio::test]
async fn openai_python_calls_tools_by_responses() {
    python("python", "responses_tools.py").await;
}

#[tokio::test]
async fn openai_python_asks_for_kept_responses() {
    python("python", "responses_kept.py").await;
}

#[tokio::test]
async fn openai_python_resumes_background_responses() {
    python("python", "responses_background.py").await;
}

#[tokio::test]
async fn openai_python_raises_what_responses_refuse() {
    python("python", "responses_errors.py").await;
}

#[tokio::test]
async fn openai_node_gets_responses() {
    node("node", "responses.mjs").await;
}

#[tokio::test]
async fn openai_node_asks_for_kept_responses() {
    node("node", "responses_kept.mjs").await;
}

#[tokio::test]
async fn openai_agents_are_served() {
    python("openai-agents", "checks.py").await;
}

#[tokio::test]
async fn pydantic_ai_is_served() {
    python("pydantic-ai", "checks.py").await;
}

#[tokio::test]
async fn the_vercel_ai_sdk_is_served_by_responses() {
    node("ai-sdk-openai", "checks.mjs").await;
}

#[tokio::test]
async fn codex_is_served() {
    node("codex", "checks.mjs").await;
}
