use std::{fmt, time::Duration};

use secrecy::SecretString;

/// The Redis that replicas share (`ledger.store = "redis://…"` and `ledger.redis_*` in proxy.toml).
#[derive(Clone)]
pub struct Settings {
    pub address: Address,
    pub topology: Topology,
    pub password: Option<SecretString>,
    /// PEM of the certificate authorities to trust instead of the operating system's.
    pub ca: Option<Vec<u8>>,
    /// How long anybody waits for one answer.
    pub timeout: Duration,
    pub if_unavailable: IfUnavailable,
    /// How long a row lives, from its request's first arrival.
    pub max_age: Duration,
    /// The most rows of one caller, and the most changes that wait to be written.
    pub max_rows: usize,
}

/// `redis://USER@HOST:PORT,HOST:PORT/DATABASE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub hosts: Vec<(String, u16)>,
    pub user: Option<String>,
    pub database: u16,
    pub tls: bool,
}

/// What the hosts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Single,
    /// Nodes of a Redis Cluster, which name the others.
    Cluster,
    /// Sentinels, which name the master of this name.
    Sentinel(String),
}

/// What becomes of requests while Redis cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfUnavailable {
    /// They go on, each replica for itself.
    Serve,
    /// What would buy is refused.
    Refuse,
}

impl Settings {
    /// Whether something may be bought of which Redis does not know.
    pub fn buys_unnoted(&self) -> bool {
        self.if_unavailable == IfUnavailable::Serve
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("address", &self.address)
            .field("topology", &self.topology)
            .field("timeout", &self.timeout)
            .field("if_unavailable", &self.if_unavailable)
            .finish_non_exhaustive()
    }
}
