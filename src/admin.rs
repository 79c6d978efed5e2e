//! What supervisors ask of the process, on an address of its own (`admin.listen`).
//!
//! `GET /livez` says that the process serves. It does not look at the upstream, whose failures are no reason to restart a
//! proxy, nor cured by it. `GET /readyz` says whether new requests are wanted: 200, or 503 with the reason, which is a stop, a
//! ledger without which nothing may be bought, or an upstream that cannot be connected to. `GET /metrics` is for Prometheus.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::{
    fleet::Fleet,
    server::{App, Current},
    telemetry,
};

/// Connections served at once; supervisors are few, and others wait unaccepted.
pub const CONNECTIONS: usize = 64;
/// How long a connection may take for its one question and answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to ask: whoever says nothing holds one of the few places.
const HEAD_PATIENCE: Duration = Duration::from_secs(1);
/// When the process has no file descriptors left, accepting again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is served, as a 404 says it.
const SERVED: &str = "served are GET /livez, GET /readyz and GET /metrics";

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const EXPOSITION: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Answers supervisors for as long as it is polled.
pub async fn serve(listener: TcpListener, current: Current) -> Infallible {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let permit = room.clone().acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let app = current.get();
                tokio::spawn(async move {
                    answer_one(stream, app).await;
                    drop(permit);
                });
            }
            Err(error) => pause(&error).await,
        }
    }
}

async fn pause(error: &io::Error) {
    tracing::error!(%error, "a supervisor's connection could not be accepted");
    sleep(ACCEPT_PAUSE).await;
}

async fn answer_one(stream: TcpStream, app: Arc<App>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(answer(request.method(), request.uri().path(), &app).await) }
    });
    // One question a connection, so that nobody holds one of the few.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(PATIENCE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a supervisor's connection ended early"),
        Err(_) => tracing::debug!("a supervisor's connection took too long"),
    }
}

async fn answer(method: &Method, path: &str, app: &App) -> Response<Full<Bytes>> {
    let is_known = matches!(path, "/livez" | "/readyz" | "/metrics");
    if !is_known {
        return reply(StatusCode::NOT_FOUND, TEXT, format!("{SERVED}\n"));
    }
    if method != Method::GET && method != Method::HEAD {
        let mut refusal = reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, format!("{SERVED}\n"));
        let allowed = HeaderValue::from_static("GET, HEAD");
        refusal.headers_mut().insert(ALLOW, allowed);
        return refusal;
    }
    match path {
        "/metrics" => {
            let text = app.metrics.render(&app.levels()) + &telemetry::process();
            reply(StatusCode::OK, EXPOSITION, text)
        }
        "/readyz" => match not_ready(app).await {
            Some(reason) => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{reason}\n")),
            None => reply(StatusCode::OK, TEXT, ready(app)),
        },
        _ => reply(StatusCode::OK, TEXT, "ok\n".to_owned()),
    }
}

/// It serves, though perhaps not as the operator wants it to.
fn ready(app: &App) -> String {
    if let Some(trouble) = app.ledger.fleet().and_then(Fleet::trouble) {
        return format!(
            "ok, but replicas share nothing, for the ledger's Redis cannot be used: {trouble}\n"
        );
    }
    match &*app.fault.load() {
        None => "ok\n".to_owned(),
        Some(fault) => {
            format!("ok, but what was read last is not in force: {fault}\n")
        }
    }
}

/// Why no new requests are wanted.
async fn not_ready(app: &App) -> Option<&'static str> {
    if app.draining.has_begun() {
        return Some("draining: foxbridge was told to stop and takes no new requests");
    }
    if app.ledger.fleet().is_some_and(Fleet::refuses) {
        return Some(
            "ledger: its Redis cannot be used, and ledger.if_unavailable = \"refuse\" has nothing bought then; the log says why",
        );
    }
    match app.relay.upstream.is_reachable().await {
        true => None,
        false => Some(
            "upstream: FoxAPI cannot be connected to; look at upstream.base_url and the network",
        ),
    }
}

fn reply(status: StatusCode, kind: HeaderValue, text: String) -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::new(Bytes::from(text)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}
