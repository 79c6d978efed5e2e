//! Several replicas of foxbridge and the Redis that they share: real processes, and a real server that is stopped, emptied
//! and killed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it has measured"
)]

mod between;
mod failures;
#[path = "../it/fetched.rs"]
mod fetched;
mod harness;
#[expect(
    dead_code,
    unused_imports,
    reason = "the client of tests/it, of which less is needed here"
)]
#[path = "../it/http/mod.rs"]
mod http;
mod limits;
mod middle;
mod operations;
#[path = "../deploy/packages.rs"]
mod packages;
mod planted;
mod responses;
mod retries;
mod server;
mod storm;
mod topologies;
