//! Puts the rooms together into one running proxy.

use std::{io, sync::Arc};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    admin,
    config::Config,
    ledger::{Ledger, OpenError},
    reload::{Part, Reload},
    server::{App, Front, Habits, Tls, TlsFault},
    telemetry,
    upstream::{Setup, Upstream},
};

/// What one turn of a thread logs is written at once.
const HABITS: Habits = Habits {
    begins: telemetry::gather,
    rests: telemetry::write_out,
};

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
    draining: CancellationToken,
    ledger: Ledger,
    reload: Reload,
}

impl Proxy {
    pub fn new(config: Config) -> Result<Self, StartError> {
        let tls = config.server.tls.clone().map(Tls::open);
        let tls = tls.transpose().map_err(StartError::Tls)?;
        let reload = Reload::of(parts(&config, tls.as_ref()));
        let upstream = Upstream::new(config.upstream)?;
        let ledger = Ledger::open(config.ledger)?;
        let mut app = App::new(
            upstream,
            ledger.clone(),
            config.task,
            config.stream,
            config.models,
            config.server,
        );
        app.tls = tls;
        let draining = app.draining.clone();
        let front = Front::new(Arc::new(app), HABITS).map_err(StartError::Threads)?;
        Ok(Self {
            front,
            draining,
            ledger,
            reload,
        })
    }

    /// From here on SIGHUP does not end the process, but has what [`reload`](crate::reload) knows read again.
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
        let supervised = async {
            match admin {
                Some(listener) => admin::serve(listener, self.draining).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.front.serve(clients, stop) => {}
            never = supervised => match never {},
            never = self.reload.run() => match never {},
        }
        self.ledger.flush().await;
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

/// What is read again while it serves.
fn parts(config: &Config, tls: Option<&Tls>) -> Vec<Part> {
    let files = config.server.tls.as_ref();
    let part = files.zip(tls.cloned()).map(|(files, tls)| Part {
        name: "server.tls_*",
        files: files.paths(),
        renew: Box::new(move || tls.renew().map_err(|faults| told(&faults))),
    });
    part.into_iter().collect()
}

fn told(faults: &[TlsFault]) -> String {
    let faults: Vec<_> = faults.iter().map(TlsFault::to_string).collect();
    faults.join("; ")
}
