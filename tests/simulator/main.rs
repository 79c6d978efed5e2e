//! The simulated FoxAPI, over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod answers;
mod endpoints;
mod faults;
mod journal;
mod lives;
mod refusals;
mod streams;
mod wholeness;
mod wire;
