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
//! | 3 | [`api_error`], [`task`] (the life of one task, as a state machine), [`trace_context`] (of which trace a request is part) |
//! | 4 | [`translate`] (words into words, pure), [`metrics`] (what is counted) |
//! | 5 | [`upstream`] (one function per upstream call), [`fleet`] (what replicas share, on Redis) |
//! | 6 | [`ledger`] (which task belongs to which request), [`keys`] (who the clients are, and how much they may have) |
//! | 7 | [`relay`] (drives the machine: waiting and bridging), [`traces`] (what a collector of traces is told) |
//! | 8 | [`server`], [`telemetry`] (what an operator sees) |
//! | 9 | [`config`], [`admin`] (what a supervisor asks), [`reload`] (what is read again from files) |
//! | 10 | [`run`] |
//!
//! [`simulator`] stands apart: it is a FoxAPI of its own and knows only `fox` and `json`.

pub mod admin;
pub mod api_error;
pub mod config;
pub mod fleet;
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
pub mod trace_context;
pub mod traces;
pub mod translate;
pub mod upstream;
