//! The command line: one file a command.

mod arguments;
mod behaviour;
mod check;
mod demo;
mod failure;
mod healthcheck;
mod key;
mod open_files;
pub(crate) mod output;
mod serve;
mod signals;
mod simulate;

use std::ffi::OsString;

use clap::Parser;

use arguments::{Arguments, Command};
use failure::Failure;

/// For `--version` and the first log line.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BUILD_COMMIT"), ")");

/// Runs the command that `arguments` ask for until it is done or stopped.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(message) if message.use_stderr() => return Err(Failure::Usage(message)),
        Err(help_or_version) => return output::print(&help_or_version.render().to_string()),
    };
    match arguments.command {
        None => serve::run(&arguments.configuration),
        Some(Command::Serve(configuration)) => serve::run(&configuration),
        Some(Command::Check(configuration)) => check::run(&configuration),
        Some(Command::Healthcheck(arguments)) => healthcheck::run(&arguments),
        Some(Command::Key(flags)) => key::run(&flags),
        Some(Command::Demo(flags)) => demo::run(&flags),
        Some(Command::Simulate(flags)) => simulate::run(&flags),
    }
}

/// Runs `work` on this thread, with as many connections as may be; the proxy has threads of its own. Whatever it left
/// behind does not hold up the exit.
fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    open_files::raise();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    let done = runtime.block_on(work);
    runtime.shutdown_background();
    done
}
