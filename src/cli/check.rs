//! `foxbridge check`: every fault of a configuration, or the settings in force.

use foxbridge::config;

use super::{arguments::Configuration, failure::Failure, output};

pub(super) fn run(configuration: &Configuration) -> Result<(), Failure> {
    let loaded = config::load(&configuration.sources())?;
    for warning in loaded.config.warnings() {
        output::complain(&format!("warning: {warning}"));
    }
    output::print(&loaded.effective.to_string())
}
