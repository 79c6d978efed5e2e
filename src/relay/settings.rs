use std::time::Duration;

/// How a live stream is kept (`[stream]` in proxy.toml).
#[derive(Debug, Clone)]
pub struct Settings {
    /// Upstream silence after which the task query decides what happened.
    pub idle: Duration,
    /// Silence towards the client after which a comment is sent.
    pub keepalive: Duration,
}
