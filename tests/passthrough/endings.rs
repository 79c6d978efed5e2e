use std::{io, time::Duration};

use hyper::{Method, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::harness::{
    Client, Upstream, code, next, piece, pieces, proxy, proxy_until, request, start, text, whole,
    within,
};

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_got_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    let mut client = Client::connect(proxy(gone, |_| ()).await).await;
    let reply = client
        .send(request(Method::POST, "/v1/embeddings", whole("{}")))
        .await;
    assert_eq!(reply.status(), 503);
    assert!(!reply.headers().contains_key("x-should-retry"));
    assert_eq!(code(reply).await, "upstream_unreachable");
}

#[tokio::test]
async fn an_upstream_that_hangs_up_is_not_asked_again() {
    let (address, mut upstream) = start(|_| ()).await;
    for (method, advice) in [(Method::GET, None), (Method::PUT, Some("false"))] {
        let mut client = Client::connect(address).await;
        let reply = client.begin(request(method, "/v1/files/f", whole("")));
        drop(upstream.next().await);
        let reply = reply.await.unwrap();
        assert_eq!(reply.status(), 502);
        let told = reply.headers().get("x-should-retry");
        assert_eq!(told.map(|told| told.to_str().unwrap()), advice);
        assert_eq!(code(reply).await, "upstream_failed");
        upstream.assert_untouched();
    }
}

#[tokio::test]
async fn a_reply_that_breaks_off_does_not_end_as_if_it_were_whole() {
    let (address, mut upstream) = start(|_| ()).await;
    for length in [None, Some("100")] {
        let mut client = Client::connect(address).await;
        let reply = client.begin(request(Method::GET, "/v1/files/f", whole("")));
        let (down, body) = pieces();
        let mut answered = Response::new(body);
        if let Some(length) = length {
            let length = length.parse().unwrap();
            answered.headers_mut().insert("content-length", length);
        }
        upstream.next().await.reply.send(answered).unwrap();
        let mut reply = reply.await.unwrap();
        down.send(piece(b"half")).await.unwrap();
        assert_eq!(next(reply.body_mut()).await.unwrap().unwrap(), "half");
        down.send(Err(io::Error::other("cut"))).await.unwrap();
        assert!(next(reply.body_mut()).await.unwrap().is_err());
    }
}

#[tokio::test]
async fn over_http_2_a_broken_reply_is_a_reset_stream() {
    let (address, mut upstream) = start(|_| ()).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let mut sent = request(
        Method::POST,
        &format!("http://{address}/v1/embeddings?a=1"),
        whole("{}"),
    );
    sent.headers_mut().remove("host");
    let reply = tokio::spawn(client.send_request(sent));
    let exchange = upstream.next().await;
    assert_eq!(exchange.request.uri(), "/v1/embeddings?a=1");
    assert_eq!(exchange.request.headers()["via"], "2 foxbridge");
    assert_eq!(
        text(Response::new(exchange.request.into_body())).await,
        "{}"
    );
    let (down, body) = pieces();
    exchange.reply.send(Response::new(body)).unwrap();
    let mut reply = within("a reply", reply).await.unwrap().unwrap();
    down.send(piece(b"half")).await.unwrap();
    assert_eq!(next(reply.body_mut()).await.unwrap().unwrap(), "half");
    down.send(Err(io::Error::other("cut"))).await.unwrap();
    assert!(next(reply.body_mut()).await.unwrap().is_err());
}

#[tokio::test]
async fn a_client_that_leaves_stops_the_upstream_request() {
    let (address, mut upstream) = start(|_| ()).await;

    let mut client = Client::connect(address).await;
    let _reply = client.begin(request(Method::GET, "/v1/files/f", whole("")));
    let mut exchange = upstream.next().await;
    client.leave().await;
    within("no reply is awaited any more", exchange.reply.closed()).await;

    let mut client = Client::connect(address).await;
    let (up, body) = pieces();
    let _reply = client.begin(request(Method::POST, "/v1/files/f", body));
    up.send(piece(b"half")).await.unwrap();
    let mut exchange = upstream.next().await;
    let sent = exchange.request.body_mut();
    assert_eq!(next(sent).await.unwrap().unwrap(), "half");
    client.leave().await;
    assert!(next(sent).await.unwrap().is_err());

    let mut client = Client::connect(address).await;
    let reply = client.begin(request(Method::GET, "/v1/files/f", whole("")));
    let (down, body) = pieces();
    upstream
        .next()
        .await
        .reply
        .send(Response::new(body))
        .unwrap();
    reply.await.unwrap();
    client.leave().await;
    within("the reply is not read any more", down.closed()).await;
}

#[tokio::test]
async fn a_reply_that_comes_before_the_request_is_sent_is_passed_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = proxy(listener.local_addr().unwrap(), |config| {
        config.server.max_body = 64 << 20;
    })
    .await;
    let mut client = Client::connect(address).await;
    let reply = client.begin(request(
        Method::POST,
        "/v1/files/big",
        whole(vec![7; 32 << 20]),
    ));
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.read_u8().await.unwrap();
    let refusal = b"HTTP/1.1 413 Too Much\r\ncontent-length: 5\r\nconnection: close\r\n\r\nnever";
    stream.write_all(refusal).await.unwrap();
    let reply = reply.await.unwrap();
    assert_eq!(reply.status(), 413);
    assert_eq!(text(reply).await, "never");
}

#[tokio::test]
async fn a_reply_that_does_not_end_is_cut_when_the_grace_is_over() {
    let mut upstream = Upstream::start().await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (address, serving) = proxy_until(
        upstream.address,
        |config| {
            config.server.shutdown_grace = Duration::from_millis(1);
        },
        async { stopped.await.unwrap_or_default() },
    )
    .await;
    let mut client = Client::connect(address).await;
    let reply = client.begin(request(Method::GET, "/v1/files/f", whole("")));
    let (down, body) = pieces();
    upstream
        .next()
        .await
        .reply
        .send(Response::new(body))
        .unwrap();
    let mut reply = reply.await.unwrap();
    down.send(piece(b"half")).await.unwrap();
    assert_eq!(next(reply.body_mut()).await.unwrap().unwrap(), "half");
    drop(stop);
    assert!(next(reply.body_mut()).await.unwrap().is_err());
    within("the proxy stops", serving).await.unwrap().unwrap();
}
