//! Stopping: the first SIGTERM or SIGINT lets requests finish, the second one does not.

use sd_notify::NotifyState;
use tokio::{
    pin, select,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::failure::Failure;

/// The signals that stop a command.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on the signals do not end the process by themselves: call it before anybody can be told that
    /// the command runs.
    pub(super) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(Failure::Runtime)?,
            interrupt: signal(SignalKind::interrupt()).map_err(Failure::Runtime)?,
        })
    }

    /// Runs `work` until it is done. The first signal cancels `stop`, the second one drops the work.
    pub(super) async fn run_until_stopped(
        mut self,
        stop: CancellationToken,
        work: impl Future<Output = Result<(), Failure>>,
    ) -> Result<(), Failure> {
        pin!(work);
        select! {
            done = &mut work => return done,
            name = self.next() => {
                tracing::info!(
                    "{name}: no new requests; those in flight may finish, a second signal cuts them"
                );
                tell_systemd(NotifyState::Stopping);
                stop.cancel();
            }
        }
        select! {
            done = work => done,
            _ = self.next() => Err(Failure::Interrupted),
        }
    }

    async fn next(&mut self) -> &'static str {
        select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Tells systemd, where it wants to be told (`Type=notify`).
pub(super) fn tell_systemd(state: NotifyState) {
    if let Err(error) = sd_notify::notify(false, &[state]) {
        tracing::warn!(%error, "systemd could not be told how foxbridge is");
    }
}

#[cfg(test)]
mod tests {
    use std::{future, process::Command};

    use super::*;

    fn raise(signal: &str) {
        let script = format!("kill -{signal} {}", std::process::id());
        let status = Command::new("sh").args(["-c", &script]).status();
        assert!(status.expect("sh to run").success());
    }

    #[tokio::test]
    async fn the_first_signal_asks_and_the_second_one_cuts() {
        let signals = Signals::listen().expect("signals");
        let stop = CancellationToken::new();
        let stubborn = async {
            raise("TERM");
            stop.cancelled().await;
            raise("INT");
            future::pending().await
        };
        let done = signals.run_until_stopped(stop.clone(), stubborn).await;
        assert!(matches!(done, Err(Failure::Interrupted)), "{done:?}");
    }
}
