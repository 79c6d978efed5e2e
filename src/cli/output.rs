//! The one place that writes to standard output and, besides the log, to standard error.

use std::io::{self, Write};

use super::failure::Failure;

/// Writes `text` to standard output. A reader that left, such as `head`, is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

/// Writes `text` to standard error. Where that fails there is nobody left to tell.
pub(crate) fn complain(text: &str) {
    let line = format!("{}\n", text.trim_end());
    let _ = io::stderr().lock().write_all(line.as_bytes());
}
