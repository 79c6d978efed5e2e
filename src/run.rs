//! Puts the rooms together into one running proxy.

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::{
    config::Config,
    ledger::{Ledger, OpenError},
    server::{self, App},
    upstream::{Setup, Upstream},
};

/// Why the proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Upstream(#[from] Setup),
    #[error(transparent)]
    Ledger(#[from] OpenError),
}

/// Serves clients on `listener` until `stop` resolves, then finishes what is in flight within
/// `server.shutdown_grace`.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), StartError> {
    let upstream = Upstream::new(config.upstream)?;
    let ledger = Ledger::open(config.ledger)?;
    let app = App::new(
        upstream,
        ledger.clone(),
        config.task,
        config.stream,
        config.models,
        config.server,
    );
    server::serve(Arc::new(app), listener, stop).await;
    ledger.flush().await;
    Ok(())
}
