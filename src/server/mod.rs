//! The client's side: listen, route, one file an endpoint, and replies in OpenAI's shape.

mod access;
mod body;
mod chat;
mod completions;
mod cors;
mod credentials;
mod framing;
mod kept_alive;
mod listen;
mod models;
mod order;
mod passthrough;
mod purchase;
mod relayed;
mod reply;
mod route;
mod settings;
mod slots;
mod watchdog;
mod whole;
mod wire;

pub use listen::{SURPLUS_CONNECTIONS, serve};
pub use settings::Settings;

use std::time::{SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;

use crate::{
    ledger::Ledger,
    relay::{self, Orphans},
    task::Patience,
    translate,
    upstream::Upstream,
};

/// Everything that the endpoints need, made once.
pub struct App {
    pub upstream: Upstream,
    pub ledger: Ledger,
    pub patience: Patience,
    pub stream: relay::Settings,
    pub orphans: Orphans,
    pub models: translate::Settings,
    pub settings: Settings,
    /// Cancelled as soon as no new requests are wanted, which supervisors are told (`admin`).
    pub draining: CancellationToken,
    /// Cancelled when requests in flight are not waited for any longer.
    pub stop: CancellationToken,
    catalog: models::Catalog,
    histories: relay::Histories,
    slots: slots::Slots,
}

impl App {
    pub fn new(
        upstream: Upstream,
        ledger: Ledger,
        patience: Patience,
        stream: relay::Settings,
        models: translate::Settings,
        settings: Settings,
    ) -> Self {
        let orphans = Orphans::new(patience.orphan_grace, settings.max_in_flight);
        let catalog = models::Catalog::new(upstream.models_cache());
        let slots = slots::Slots::new(settings.max_in_flight);
        Self {
            upstream,
            ledger,
            patience,
            stream,
            orphans,
            models,
            settings,
            draining: CancellationToken::new(),
            stop: CancellationToken::new(),
            catalog,
            histories: relay::Histories::default(),
            slots,
        }
    }
}

fn unix_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
