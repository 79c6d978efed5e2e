//! Clients that stop reading: they hold up neither the upstream nor anybody else.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    harness::{Proxy, within},
    http::{Connection, Ending},
    raw_upstream::*,
    tls::Certified,
};

#[tokio::test]
async fn a_client_that_stops_reading_is_given_up() {
    let much = text(&"x".repeat(8000));
    let script = Script {
        open: vec![endless("", &much)],
        ..Script::default()
    };
    let stage = Stage::with(script, |config| {
        config.server.read_timeout = Duration::from_millis(400);
    })
    .await;
    let mut connection = Connection::open(stage.proxy.address).await;
    connection.send(&question(true, json!({})).to_bytes()).await;
    let upstream = &stage.upstream;
    upstream.until("it streams", |seen| seen.held == 1).await;
    upstream.until("it is let go", |seen| seen.held == 0).await;
    // The connection was ended, so what is still to be read has an end.
    connection.head().await;
    let (_, ending) = connection.rest().await;
    assert_eq!(ending, Ending::Aborted);
    let answer = stage.ask(&question(false, json!({}))).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

/// Over HTTP/2 a client need not even stop reading its socket: it grants no window.
#[tokio::test]
async fn a_client_that_grants_no_window_is_given_up_after_the_deadline() {
    let much = text(&"x".repeat(8000));
    let script = Script {
        open: vec![endless("", &much)],
        ..Script::default()
    };
    let stage = Stage::with(script, |config| {
        config.task.deadline = Duration::from_secs(1);
    })
    .await;
    let stream = TcpStream::connect(stage.proxy.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(20_000)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let body = r#"{"model":"gpt-5.5","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let request = Request::post("http://foxbridge/v1/chat/completions")
        .header("authorization", "Bearer sk-test")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    // Its body is held and not read.
    stage
        .upstream
        .until("it streams", |seen| seen.held == 1)
        .await;
    stage
        .upstream
        .until("it is let go", |seen| seen.held == 0)
        .await;
    // The client learns of it by the end of its connection.
    let _ = within("the connection ends", connection).await;
    drop(answer);
}

/// How many requests at once a connection takes; servers do not allow fewer.
const MOST_STREAMS: u32 = 100;

/// An upstream that speaks HTTP/2 behind TLS, and whose streams never end.
struct SharedConnection {
    address: SocketAddr,
    /// How many streams have been opened.
    opened: watch::Receiver<usize>,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

impl SharedConnection {
    async fn start(certified: &Certified, pieces: usize) -> Self {
        let mut tls = certified.server.clone();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, opened) = watch::channel(0);
        let count = Arc::new(count);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, count) = (acceptor.clone(), count.clone());
                tokio::spawn(async move {
                    let stream = acceptor.accept(stream).await.unwrap();
                    let service = service_fn(move |request| answer(request, count.clone(), pieces));
                    // The proxy ends the connection when the test is over.
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .max_concurrent_streams(MOST_STREAMS)
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, opened }
    }
}

async fn answer(
    request: Request<Incoming>,
    count: Arc<watch::Sender<usize>>,
    pieces: usize,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let is_submit = request.method() == hyper::Method::POST;
    let _ = request.into_body().collect().await;
    let whole = |body: serde_json::Value| {
        let body = Full::new(Bytes::from(body.to_string())).boxed_unsync();
        Ok(Response::new(body))
    };
    if path.ends_with("/stream") {
        count.send_modify(|count| *count += 1);
        let piece = Bytes::from(text(&"y".repeat(8000)));
        let pieces = stream::repeat(piece)
            .take(pieces)
            .chain(stream::pending())
            .map(|piece| Ok(Frame::data(piece)));
        let mut reply = Response::new(StreamBody::new(pieces).boxed_unsync());
        let kind = "text/event-stream".parse().unwrap();
        reply.headers_mut().insert("content-type", kind);
        return Ok(reply);
    }
    if is_submit {
        let url = "/v1/llm/generations/task-1/stream";
        return whole(json!({"id": "task-1", "status": "pending", "stream": {"url": url}}));
    }
    whole(
        json!({"id": "task-1", "status": "completed", "results": [completion(&"z".repeat(200_000))]}),
    )
}

/// So many streams that nobody reads, each of so many pieces and without end; and then answers to others.
async fn serves_beside(streams: usize, pieces: usize) {
    let certified = Certified::for_name("127.0.0.1");
    let upstream = SharedConnection::start(&certified, pieces).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, &certified.authority_pem).unwrap();
    let proxy = Proxy::start(&format!("https://{}", upstream.address), |config| {
        config.upstream.ca_file = Some(file);
    })
    .await;
    let mut idle = Vec::new();
    for _ in 0..streams {
        let mut connection = Connection::open(proxy.address).await;
        connection.send(&question(true, json!({})).to_bytes()).await;
        connection.head().await;
        idle.push(connection);
    }
    let mut opened = upstream.opened.clone();
    let all_open = opened.wait_for(|count| *count == streams);
    within("all streams are open", all_open).await.unwrap();
    for _ in 0..8 {
        let answer = proxy.ask(&question(false, json!({}))).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
    drop(idle);
}

#[tokio::test]
async fn those_who_do_not_read_share_no_window_with_those_who_do() {
    serves_beside(8, usize::MAX).await;
}

/// A connection over HTTP/2 takes only so many requests at once; more of them are no reason to wait.
#[tokio::test]
async fn more_streams_than_one_connection_takes_hold_nobody_up() {
    serves_beside(2 * MOST_STREAMS as usize + 50, 1).await;
}
