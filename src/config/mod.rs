//! proxy.toml, environment and flags, parsed once into the settings that each room owns.

use std::net::SocketAddr;

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    pub upstream: crate::upstream::Settings,
    pub task: crate::task::Patience,
    pub stream: crate::relay::Settings,
    pub models: crate::translate::Settings,
    pub server: crate::server::Settings,
    pub log: crate::telemetry::Settings,
}
