//! The whole table with one command: what foxbridge costs beside a bare hyper program and nginx, and how soon it hands
//! over what is there.
//!
//! One program in four roles, each a process of its own: the table itself, which starts the others, reads their costs
//! from the kernel and judges; the fake upstream; the load, which checks every answer; and the floor.

mod build;
mod cases;
mod clock;
mod floor;
mod http;
mod judge;
mod load;
mod machine;
mod measure;
mod options;
mod plan;
mod process;
mod report;
mod stage;
mod stats;
mod upstream;
mod words;

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use tokio::{runtime, task::LocalSet};

use options::{Options, Role};

/// What goes wrong here ends a measurement, or all of them, with a text for whoever reads the table.
pub(crate) type Fault = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.role {
        None => measure::table(&options),
        Some(Role::Upstream) => on_one_thread(upstream::serve()).map(|()| true),
        Some(Role::Floor { upstream }) => on_one_thread(floor::serve(*upstream)).map(|()| true),
        Some(Role::Load) => ask().map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            complain(&fault.to_string());
            ExitCode::FAILURE
        }
    }
}

fn ask() -> Result<(), Fault> {
    let spec = load::Spec::read(&io::read_to_string(io::stdin())?)?;
    let outcome = on_one_thread(load::run(spec))?;
    Ok(writeln!(io::stdout(), "{outcome}")?)
}

fn on_one_thread<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, work)
}

/// Says something on standard error, where progress and faults go. Whether it is read is not this program's concern.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
