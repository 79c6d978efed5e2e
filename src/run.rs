//! Puts the rooms together into one running proxy.

mod live;

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use tokio::{net::TcpListener, time::sleep};

use crate::{
    admin,
    config::{Config, Loaded, Sources},
    ledger::{Ledger, OpenError},
    metrics::Metrics,
    reload::{self, Part, Reload},
    server::{App, Front, Habits, Renewal, Tls, TlsFault},
    telemetry,
    traces::{self, Sending},
    upstream::{Setup, Upstream},
};
use live::Live;

/// What one turn of a thread logs is written at once.
const HABITS: Habits = Habits {
    begins: telemetry::gather,
    rests: telemetry::write_out,
};

/// How often observations are made into figures.
const UPKEEP: Duration = Duration::from_secs(1);

/// Why the proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Upstream(#[from] Setup),
    #[error(transparent)]
    Ledger(#[from] OpenError),
    #[error("{}", told(.0))]
    Tls(Vec<TlsFault>),
    #[error("the operating system gives no more threads ('server.threads'): {0}")]
    Threads(io::Error),
    #[error(transparent)]
    Traces(#[from] traces::Unusable),
}

/// Where the proxy is reached.
pub struct Listeners {
    pub clients: TcpListener,
    /// For supervisors ([`admin`]), where they have an address.
    pub admin: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(clients: TcpListener) -> Self {
        Self {
            clients,
            admin: None,
        }
    }
}

/// Everything that can be refused at the start has been: the ledger is open, and the upstream's certificates are read.
pub struct Proxy {
    front: Front,
    ledger: Ledger,
    metrics: Metrics,
    reload: Reload,
    /// Sends traces, where they go somewhere.
    sending: Option<Sending>,
}

impl Proxy {
    pub fn new(config: Config) -> Result<Self, StartError> {
        let tls = config.server.tls.clone().map(Tls::open);
        let tls = tls.transpose().map_err(StartError::Tls)?;
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        let certificates = certificates(&config, tls.as_ref());
        let sending = config.trace.as_ref();
        let sending = sending
            .map(|trace| Sending::new(trace, &config.upstream))
            .transpose()?;
        let upstream = Upstream::new(config.upstream, metrics.clone())?;
        let ledger = match config.fleet {
            Some(fleet) => Ledger::share(config.ledger, fleet)?,
            None => Ledger::open(config.ledger)?,
        };
        let mut app = App::new(
            upstream,
            ledger.clone(),
            metrics.clone(),
            config.task,
            config.stream,
            config.models,
            config.server,
        );
        app.tls = tls;
        app.traces = sending.as_ref().map(Sending::traces);
        let front = Front::new(Arc::new(app), HABITS).map_err(StartError::Threads)?;
        let mut reload = Reload::new(report(front.renewal(), metrics.clone()));
        if let Some(certificates) = certificates {
            reload.add(certificates);
        }
        Ok(Self {
            front,
            ledger,
            metrics,
            reload,
            sending,
        })
    }

    /// From here on, the settings are read again from these sources, which they came from, when a file of theirs changes.
    pub fn renew_from(&mut self, sources: Sources, loaded: &Loaded) {
        let settings = Live::new(sources, loaded, self.front.renewal(), self.metrics.clone());
        self.reload.add(settings.part());
    }

    /// From here on SIGHUP does not end the process, but has what [`reload`](mod@crate::reload) knows read again.
    ///
    /// # Errors
    /// When the operating system does not deliver it.
    pub fn heed_hangups(&mut self) -> io::Result<()> {
        self.reload.heed_hangups()
    }

    /// Serves clients until `stop` resolves, then finishes what is in flight within `server.shutdown_grace`; and
    /// supervisors to the very end.
    pub async fn serve(self, listeners: impl Into<Listeners>, stop: impl Future<Output = ()>) {
        let Listeners { clients, admin } = listeners.into();
        let current = self.front.current().clone();
        let supervised = async {
            match admin {
                Some(listener) => admin::serve(listener, current).await,
                None => std::future::pending().await,
            }
        };
        let sender = self.sending.map(Sending::begin);
        if let Some(fleet) = self.ledger.fleet() {
            // Whoever comes first should not find it away only because it is not there yet.
            fleet.begun().await;
        }
        tokio::select! {
            () = self.front.serve(clients, stop) => {}
            never = supervised => match never {},
            never = keep_up(&self.metrics) => match never {},
            never = self.reload.run() => match never {},
        }
        self.ledger.flush().await;
        if let Some(fleet) = self.ledger.fleet() {
            fleet.flush().await;
        }
        if let Some(sender) = sender {
            sender.finish().await;
        }
    }
}

/// Observations pile up until somebody makes them into figures.
async fn keep_up(metrics: &Metrics) -> Infallible {
    loop {
        sleep(UPKEEP).await;
        metrics.upkeep();
    }
}

/// Makes a proxy of `config`, and serves with it as [`Proxy::serve`] does.
pub async fn serve(
    config: Config,
    listeners: impl Into<Listeners>,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), StartError> {
    Proxy::new(config)?.serve(listeners, stop).await;
    Ok(())
}

/// Supervisors are told what has come of reading something again.
fn report(renewal: Renewal, metrics: Metrics) -> reload::Report {
    Box::new(move |outcome| {
        metrics.reloaded(outcome.is_applied, outcome.fault.is_none());
        renewal.note_fault(outcome.fault);
    })
}

fn certificates(config: &Config, tls: Option<&Tls>) -> Option<Part> {
    let files = config.server.tls.as_ref()?.paths();
    let tls = tls?.clone();
    Some(Part {
        name: "server.tls_*",
        files,
        renew: Box::new(move || tls.renew().map_err(|faults| told(&faults))),
    })
}

fn told(faults: &[TlsFault]) -> String {
    let faults: Vec<_> = faults.iter().map(TlsFault::to_string).collect();
    faults.join("; ")
}
