use std::time::Duration;

/// How clients are served (`[server]` in proxy.toml).
#[derive(Debug, Clone)]
pub struct Settings {
    /// The longest request body that is read, in bytes.
    pub max_body: usize,
    /// How long a client may take to send its headers, and then its body.
    pub read_timeout: Duration,
    /// How long requests in flight may go on after SIGTERM.
    pub shutdown_grace: Duration,
    /// Origins whose browsers may call; `["*"]` is any, an empty list is none.
    pub cors_origins: Vec<String>,
}
