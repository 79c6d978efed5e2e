//! An upstream behind TLS, as it is in life: the simulator behind a terminator with a certificate made for the test.

use std::{net::SocketAddr, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    process::Command,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    events::{Events, joined},
    harness::{Bridge, CHAT, Proxy, scripted},
    http::Request,
    process::Process,
};

/// An authority that nobody knows, and a certificate of its making.
pub(crate) struct Certified {
    pub(crate) authority_pem: String,
    pub(crate) server: ServerConfig,
}

impl Certified {
    pub(crate) fn for_name(name: &str) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .signed_by(&key, &authority)
            .unwrap();
        let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap(),
            )
            .unwrap();
        Self {
            authority_pem: authority.pem(),
            server,
        }
    }

    /// Takes TLS off for `plain`, for as long as the runtime lives.
    async fn terminate_for(&self, plain: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(self.server.clone()));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that does not trust the certificate leaves here.
                    let mut secure = acceptor.accept(stream).await?;
                    let mut plain = TcpStream::connect(plain).await?;
                    copy_bidirectional(&mut secure, &mut plain).await
                });
            }
        });
        address
    }
}

/// A proxy that trusts `authority_pem` and reaches `bridge`'s simulator through TLS.
async fn through_tls(bridge: &Bridge, certified: &Certified, authority_pem: Option<&str>) -> Proxy {
    let plain = bridge.simulator.base_url();
    let plain = plain.trim_start_matches("http://").parse().unwrap();
    let secure = certified.terminate_for(plain).await;
    // The settings read the file when the proxy starts.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    if let Some(pem) = authority_pem {
        std::fs::write(&file, pem).unwrap();
    }
    let proxy = Proxy::start(&format!("https://{secure}"), |config| {
        config.upstream.ca_file = authority_pem.map(|_| file.clone());
    })
    .await;
    // Started lazily or not, it has its authorities after the first answer.
    proxy.ask(&Request::get("/v1/models")).await;
    proxy
}

#[tokio::test]
async fn a_configured_authority_is_trusted() {
    let bridge = Bridge::start().await;
    let certified = Certified::for_name("127.0.0.1");
    let proxy = through_tls(&bridge, &certified, Some(&certified.authority_pem)).await;
    let answer = proxy.ask(&Request::chat(CHAT)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let stream = proxy.ask(&scripted("words=6", true)).await;
    assert!(!joined(&Events::chunks(&stream)).is_empty());
    assert_eq!(bridge.journal().accepted, 2);
}

#[tokio::test]
async fn whom_nobody_vouches_for_is_told_nothing() {
    let bridge = Bridge::start().await;
    let right = Certified::for_name("127.0.0.1");
    let stranger = Certified::for_name("127.0.0.1");
    let other_name = Certified::for_name("api.foxapi.example");
    for (about, certified, authority) in [
        ("no authority", &right, None),
        ("another authority", &right, Some(&stranger.authority_pem)),
        ("another name", &other_name, Some(&other_name.authority_pem)),
    ] {
        let proxy = through_tls(&bridge, certified, authority.map(String::as_str)).await;
        for stream in [false, true] {
            let answer = proxy.ask(&scripted("words=3", stream)).await;
            assert_eq!(answer.status(), 503, "{about}: {}", answer.text());
            let failure = answer.error();
            assert_eq!(
                failure.code.as_deref(),
                Some("upstream_unreachable"),
                "{about}"
            );
        }
    }
    assert_eq!(bridge.journal().requests.len(), 0);
}

#[tokio::test]
async fn authorities_of_the_system_are_trusted_where_that_is_set() {
    let bridge = Bridge::start().await;
    let certified = Certified::for_name("127.0.0.1");
    let plain = bridge.simulator.base_url();
    let plain = plain.trim_start_matches("http://").parse().unwrap();
    let upstream = format!("https://{}", certified.terminate_for(plain).await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authorities.pem");
    std::fs::write(&file, &certified.authority_pem).unwrap();
    for (ca, status) in [("bundled", 503), ("system", 200)] {
        let mut program = Command::new("env");
        program
            .arg(format!("SSL_CERT_FILE={}", file.display()))
            .arg(env!("CARGO_BIN_EXE_foxbridge"));
        let process = Process::run(program, &upstream, &[&format!("upstream.ca={ca}")]).await;
        let answer = process.ask(&Request::chat(CHAT)).await;
        assert_eq!(answer.status(), status, "{}", answer.text());
    }
    let nowhere = std::process::Command::new(env!("CARGO_BIN_EXE_foxbridge"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--set",
            "upstream.ca=system",
        ])
        .current_dir(&folder)
        .env("SSL_CERT_FILE", folder.path().join("nowhere"))
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(1));
    let told = String::from_utf8(nowhere.stderr).unwrap();
    assert!(
        told.contains("upstream.ca = \"system\": this system has no"),
        "{told}"
    );
}
