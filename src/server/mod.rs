//! The client's side: listen, route, one file an endpoint, and replies in OpenAI's shape.

mod access;
mod addresses;
mod body;
mod chat;
mod clients;
mod completions;
mod connection;
mod cors;
mod credentials;
mod crew;
mod current;
mod draining;
mod endpoint;
mod framing;
mod holding;
mod insist;
mod kept_alive;
mod last_answer;
mod listen;
mod models;
mod order;
mod passthrough;
mod presence;
mod purchase;
mod query;
mod relayed;
mod reply;
mod responses;
mod route;
mod settings;
mod slots;
mod socket;
mod tls;
mod watchdog;
mod whole;
mod wire;

pub use crew::Habits;
pub use current::{Current, Renewal, Renewed};
pub use draining::Draining;
pub use listen::{Front, SURPLUS_CONNECTIONS};
pub use settings::Settings;
pub use tls::{Tls, TlsFault, TlsFile, TlsFiles};

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwapOption;
use tokio_util::sync::CancellationToken;

use crate::{
    fleet::Fleet,
    keys,
    ledger::Ledger,
    metrics::{Levels, Metrics, Shared},
    relay::{self, Orphans},
    task::Patience,
    traces::Traces,
    translate,
    upstream::{Breaker, Upstream},
};

/// Everything that the endpoints need, made once for each thread.
pub struct App {
    pub relay: Arc<relay::Means>,
    pub ledger: Ledger,
    pub metrics: Metrics,
    pub models: Arc<translate::Settings>,
    pub settings: Arc<Settings>,
    /// Cancelled as soon as no new requests are wanted, which supervisors are told (`admin`).
    pub draining: Draining,
    /// What clients' connections are secured with; `None`: they are plain.
    pub tls: Option<Tls>,
    /// Who is told of each request for a collector of traces; `None`: nobody.
    pub traces: Option<Traces>,
    catalog: Arc<models::Catalog>,
    slots: slots::Slots,
    /// Who may call; `None`: whoever likes.
    clients: Option<Arc<keys::Ring>>,
    /// How many connections clients have.
    connections: Arc<AtomicUsize>,
    /// What is wrong with settings and certificates that were read again, where not all are in force.
    pub fault: Arc<ArcSwapOption<String>>,
}

impl App {
    pub fn new(
        upstream: Upstream,
        ledger: Ledger,
        metrics: Metrics,
        patience: Patience,
        stream: relay::Settings,
        models: translate::Settings,
        settings: Settings,
    ) -> Self {
        let catalog = Arc::new(models::Catalog::new(upstream.models_cache()));
        let slots = slots::Slots::new(settings.max_in_flight);
        let clients = settings.clients.clone().map(keys::Ring::new).map(Arc::new);
        let relay = relay::Means {
            upstream,
            histories: relay::Histories::default(),
            returning: relay::Returning::default(),
            orphans: Orphans::new(
                patience.orphan_grace,
                settings.max_in_flight,
                metrics.clone(),
            ),
            patience,
            stream,
            stop: CancellationToken::new(),
        };
        Self {
            relay: Arc::new(relay),
            ledger,
            metrics,
            models: Arc::new(models),
            settings: Arc::new(settings),
            draining: Draining::default(),
            tls: None,
            traces: None,
            catalog,
            slots,
            clients,
            connections: Arc::default(),
            fault: Arc::default(),
        }
    }

    /// What the metrics read off when somebody asks.
    pub fn levels(&self) -> Levels {
        let (ledger_entries, responses, responses_size) = self.ledger.levels();
        Levels {
            in_flight: self.slots.taken(),
            connections: self.connections.load(Ordering::Relaxed),
            ledger_entries,
            responses,
            responses_size,
            is_ready: !self.draining.has_begun()
                && self.relay.upstream.seems_alive()
                && !self.ledger.fleet().is_some_and(Fleet::refuses),
            shared: self.ledger.fleet().map(|fleet| Shared {
                is_away: fleet.is_away(),
                unnoted: fleet.unnoted(),
                waiting: fleet.waiting(),
            }),
            breaker: match self.relay.upstream.breaker() {
                Breaker::Closed => 0,
                Breaker::HalfOpen => 1,
                Breaker::Open => 2,
            },
            upstream_keys: self.relay.upstream.resting_keys(),
        }
    }

    /// The same for another thread, which shares what is known and bounded, and has upstream connections of its own.
    fn for_another_thread(&self) -> Self {
        let relay = relay::Means {
            upstream: self.relay.upstream.with_connections_of_its_own(),
            patience: self.relay.patience.clone(),
            stream: self.relay.stream.clone(),
            histories: self.relay.histories.clone(),
            returning: self.relay.returning.clone(),
            orphans: self.relay.orphans.clone(),
            // Every request looks at it again and again, which threads should not have to take turns for.
            stop: self.relay.stop.child_token(),
        };
        Self {
            relay: Arc::new(relay),
            ledger: self.ledger.clone(),
            metrics: self.metrics.clone(),
            models: self.models.clone(),
            settings: self.settings.clone(),
            draining: self.draining.clone(),
            tls: self.tls.clone(),
            traces: self.traces.clone(),
            catalog: self.catalog.clone(),
            slots: self.slots.clone(),
            clients: self.clients.clone(),
            connections: self.connections.clone(),
            fault: self.fault.clone(),
        }
    }

    /// The same with other settings, which shares what is known, bounded and counted.
    fn renewed(&self, renewed: Renewed) -> Self {
        let Renewed {
            upstream,
            patience,
            stream,
            models,
            settings,
        } = renewed;
        let clients = match &settings.clients {
            // What was counted is not forgotten for a change elsewhere.
            same if *same == self.settings.clients => self.clients.clone(),
            None => None,
            Some(entries) => Some(Arc::new(match &self.clients {
                Some(clients) => clients.renewed(entries.clone()),
                None => keys::Ring::new(entries.clone()),
            })),
        };
        let catalog = models::Catalog::new(upstream.models_cache());
        let relay = relay::Means {
            upstream: upstream.in_place_of(&self.relay.upstream),
            patience,
            stream,
            histories: self.relay.histories.clone(),
            returning: self.relay.returning.clone(),
            orphans: self.relay.orphans.clone(),
            stop: self.relay.stop.clone(),
        };
        Self {
            relay: Arc::new(relay),
            models: Arc::new(models),
            settings: Arc::new(settings),
            catalog: Arc::new(catalog),
            clients,
            ledger: self.ledger.clone(),
            metrics: self.metrics.clone(),
            draining: self.draining.clone(),
            tls: self.tls.clone(),
            traces: self.traces.clone(),
            slots: self.slots.clone(),
            connections: self.connections.clone(),
            fault: self.fault.clone(),
        }
    }
}

fn unix_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
