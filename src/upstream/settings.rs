use std::{path::PathBuf, time::Duration};

use hyper::Uri;
use secrecy::SecretString;

/// Where the upstream is and how long it may take (`[upstream]` in proxy.toml).
#[derive(Debug, Clone)]
pub struct Settings {
    /// Scheme, host and port, with an optional path prefix; no trailing slash, no query.
    pub base_url: Uri,
    /// Used for every upstream call when set; otherwise each caller's own key is.
    pub api_key: Option<SecretString>,
    /// Several keys in place of that one, of which each request takes one.
    pub keys: Option<Vec<UpstreamKey>>,
    pub ca: Authorities,
    /// A PEM file of certificate authorities to trust besides.
    pub ca_file: Option<PathBuf>,
    /// DNS, TCP and TLS together.
    pub connect_timeout: Duration,
    /// One submit or one query, until its whole reply is read.
    pub request_timeout: Duration,
    /// The longest reply to a submit, a query or a model list that is read, in bytes.
    pub max_reply: usize,
    /// How long a caller's model list is kept before the upstream is asked again; zero never keeps it.
    pub models_cache: Duration,
    /// At which share of failed submits, from 0 to 1, no more are sent for a while; `None` sends them always.
    pub breaker: Option<f64>,
    /// For how long, the first time.
    pub breaker_pause: Duration,
    /// How many repetitions there may be for each request, from 0 to 1.
    pub retry_budget: f64,
}

/// One of several keys.
#[derive(Debug, Clone)]
pub struct UpstreamKey {
    /// What the log and the metrics call it; no two have the same.
    pub name: String,
    pub key: SecretString,
    /// Its share of the requests, against the weights of the others; at least 1.
    pub weight: u32,
}

/// Which certificate authorities are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorities {
    /// Those of the web that are built in.
    Bundled,
    /// Those of the operating system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    System,
}
