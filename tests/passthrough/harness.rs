//! A proxy between a client and an upstream that does what the test does.

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use foxbridge::{
    config::{self, Config, Sources},
    run,
};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response,
    body::{Frame, Incoming},
    client::conn::http1::SendRequest,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

/// Only a hang comes near it.
const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const KEY: &str = "sk-operator";

pub(crate) type TestBody = UnsyncBoxBody<Bytes, io::Error>;
/// Pushes pieces into a body; dropping it ends the body, an error aborts it.
pub(crate) type Pieces = mpsc::Sender<io::Result<Frame<Bytes>>>;

pub(crate) async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, happens)
        .await
        .unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

pub(crate) fn whole(bytes: impl Into<Bytes>) -> TestBody {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body that is sent piece by piece.
pub(crate) fn pieces() -> (Pieces, TestBody) {
    let (sender, mut receiver) = mpsc::channel(1);
    let stream = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    (sender, StreamBody::new(stream).boxed_unsync())
}

pub(crate) fn piece(bytes: &'static [u8]) -> io::Result<Frame<Bytes>> {
    Ok(Frame::data(Bytes::from_static(bytes)))
}

/// The next piece of a body.
pub(crate) async fn next(body: &mut Incoming) -> Option<Result<Bytes, hyper::Error>> {
    let frame = within("a piece", body.frame()).await?;
    Some(frame.map(|frame| frame.into_data().unwrap_or_default()))
}

/// A request that has reached the upstream. Dropping it breaks the connection.
pub(crate) struct Exchange {
    pub(crate) request: Request<Incoming>,
    pub(crate) reply: oneshot::Sender<Response<TestBody>>,
}

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    exchanges: mpsc::UnboundedReceiver<Exchange>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, exchanges) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                let service = service_fn(move |request| {
                    let (reply, replied) = oneshot::channel();
                    let sent = sender.send(Exchange { request, reply });
                    async move {
                        sent.map_err(io::Error::other)?;
                        replied.await.map_err(io::Error::other)
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, exchanges }
    }

    pub(crate) async fn next(&mut self) -> Exchange {
        let exchange = within("a request upstream", self.exchanges.recv()).await;
        exchange.expect("an upstream that runs")
    }

    /// Nothing has come besides what was taken.
    pub(crate) fn assert_untouched(&mut self) {
        assert!(
            self.exchanges.try_recv().is_err(),
            "a request came upstream"
        );
    }
}

/// A proxy that relays `/v1/files/*`, `/v1/embeddings` and `/v1/tasks/*`, with a key of its own.
pub(crate) async fn proxy(upstream: SocketAddr, change: impl FnOnce(&mut Config)) -> SocketAddr {
    proxy_until(upstream, change, std::future::pending())
        .await
        .0
}

/// As [`proxy`], until it is told to stop.
pub(crate) async fn proxy_until(
    upstream: SocketAddr,
    change: impl FnOnce(&mut Config),
    stop: impl Future<Output = ()> + Send + 'static,
) -> (SocketAddr, JoinHandle<Result<(), run::StartError>>) {
    let mut config = config::load(&Sources::default()).unwrap().config;
    config.listen.set_port(0);
    config.upstream.base_url = format!("http://{upstream}").parse().unwrap();
    config.upstream.api_key = Some(KEY.into());
    config.server.max_body = 1 << 10;
    config.server.passthrough = ["/v1/files/*", "/v1/embeddings", "/v1/tasks/*"]
        .map(String::from)
        .into();
    change(&mut config);
    let listener = TcpListener::bind(config.listen).await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, tokio::spawn(run::serve(config, listener, stop)))
}

pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> (SocketAddr, Upstream) {
    let upstream = Upstream::start().await;
    (proxy(upstream.address, change).await, upstream)
}

/// One connection to the proxy; dropping it is leaving.
pub(crate) struct Client {
    sender: SendRequest<TestBody>,
    connection: JoinHandle<()>,
}

impl Client {
    pub(crate) async fn connect(proxy: SocketAddr) -> Self {
        let stream = TcpStream::connect(proxy).await.unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let connection = tokio::spawn(async move {
            // Broken connections show in the replies.
            let _ = connection.await;
        });
        Self { sender, connection }
    }

    pub(crate) async fn send(&mut self, request: Request<TestBody>) -> Response<Incoming> {
        let reply = self.sender.send_request(request);
        within("a reply", reply).await.unwrap()
    }

    /// Sends without waiting for the reply.
    pub(crate) fn begin(
        &mut self,
        request: Request<TestBody>,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + use<> {
        let reply = tokio::spawn(self.sender.send_request(request));
        async { within("a reply", reply).await.unwrap() }
    }

    pub(crate) async fn leave(self) {
        self.connection.abort();
        let _ = self.connection.await;
    }
}

pub(crate) fn request(method: Method, path: &str, body: TestBody) -> Request<TestBody> {
    let request = Request::builder().method(method).uri(path);
    let request = request
        .header("host", "proxy")
        .header("authorization", "Bearer sk-caller");
    request.body(body).unwrap()
}

pub(crate) async fn text(reply: Response<Incoming>) -> String {
    let body = within("the body", reply.into_body().collect())
        .await
        .unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

/// The `code` of a reply that is an error in OpenAI's shape.
pub(crate) async fn code(reply: Response<Incoming>) -> String {
    assert!(reply.headers().contains_key("x-request-id"));
    let body: Value = serde_json::from_str(&text(reply).await).unwrap();
    let error = body["error"].as_object().expect("an error");
    assert_eq!(error.len(), 4, "{error:?}");
    error["code"].as_str().expect("a code").to_owned()
}
