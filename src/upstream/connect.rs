use std::{
    error::Error,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, RootCertStore};
use tower_service::Service;

type Inner = HttpsConnector<HttpConnector>;

/// An open connection, over TLS or not.
pub(super) type Io = <Inner as Service<Uri>>::Response;

/// Connects over TCP and TLS, all of it within one limit.
///
/// Whatever fails here fails before a request could be sent, which is the proof that a submit may be repeated.
#[derive(Clone)]
pub(super) struct Connector {
    inner: Inner,
    limit: Duration,
}

impl Connector {
    /// Trusts `roots` and nobody else.
    pub(super) fn new(roots: RootCertStore, limit: Duration) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // A small submit must not wait for the acknowledgement of the packet before it.
        tcp.set_nodelay(true);
        let inner = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp);
        Ok(Self { inner, limit })
    }
}

impl Service<Uri> for Connector {
    type Response = Io;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.inner.call(uri);
        let limit = self.limit;
        Box::pin(async move {
            tokio::time::timeout(limit, connecting)
                .await
                .unwrap_or_else(|_| {
                    let text =
                        format!("no connection within {limit:?} ('upstream.connect_timeout')");
                    Err(io::Error::new(io::ErrorKind::TimedOut, text).into())
                })
        })
    }
}
