//! The built-in FoxAPI: as strict and as nasty as the contract says, and scriptable.
//!
//! What it answers follows CONTRACT.md, sections 1 to 6. Markers in message texts bring faults about (documented in
//! [`MARKER_HELP`]), and so do some keys (in `http.rs`, and [`Settings::keys`]). A task's state is told from how long ago
//! it was accepted; nothing runs in the background but connections.
//!
//! It knows only the upstream's paths, not the words that the proxy uses for it: a mistake in those would otherwise be
//! made on both sides and show nowhere.

use std::{io, sync::Arc};

use tokio::{net::TcpListener, task::JoinHandle};

mod answer;
mod chunks;
mod connection;
mod follow;
mod frames;
mod http;
mod journal;
mod marker;
mod message;
mod models;
mod plan;
mod reply;
mod schema;
mod script;
mod service;
mod settings;
mod speech;
mod submission;
mod task;
mod tokens;
mod upload;

pub use journal::{Journal, Recorded};
pub use script::Faults;
pub use settings::Settings;

use service::{Service, tally_name};

/// How a request scripts its own faults, as Markdown.
pub const MARKER_HELP: &str = include_str!("markers.md");

/// A simulator that runs until it is dropped.
#[derive(Debug)]
pub struct Simulator {
    service: Arc<Service>,
    server: JoinHandle<()>,
}

impl Simulator {
    /// Starts on a free port of the loopback interface.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let service = new_service(&listener, settings)?;
        let server = tokio::spawn(connection::accept(listener, Arc::clone(&service)));
        Ok(Self { service, server })
    }

    /// For example `http://127.0.0.1:41234`.
    pub fn base_url(&self) -> String {
        self.service.base_url.clone()
    }

    /// What it has seen so far.
    pub fn journal(&self) -> Journal {
        self.service.journalist.journal()
    }

    /// Waits until the journal is as `wanted`, and returns it.
    pub async fn journal_when(&self, wanted: impl Fn(&Journal) -> bool) -> Journal {
        let mut changes = self.service.journalist.changes();
        loop {
            let journal = self.journal();
            // The sender lives as long as `self`, so that waiting cannot fail.
            if wanted(&journal) || changes.changed().await.is_err() {
                return journal;
            }
        }
    }

    /// How many tasks were made of submits whose marker says `id=…`.
    pub fn accepted(&self, marker_id: &str) -> u64 {
        let name = tally_name(Some(marker_id), &[]);
        self.service.journalist.tally(&name).accepted
    }

    /// How many tasks were made of submits with exactly this body and no marker id.
    pub fn accepted_body(&self, body: &[u8]) -> u64 {
        let name = tally_name(None, body);
        self.service.journalist.tally(&name).accepted
    }

    /// How many valid submits came whose marker says `id=…`, whether they were accepted or not.
    pub fn attempts(&self, marker_id: &str) -> u64 {
        let name = tally_name(Some(marker_id), &[]);
        self.service.journalist.tally(&name).attempts
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Serves on `listener` until `stop` resolves.
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let service = new_service(&listener, settings)?;
    tokio::select! {
        () = connection::accept(listener, service) => {}
        () = stop => {}
    }
    Ok(())
}

fn new_service(listener: &TcpListener, settings: Settings) -> io::Result<Arc<Service>> {
    let address = listener.local_addr()?;
    Ok(Arc::new(Service::new(
        settings,
        format!("http://{address}"),
    )))
}
