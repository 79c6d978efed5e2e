//! How many files the process may have open. Every connection is one.

use foxbridge::{admin, config::Config};

/// Besides connections: the log, the runtime's own, name lookups, and what is just being closed.
const OTHERS: usize = 100;

/// Raises the limit as far as the operating system lets this process.
pub(super) fn raise() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::debug!(%error, "the limit of open files could not be raised");
    }
}

/// What to do when the limit is lower than what the settings allow to be open.
pub(super) fn warning(config: &Config) -> Option<String> {
    let limit = rlimit::getrlimit(rlimit::Resource::NOFILE).ok()?.0;
    too_low(limit, config)
}

fn too_low(limit: u64, config: &Config) -> Option<String> {
    let (connections, requests) = (config.server.max_connections, config.server.max_in_flight);
    // Tasks that are followed for clients that have left are as many again.
    let orphans = config.task.orphan_grace.map_or(0, |_| requests);
    let surplus = foxbridge::server::SURPLUS_CONNECTIONS + admin::CONNECTIONS + OTHERS;
    // Over HTTP/1.1 each request may need an upstream connection of its own.
    let needed = (connections + requests + orphans + surplus) as u64;
    (limit < needed).then(|| {
        format!(
            "at most {limit} files may be open, but server.max_connections = {connections} and \
             server.max_in_flight = {requests} can need {needed}: raise the limit (ulimit -Hn, LimitNOFILE= of systemd, \
             --ulimit nofile= of docker) or lower the settings, or else connections fail under full load"
        )
    })
}

#[cfg(test)]
mod tests {
    use foxbridge::config::{Sources, load};

    use super::*;

    #[test]
    fn the_warning_names_what_is_needed() {
        let mut config = load(&Sources::default()).expect("sound defaults").config;
        config.server.max_connections = 500;
        config.server.max_in_flight = 400;
        assert_eq!(too_low(1320, &config), None);
        let warning = too_low(1319, &config).expect("a warning");
        assert!(warning.contains("can need 1320"), "{warning}");
        config.task.orphan_grace = Some(std::time::Duration::from_secs(1));
        assert!(too_low(1719, &config).is_some() && too_low(1720, &config).is_none());
    }
}
