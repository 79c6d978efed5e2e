//! TLS towards clients, with certificates that can be replaced while foxbridge serves.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::WebPkiClientVerifier,
};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{App, slots::Unwelcome, socket::Socket};

/// A handshake is two round trips and some sums: whoever takes longer is not going to finish it.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// In the order in which they are offered.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where the certificates are (`server.tls_cert`, `server.tls_key` and `server.tls_client_ca`), all of them PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// foxbridge's own certificate first, then what leads to an authority that clients trust.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Whose certificates clients must present; `None`: they need none.
    pub client_ca: Option<PathBuf>,
}

/// Which of the files is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFile {
    Certificate,
    Key,
    ClientCa,
}

/// What is wrong with one of the files. Nothing of its content is told.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {cause}")]
pub struct TlsFault {
    pub file: TlsFile,
    pub cause: String,
}

impl TlsFile {
    fn fault(self, cause: impl Into<String>) -> TlsFault {
        TlsFault {
            file: self,
            cause: cause.into(),
        }
    }
}

impl fmt::Display for TlsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "server.tls_cert",
            Self::Key => "server.tls_key",
            Self::ClientCa => "server.tls_client_ca",
        })
    }
}

impl TlsFiles {
    /// All of them, for whoever watches them.
    pub fn paths(&self) -> Vec<PathBuf> {
        let own = [self.certificate.clone(), self.key.clone()];
        own.into_iter().chain(self.client_ca.clone()).collect()
    }

    /// What they say together.
    ///
    /// # Errors
    /// What is wrong with each of them; never empty.
    pub fn read(&self) -> Result<ServerConfig, Vec<TlsFault>> {
        let mut faults = Vec::new();
        let mut noted = |fault| faults.push(fault);
        let provider = Arc::new(ring::default_provider());
        let chain = self.chain().map_err(&mut noted).ok();
        let key = self.private_key().map_err(&mut noted).ok();
        let clients = self.client_roots().map_err(&mut noted).ok();
        match (chain, key, clients) {
            (Some(chain), Some(key), Some(clients)) => {
                assemble(provider, chain, key, clients).map_err(|fault| vec![fault])
            }
            _ => Err(faults),
        }
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
        let fault = |error| TlsFile::Certificate.fault(unreadable(error));
        let chain: Vec<_> = CertificateDer::pem_file_iter(&self.certificate)
            .map_err(fault)?
            .collect::<Result<_, _>>()
            .map_err(fault)?;
        match chain.is_empty() {
            true => Err(TlsFile::Certificate.fault("the file has no certificate")),
            false => Ok(chain),
        }
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsFault> {
        PrivateKeyDer::from_pem_file(&self.key).map_err(|error| {
            TlsFile::Key.fault(match error {
                pem::Error::NoItemsFound => {
                    "the file has no private key, or one with a password, which foxbridge cannot ask for".to_owned()
                }
                error => unreadable(error),
            })
        })
    }

    fn client_roots(&self) -> Result<Option<RootCertStore>, TlsFault> {
        let Some(path) = &self.client_ca else {
            return Ok(None);
        };
        let fault = |error| TlsFile::ClientCa.fault(unreadable(error));
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(fault)? {
            roots
                .add(certificate.map_err(fault)?)
                .map_err(|_| TlsFile::ClientCa.fault("one of its certificates is malformed"))?;
        }
        match roots.is_empty() {
            true => Err(TlsFile::ClientCa.fault("the file has no certificate")),
            false => Ok(Some(roots)),
        }
    }
}

fn unreadable(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        _ => "the file is not PEM".to_owned(),
    }
}

fn assemble(
    provider: Arc<CryptoProvider>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    clients: Option<RootCertStore>,
) -> Result<ServerConfig, TlsFault> {
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsFile::Key.fault(error.to_string()))?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(roots) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| TlsFile::ClientCa.fault(error.to_string()))?,
        ),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsFile::Key.fault("it is not the key of the certificate in server.tls_cert")
            }
            rustls::Error::InvalidCertificate(_) => {
                TlsFile::Certificate.fault("its first certificate is malformed")
            }
            error => TlsFile::Key.fault(format!("the key cannot be used: {error}")),
        })?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

/// What connections are secured with. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Tls {
    files: Arc<TlsFiles>,
    current: Arc<ArcSwap<ServerConfig>>,
}

impl Tls {
    /// # Errors
    /// As [`TlsFiles::read`].
    pub fn open(files: TlsFiles) -> Result<Self, Vec<TlsFault>> {
        let current = Arc::new(ArcSwap::from_pointee(files.read()?));
        Ok(Self {
            files: Arc::new(files),
            current,
        })
    }

    /// Reads the files anew, for the connections that come from now on.
    ///
    /// # Errors
    /// As [`TlsFiles::read`]; then everything stays as it was.
    pub fn renew(&self) -> Result<(), Vec<TlsFault>> {
        self.current.store(Arc::new(self.files.read()?));
        Ok(())
    }

    /// Shakes hands on a new connection; `None` where that fails, where it takes longer than `limit`, or where foxbridge
    /// stops meanwhile. A client that has mistaken this for plain HTTP is unwelcome, and can be told so in its own words.
    pub(super) async fn secure(
        &self,
        app: &App,
        stream: TcpStream,
        limit: Duration,
    ) -> Option<(Socket, Option<Unwelcome>)> {
        let leaving = async {
            app.draining.begun().await;
            sleep(app.settings.drain_delay).await;
        };
        let done = tokio::select! {
            done = timeout(limit.min(HANDSHAKE), self.shake_hands(stream)) => done,
            () = leaving => return None,
        };
        match done {
            Ok(Ok(socket)) => Some(socket),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a client's TLS handshake failed");
                None
            }
            Err(_) => {
                tracing::debug!("a client's TLS handshake took too long");
                None
            }
        }
    }

    async fn shake_hands(&self, stream: TcpStream) -> io::Result<(Socket, Option<Unwelcome>)> {
        // TLS begins with a byte that no request line begins with.
        let mut first = [0];
        stream.peek(&mut first).await?;
        if first[0].is_ascii_alphabetic() {
            return Ok((Socket::Plain(stream), Some(Unwelcome::NotTls)));
        }
        let acceptor = TlsAcceptor::from(self.current.load_full());
        let secure: TlsStream<TcpStream> = acceptor.accept(stream).await?;
        Ok((Socket::Secure(Box::new(secure)), None))
    }
}
