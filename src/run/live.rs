//! Settings that are changed while foxbridge serves.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use crate::{
    config::{self, Config, Effective, File, Loaded, Sources},
    metrics::Metrics,
    reload::Part,
    server::{Renewal, Renewed},
    upstream::Upstream,
};

/// What is decided once, at the start: sockets, threads, what is bounded by them, and what is open.
const FIXED: [&str; 17] = [
    "listen",
    "server.threads",
    "server.max_in_flight",
    "server.max_connections",
    "server.max_connections_per_address",
    "server.tls_cert",
    "server.tls_key",
    "server.tls_client_ca",
    "admin.listen",
    "admin.allow_public",
    "ledger.",
    "responses.",
    "task.orphan",
    "task.orphan_grace",
    "log.level",
    "log.format",
    "trace.",
];

/// Reads the settings again, and has requests served by them.
pub(super) struct Live {
    sources: Sources,
    files: Vec<PathBuf>,
    renewal: Renewal,
    metrics: Metrics,
    /// What was read last and was good.
    known: Mutex<Effective>,
}

impl Live {
    pub(super) fn new(
        sources: Sources,
        loaded: &Loaded,
        renewal: Renewal,
        metrics: Metrics,
    ) -> Self {
        let named = match &sources.file {
            File::None => None,
            File::IfPresent(path) | File::Named(path) => Some(path.clone()),
        };
        Self {
            files: named
                .into_iter()
                .chain(loaded.files.iter().cloned())
                .collect(),
            sources,
            renewal,
            metrics,
            known: Mutex::new(loaded.effective.clone()),
        }
    }

    pub(super) fn part(self) -> Part {
        Part {
            name: "settings",
            files: self.files.clone(),
            renew: Box::new(move || self.renew()),
        }
    }

    fn renew(&self) -> Result<(), String> {
        let Loaded {
            config, effective, ..
        } = config::load(&self.sources).map_err(|faults| faults.to_string())?;
        let Config {
            upstream,
            task,
            stream,
            models,
            server,
            ..
        } = config;
        let upstream = Upstream::new(upstream, self.metrics.clone());
        let upstream = upstream.map_err(|error| error.to_string())?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = known.changes(&effective);
        let (fixed, live): (Vec<String>, Vec<String>) =
            changed.into_iter().partition(|name| is_fixed(name));
        if !live.is_empty() {
            tracing::info!(
                settings = live.join(", "),
                "changed, for requests from now on"
            );
        }
        if !fixed.is_empty() {
            tracing::warn!(
                settings = fixed.join(", "),
                "changed, but these are read at the start only: restart foxbridge"
            );
        }
        self.renewal.renew(Renewed {
            upstream,
            patience: task,
            stream,
            models,
            settings: server,
        });
        *known = effective;
        Ok(())
    }
}

fn is_fixed(name: &str) -> bool {
    FIXED
        .iter()
        .any(|fixed| name == *fixed || fixed.ends_with('.') && name.starts_with(fixed))
}
