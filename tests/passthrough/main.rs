//! Paths that are relayed unchanged, between clients and upstreams on real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod endings;
mod flow;
mod harness;
mod limits;
mod log;
mod paths;
mod unchanged;
