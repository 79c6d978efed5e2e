//! Authorities that nobody knows, what they certify, and clients that trust them.

use std::{fs, io, net::SocketAddr, path::PathBuf, sync::Arc};

use bytes::Bytes;
use foxbridge::server::TlsFiles;
use http_body_util::{BodyExt, Full};
use hyper::{Response, Version, body::Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    harness::{scripted, within},
    http::KEY,
};

pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, both PEM.
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // OpenSSL takes whoever has the name of its issuer for its own.
        params
            .distinguished_name
            .push(DnType::CommonName, "Authority of a test");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// For this machine, as a server and as a client.
    pub(super) fn issue(&self) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.use_authority_key_identifier_extension = true;
        Issued {
            certificate: params.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Issued {
    pub(super) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }
}

/// A folder with the files that settings name.
pub(super) struct Folder(pub(super) TempDir);

impl Folder {
    pub(super) fn with(issued: &Issued) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.put(issued);
        folder
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Written in place, one after the other.
    pub(super) fn put(&self, issued: &Issued) {
        fs::write(self.path("tls.crt"), &issued.certificate).unwrap();
        fs::write(self.path("tls.key"), &issued.key).unwrap();
    }

    pub(super) fn files(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.path("tls.crt"),
            key: self.path("tls.key"),
            client_ca: None,
        }
    }

    /// As arguments of `--set`.
    pub(super) fn settings(&self) -> [String; 2] {
        ["cert=tls.crt", "key=tls.key"].map(|setting| {
            let (name, file) = setting.split_once('=').unwrap();
            format!("server.tls_{name}={}", self.path(file).display())
        })
    }
}

/// How a client speaks.
#[derive(Clone, Copy)]
pub(super) struct Speech {
    pub(super) http: Version,
    pub(super) tls: &'static SupportedProtocolVersion,
}

pub(super) const USUAL: Speech = Speech {
    http: Version::HTTP_2,
    tls: &rustls::version::TLS13,
};

fn client_config(trusted: &Authority, own: Option<&Issued>, speech: Speech) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.0.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[speech.tls])
        .unwrap()
        .with_root_certificates(roots);
    match own {
        None => config.with_no_client_auth(),
        Some(own) => config
            .with_client_auth_cert(vec![own.der()], own.private_key())
            .unwrap(),
    }
}

/// A client that trusts one authority, and keeps its connections.
pub(super) struct Caller {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    address: SocketAddr,
}

impl Caller {
    pub(super) fn new(address: SocketAddr, trusted: &Authority) -> Self {
        Self::speaking(address, trusted, None, USUAL)
    }

    pub(super) fn speaking(
        address: SocketAddr,
        trusted: &Authority,
        own: Option<&Issued>,
        speech: Speech,
    ) -> Self {
        let builder = HttpsConnectorBuilder::new()
            .with_tls_config(client_config(trusted, own, speech))
            .https_only();
        let connector = match speech.http {
            Version::HTTP_2 => builder.enable_http2().build(),
            _ => builder.enable_http1().build(),
        };
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, address }
    }

    /// Asks the simulator behind it to behave so.
    pub(super) async fn try_to_ask(
        &self,
        script: &str,
        stream: bool,
    ) -> Result<Response<Incoming>, Error> {
        let request = scripted(script, stream);
        let body = request.to_bytes().split_off(request.head().len());
        let url = format!("https://{}/v1/chat/completions", self.address);
        let request = hyper::Request::post(url)
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", "application/json")
            .body(Full::from(body))
            .unwrap();
        within("an answer", self.client.request(request)).await
    }

    pub(super) async fn ask(&self, script: &str, stream: bool) -> Response<Incoming> {
        let answer = self.try_to_ask(script, stream).await.unwrap();
        assert_eq!(answer.status(), 200);
        answer
    }
}

/// The rest of a body.
pub(super) async fn text_of(answer: Response<Incoming>) -> String {
    let body = within("the body", answer.into_body().collect()).await;
    String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap()
}

/// The certificate that a new connection is shown, if one comes about.
pub(super) async fn shown(
    address: SocketAddr,
    trusted: &Authority,
) -> Option<CertificateDer<'static>> {
    let stream = secure(address, trusted).await.ok()?;
    let (_, session) = stream.get_ref();
    Some(session.peer_certificates()?[0].clone())
}

/// A connection on which nothing has been said yet.
pub(super) async fn secure(
    address: SocketAddr,
    trusted: &Authority,
) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let mut config = client_config(trusted, None, USUAL);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("127.0.0.1").unwrap();
    within("a handshake", connector.connect(name, stream)).await
}

/// Waits until new connections are shown `issued`.
pub(super) async fn until_shown(address: SocketAddr, trusted: &Authority, issued: &Issued) {
    within("the new certificate is shown", async {
        while shown(address, trusted).await != Some(issued.der()) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}
