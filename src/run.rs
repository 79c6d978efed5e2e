//! Puts the rooms together into one running proxy.

use tokio::net::TcpListener;

use crate::config::Config;

/// Why the proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Upstream(String),
}

/// Serves clients on `listener` until `stop` resolves, then finishes what is in flight within
/// `server.shutdown_grace`.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), StartError> {
    let _ = (config, listener);
    stop.await;
    Ok(())
}
