//! The program: arguments, configuration, logging, run; and the only exit code.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            cli::output::complain(&failure.to_string());
            failure.exit_code()
        }
    }
}
