//! What supervisors ask of the process, on an address of its own (`admin.listen`).
//!
//! `GET /livez` says that the process serves, and `GET /readyz` whether it wants new requests: 200, or 503 with the
//! reason. Neither asks the upstream: its failures are no reason to restart a proxy, nor cured by it.

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
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Connections served at once; supervisors are few, and others wait unaccepted.
pub const CONNECTIONS: usize = 64;
/// How long a connection may take for its one question and answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// When the process has no file descriptors left, accepting again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is served, as a 404 says it.
const SERVED: &str = "served are GET /livez and GET /readyz";

/// Answers supervisors for as long as it is polled. The process is ready until `draining` is cancelled.
pub async fn serve(listener: TcpListener, draining: CancellationToken) -> Infallible {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let permit = room.clone().acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let draining = draining.clone();
                tokio::spawn(async move {
                    answer_one(stream, draining).await;
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

async fn answer_one(stream: TcpStream, draining: CancellationToken) {
    let service = service_fn(move |request: Request<Incoming>| {
        let reply = answer(request.method(), request.uri().path(), &draining);
        async move { Ok::<_, Infallible>(reply) }
    });
    // One question a connection, so that nobody holds one of the few.
    let connection = http1::Builder::new()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(PATIENCE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a supervisor's connection ended early"),
        Err(_) => tracing::debug!("a supervisor's connection took too long"),
    }
}

fn answer(method: &Method, path: &str, draining: &CancellationToken) -> Response<Full<Bytes>> {
    let (status, text) = match path {
        "/livez" | "/readyz" if method != Method::GET && method != Method::HEAD => {
            (StatusCode::METHOD_NOT_ALLOWED, SERVED)
        }
        "/readyz" if draining.is_cancelled() => (
            StatusCode::SERVICE_UNAVAILABLE,
            "draining: foxbridge was told to stop and takes no new requests",
        ),
        "/livez" | "/readyz" => (StatusCode::OK, "ok"),
        _ => (StatusCode::NOT_FOUND, SERVED),
    };
    let mut reply = Response::new(Full::new(Bytes::from(format!("{text}\n"))));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    reply
}
