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
}

/// Which certificate authorities are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorities {
    /// Those of the web that are built in.
    Bundled,
    /// Those of the operating system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    System,
}
