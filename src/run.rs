//! Puts the rooms together into one running proxy.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use tokio::{net::TcpListener, time::sleep};

use crate::{
    admin,
    config::Config,
    ledger::{Ledger, OpenError},
    metrics::Metrics,
    server::{App, Front, Habits},
    telemetry,
    upstream::{Setup, Upstream},
};

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
    #[error("the operating system gives no more threads ('server.threads'): {0}")]
    Threads(io::Error),
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
    app: Arc<App>,
}

impl Proxy {
    pub fn new(config: Config) -> Result<Self, StartError> {
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
        let upstream = Upstream::new(config.upstream, metrics.clone())?;
        let ledger = Ledger::open(config.ledger)?;
        let app = Arc::new(App::new(
            upstream,
            ledger,
            metrics,
            config.task,
            config.stream,
            config.models,
            config.server,
        ));
        let front = Front::new(app.clone(), HABITS).map_err(StartError::Threads)?;
        Ok(Self { front, app })
    }

    /// Serves clients until `stop` resolves, then finishes what is in flight within `server.shutdown_grace`; and
    /// supervisors to the very end.
    pub async fn serve(self, listeners: impl Into<Listeners>, stop: impl Future<Output = ()>) {
        let Listeners { clients, admin } = listeners.into();
        let supervised = async {
            match admin {
                Some(listener) => admin::serve(listener, self.app.clone()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.front.serve(clients, stop) => {}
            never = supervised => match never {},
            never = keep_up(&self.app.metrics) => match never {},
        }
        self.app.ledger.flush().await;
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
