use std::time::Duration;

use super::TlsFiles;
use crate::keys;

/// How clients are served (`[server]` and `[passthrough]` in proxy.toml).
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many threads serve connections. 0, which only tests ask for, is none besides whoever accepts them.
    pub threads: usize,
    /// The longest request body that is read, in bytes.
    pub max_body: usize,
    /// The most requests that are being answered: of the paths that buy tasks or are relayed, until the last byte of
    /// the answer was handed over.
    pub max_in_flight: usize,
    /// The most connections of clients.
    pub max_connections: usize,
    /// The most of one address; 0 is any number.
    pub max_connections_per_address: usize,
    /// How long a client may take to send its headers, and then its body; how long it may read nothing, and how long ask
    /// nothing.
    pub read_timeout: Duration,
    /// How long new requests are still taken after SIGTERM.
    pub drain_delay: Duration,
    /// How long requests in flight may go on after that.
    pub shutdown_grace: Duration,
    /// How often a client that waits for an answer in one piece is sent white space ahead of it; `None`: never.
    pub sync_keepalive: Option<Duration>,
    /// Origins whose browsers may call; `["*"]` is any, an empty list is none.
    pub cors_origins: Vec<String>,
    /// Paths under `/v1/` that are relayed unchanged to the upstream; a `*` at the very end stands for any text, also
    /// none. None of them is a path that is served here.
    pub passthrough: Vec<String>,
    /// The keys of clients, without which nobody is served; `None`: every client is, with a key of the upstream's or, where
    /// that is configured, with any.
    pub clients: Option<Vec<keys::Entry>>,
    /// Where the certificates are; `None`: clients speak plain HTTP.
    pub tls: Option<TlsFiles>,
}
