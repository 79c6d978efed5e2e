//! foxbridge: an OpenAI-compatible front for FoxAPI's asynchronous LLM task API.
//!
//! Each room has one purpose, and imports run one way: a room may use only rooms of the rows above its own
//! (`tests/house.rs` holds this). Rows 1 to 4 never do I/O and never see a clock: time enters as an event,
//! delay leaves as a duration.
//!
//! | row | rooms |
//! |---|---|
//! | 1 | [`json`] |
//! | 2 | [`openai`] (the client's words), [`fox`] (the upstream's words), [`sse`] |
//! | 3 | [`api_error`], [`task`] (the life of one task, as a state machine) |
//! | 4 | [`translate`] (words into words, pure), [`metrics`] (what is counted) |
//! | 5 | [`upstream`] (one function per upstream call), [`ledger`] (which task belongs to which request), [`keys`] (who the clients are, and how much they may have) |
//! | 6 | [`relay`] (drives the machine: waiting and bridging) |
//! | 7 | [`server`], [`telemetry`] (what an operator sees) |
//! | 8 | [`config`], [`admin`] (what a supervisor asks), [`reload`] (what is read again from files) |
//! | 9 | [`run`] |
//!
//! [`simulator`] stands apart: it is a FoxAPI of its own and knows only `fox` and `json`.

pub mod admin;
pub mod api_error;
pub mod config;
pub mod fox;
pub mod json;
pub mod keys;
pub mod ledger;
pub mod metrics;
pub mod openai;
pub mod relay;
pub mod reload;
pub mod run;
pub mod server;
pub mod simulator;
pub mod sse;
pub mod task;
pub mod telemetry;
pub mod translate;
pub mod upstream;
