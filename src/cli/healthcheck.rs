//! `foxbridge healthcheck`: asks a running foxbridge, for images without a shell.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use foxbridge::config;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::{arguments::Healthcheck, failure::Failure, output};

/// How long the answer may take. Readiness may itself take two seconds to find out whether the upstream can be reached.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of an answer is read.
const LONGEST: usize = 4096;

pub(super) fn run(arguments: &Healthcheck) -> Result<(), Failure> {
    let address = match arguments.address {
        Some(address) => address,
        None => config::load(&arguments.configuration.sources())?
            .config
            .admin_listen
            .ok_or_else(|| {
                Failure::Unhealthy(
                    "there is nothing to ask: set admin.listen, as for the foxbridge that runs, or give --address".into(),
                )
            })?,
    };
    let path = if arguments.live { "/livez" } else { "/readyz" };
    super::block_on(async {
        let address = reachable(address);
        let asked = timeout(PATIENCE, ask(address, path)).await;
        let (status, text) = match asked {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                return Err(Failure::Unhealthy(format!(
                    "{address} cannot be asked: {error}"
                )));
            }
            Err(_) => {
                return Err(Failure::Unhealthy(format!(
                    "{address} did not answer within {PATIENCE:?}"
                )));
            }
        };
        match status {
            StatusCode::OK => output::print(&text),
            _ => Err(Failure::Unhealthy(text.trim().to_owned())),
        }
    })
}

/// Where a listener on every interface is reached from the same machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn ask(
    address: SocketAddr,
    path: &str,
) -> Result<(StatusCode, String), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(HOST, address.to_string())
        .body(Empty::<Bytes>::new())?;
    let answer = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let text = Limited::new(body, LONGEST).collect().await?.to_bytes();
        Ok((head.status, String::from_utf8_lossy(&text).into_owned()))
    };
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        ended = connection => {
            ended?;
            answer.await
        }
    }
}
