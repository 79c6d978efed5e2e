//! `foxbridge serve`: the proxy.

use std::net::SocketAddr;

use foxbridge::{
    config::{self, Config},
    run, telemetry,
};
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    VERSION,
    arguments::Configuration,
    failure::Failure,
    open_files,
    signals::{Signals, tell_systemd},
};

pub(super) fn run(configuration: &Configuration) -> Result<(), Failure> {
    let sources = configuration.sources();
    let loaded = config::load(&sources)?;
    let config = loaded.config.clone();
    start_log(&config);
    super::block_on(async {
        let signals = Signals::listen()?;
        let listener = listen(
            config.listen,
            "choose another address: listen in proxy.toml, FOXBRIDGE_LISTEN or --listen",
        )
        .await?;
        let admin = match config.admin_listen {
            None => None,
            Some(address) => Some(
                listen(
                    address,
                    "choose another address: admin.listen in proxy.toml or FOXBRIDGE_ADMIN_LISTEN",
                )
                .await?,
            ),
        };
        let mut proxy = run::Proxy::new(config.clone())?;
        proxy.renew_from(sources, &loaded);
        proxy.heed_hangups().map_err(Failure::Runtime)?;
        announce(&config, &listener, admin.as_ref());
        tell_systemd(NotifyState::Ready);
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        signals
            .run_until_stopped(stop, async {
                let listeners = run::Listeners {
                    clients: listener,
                    admin,
                };
                proxy.serve(listeners, stopped).await;
                Ok(())
            })
            .await
    })
}

/// Sets the log up. A log that is there already is as good.
pub(super) fn start_log(config: &Config) {
    if let Err(error) = telemetry::log::init(&config.log) {
        tracing::debug!("{error}");
    }
}

/// Listens on `address`; `remedy` tells who may not how to choose another one.
pub(super) async fn listen(
    address: SocketAddr,
    remedy: &'static str,
) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Failure::Listen {
            address,
            error,
            remedy,
        })
}

/// The first log line, and what an operator should look at again.
pub(super) fn announce(config: &Config, listener: &TcpListener, admin: Option<&TcpListener>) {
    // With port 0 the operating system chose the port, which is what a caller needs to know.
    let listen = listener.local_addr().unwrap_or(config.listen);
    let admin = admin.and_then(|admin| admin.local_addr().ok());
    let upstream = config.upstream.base_url.authority();
    tracing::info!(
        version = VERSION,
        %listen,
        tls = config.server.tls.is_some(),
        admin = admin.map(tracing::field::display),
        upstream = upstream.map_or("", |authority| authority.as_str()),
        upstream_key = config.upstream.api_key.is_some() || config.upstream.keys.is_some(),
        "listening"
    );
    for warning in config
        .warnings()
        .into_iter()
        .chain(open_files::warning(config))
    {
        tracing::warn!("{warning}");
    }
}
