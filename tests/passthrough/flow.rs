use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, Response, body::Frame};
use tokio::time::timeout;

use crate::harness::{Client, Pieces, next, piece, pieces, request, start, whole};

/// More than all socket buffers between two ends hold.
const MUCH: usize = 64 << 20;
const PIECE: Bytes = Bytes::from_static(&[7; 64 << 10]);

#[tokio::test]
async fn both_bodies_flow_while_both_are_open() {
    let (address, mut upstream) = start(|_| ()).await;
    let mut client = Client::connect(address).await;
    let (up, body) = pieces();
    let reply = client.begin(request(Method::POST, "/v1/embeddings", body));
    up.send(piece(b"ping 1")).await.unwrap();
    let mut exchange = upstream.next().await;
    let sent = exchange.request.body_mut();
    assert_eq!(next(sent).await.unwrap().unwrap(), "ping 1");
    let (down, body) = pieces();
    exchange.reply.send(Response::new(body)).unwrap();
    let mut reply = reply.await.unwrap();
    for _ in 0..3 {
        down.send(piece(b"pong")).await.unwrap();
        assert_eq!(next(reply.body_mut()).await.unwrap().unwrap(), "pong");
        up.send(piece(b"ping")).await.unwrap();
        assert_eq!(next(sent).await.unwrap().unwrap(), "ping");
    }
    drop(up);
    assert!(next(sent).await.is_none());
    drop(down);
    assert!(next(reply.body_mut()).await.is_none());
}

async fn push_much(pieces: Pieces) {
    for _ in 0..MUCH / PIECE.len() {
        pieces.send(Ok(Frame::data(PIECE))).await.unwrap();
    }
}

#[tokio::test]
async fn a_reply_is_read_only_as_fast_as_the_client_takes_it() {
    let (address, mut upstream) = start(|_| ()).await;
    let mut client = Client::connect(address).await;
    let reply = client.begin(request(Method::GET, "/v1/files/big", whole("")));
    let (down, body) = pieces();
    let exchange = upstream.next().await;
    exchange.reply.send(Response::new(body)).unwrap();
    let mut reply = reply.await.unwrap();
    let mut pushing = tokio::spawn(push_much(down));
    assert!(
        timeout(Duration::from_secs(1), &mut pushing).await.is_err(),
        "all of it was taken although nobody reads it"
    );
    let mut length = 0;
    while let Some(piece) = next(reply.body_mut()).await {
        length += piece.unwrap().len();
    }
    assert_eq!(length, MUCH);
    pushing.await.unwrap();
}

#[tokio::test]
async fn a_request_is_read_only_as_fast_as_the_upstream_takes_it() {
    let (address, mut upstream) = start(|config| config.server.max_body = MUCH).await;
    let mut client = Client::connect(address).await;
    let (up, body) = pieces();
    let reply = client.begin(request(Method::POST, "/v1/files/big", body));
    let mut pushing = tokio::spawn(push_much(up));
    let mut exchange = upstream.next().await;
    assert!(
        timeout(Duration::from_secs(1), &mut pushing).await.is_err(),
        "all of it was taken although nobody reads it"
    );
    let mut length = 0;
    while let Some(piece) = next(exchange.request.body_mut()).await {
        length += piece.unwrap().len();
    }
    assert_eq!(length, MUCH);
    exchange.reply.send(Response::new(whole("ok"))).unwrap();
    assert_eq!(reply.await.unwrap().status(), 200);
}
