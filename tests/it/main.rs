//! foxbridge from outside: real sockets on both sides, and the clients that people really use.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bad_framing;
mod bad_input;
mod breaker;
mod browsers;
mod client_keys;
mod clients;
mod completions;
mod crowd;
mod demo;
mod doubts;
mod events;
mod fallbacks;
mod fetched;
mod floods;
mod harness;
mod http;
mod idle_connections;
mod journal_page;
mod kept_alive;
mod limits;
mod measure;
mod memory;
mod metrics;
mod models;
mod orphans;
mod other_hosts;
mod plain;
mod process;
mod quoted_keys;
mod raw_upstream;
mod refusals;
mod refused_submits;
mod reloads;
mod replays;
mod response_clients;
mod responses;
mod restarts;
mod retries;
mod rolling;
mod sdk;
mod sdk_checks;
mod secrets;
mod shutdown;
mod silences;
mod slow_readers;
mod streams;
mod supervisors;
mod thousands;
mod tls;
mod tls_inbound;
mod traces;
mod untaken;
mod upstream_keys;
mod waiting;
