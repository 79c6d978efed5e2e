//! Events on standard error, as text or as JSON.

use std::{
    env,
    io::{self, IsTerminal},
};

use tracing_subscriber::{Layer, Registry, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use super::{lines::Lines, text::Text};

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

/// A log was set up before; that one goes on.
#[derive(Debug, thiserror::Error)]
#[error("the log is set up already")]
pub struct AlreadySetUp;

/// Sends the events of the whole process to standard error. Colours only where a person watches and NO_COLOR
/// (no-color.org) does not object.
///
/// # Errors
/// When a log was set up before.
pub fn init(settings: &Settings) -> Result<(), AlreadySetUp> {
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_watched = io::stderr().is_terminal() && !no_color;
    // A report of a failed write would go to the same broken stream, where it panics.
    let events = fmt::layer()
        .with_writer(Lines)
        .with_ansi(is_watched)
        .log_internal_errors(false);
    let events: Box<dyn Layer<Registry> + Send + Sync> = match settings.format {
        Format::Text if is_watched => Box::new(events),
        Format::Text => Box::new(events.event_format(Text)),
        Format::Json => Box::new(events.with_ansi(false).json().flatten_event(true)),
    };
    tracing_subscriber::registry()
        .with(events.with_filter(settings.level.clone()))
        .try_init()
        .map_err(|_| AlreadySetUp)
}
