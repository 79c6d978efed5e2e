//! The built-in FoxAPI: as strict and as nasty as the contract says, and scriptable.

use std::io;

use tokio::net::TcpListener;

/// How the simulated service behaves when a request says nothing of its own.
#[derive(Debug, Clone, Default)]
pub struct Settings {}

/// What the simulator has seen so far.
#[derive(Debug, Clone, Default)]
pub struct Journal {}

/// A simulator that runs until it is dropped.
#[derive(Debug)]
pub struct Simulator {}

impl Simulator {
    /// Starts on a free port of the loopback interface.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let _ = settings;
        Err(io::Error::other("not written yet"))
    }

    /// For example `http://127.0.0.1:41234`.
    pub fn base_url(&self) -> String {
        String::new()
    }

    pub fn journal(&self) -> Journal {
        Journal::default()
    }
}

/// Serves on `listener` until `stop` resolves.
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let _ = (listener, settings);
    stop.await;
    Ok(())
}
