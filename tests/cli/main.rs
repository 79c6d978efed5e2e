//! The program as an operator meets it: the real binary, its arguments, its files, its environment, its signals.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod binary;
mod check;
mod key;
mod running;
mod sources;
mod supervised;
mod usage;
