//! The program: arguments, configuration, logging, run; and the only exit code.

mod cli;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Measured: what a request allocates costs half, and what a crowd has used is given back (ARCHITECTURE.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match cli::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            cli::output::complain(&failure.to_string());
            failure.exit_code()
        }
    }
}
