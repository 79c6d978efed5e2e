//! Why a command ended early, and the exit code that says so.

use std::{io, net::SocketAddr, process::ExitCode};

use foxbridge::{config::Faults, run::StartError};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Usage(clap::Error),
    #[error("{0}")]
    Configuration(#[from] Faults),
    #[error("cannot listen on {address}: {error}; {remedy}")]
    Listen {
        address: SocketAddr,
        error: io::Error,
        /// Which setting chooses another address.
        remedy: &'static str,
    },
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("the simulator failed: {0}")]
    Simulator(io::Error),
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    #[error("the operating system refused what every command needs: {0}")]
    Runtime(io::Error),
    /// Never with the key itself.
    #[error("no key was made: {0}")]
    Key(&'static str),
    #[error("not healthy: {0}")]
    Unhealthy(String),
    #[error("stopped at once by a second signal; requests in flight were cut")]
    Interrupted,
}

impl Failure {
    /// 2 for what the caller wrote, 1 for what went wrong later.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) | Self::Configuration(_) | Self::Key(_) => ExitCode::from(2),
            Self::Listen { .. }
            | Self::Start(_)
            | Self::Simulator(_)
            | Self::Output(_)
            | Self::Runtime(_)
            | Self::Unhealthy(_)
            | Self::Interrupted => ExitCode::from(1),
        }
    }
}
