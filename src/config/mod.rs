//! proxy.toml, environment and flags, parsed once into the settings that each room owns.
//!
//! A setting exists in four places: its row in `keys.rs`, its reading in `rooms.rs`, the settings struct of the
//! room that uses it, and proxy.toml and README.md, which tests hold against the row.

mod address;
mod by_model;
mod client_keys;
mod effective;
mod fault;
mod files;
mod key_list;
pub mod keys;
mod layer;
mod literal;
mod parse;
mod rooms;
mod share;
mod sources;
mod suggest;
mod upstream_keys;
mod warnings;

use std::{net::SocketAddr, path::PathBuf};

pub use effective::Effective;
pub use fault::{Fault, Faults};
pub use key_list::is_key_name;
pub use sources::{File, Flag, Sources};

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    /// Where supervisors ask how the process is; nowhere by default.
    pub admin_listen: Option<SocketAddr>,
    pub upstream: crate::upstream::Settings,
    pub task: crate::task::Patience,
    pub ledger: crate::ledger::Settings,
    /// The Redis that replicas share; none by default.
    pub fleet: Option<crate::fleet::Settings>,
    pub stream: crate::relay::Settings,
    pub models: crate::translate::Settings,
    pub server: crate::server::Settings,
    pub log: crate::telemetry::Settings,
    /// Where traces go; nowhere by default.
    pub trace: Option<crate::traces::Settings>,
}

/// A configuration without fault.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// The same, as a person wrote it and with the origin of each setting.
    pub effective: Effective,
    /// The files that settings name and that are read with them.
    pub files: Vec<PathBuf>,
}

/// Merges the sources and parses every setting. Reads proxy.toml and the files that settings name.
///
/// # Errors
/// Every fault of the whole configuration at once.
pub fn load(sources: &Sources) -> Result<Loaded, Faults> {
    let (figment, mut faults) = sources::merge(sources);
    match rooms::furnish(&figment, &mut faults) {
        Some(config) if faults.is_empty() => Ok(Loaded {
            config,
            effective: Effective::of(&figment),
            files: rooms::files(&figment),
        }),
        _ => Err(Faults(faults)),
    }
}

#[cfg(test)]
mod tests;
