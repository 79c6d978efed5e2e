/// What is logged and how (`[log]` in proxy.toml).
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which events are logged: a level, or targets with levels (`"info,hyper=warn"`).
    pub level: tracing_subscriber::filter::Targets,
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}
