//! Everything in deploy/ is read by the tools that it is written for, and each tool is shown a planted mistake, so that its
//! silence means something. The tools are fetched by `tools`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod containers;
mod dashboard;
#[expect(dead_code, reason = "of tests/it, of which less is needed here")]
#[path = "../it/fetched.rs"]
mod fetched;
mod helm;
mod kubernetes;
mod kustomize;
mod packages;
mod pages;
mod prometheus;
mod settings;
#[cfg(target_os = "linux")]
mod systemd;
mod texts;
mod tools;
