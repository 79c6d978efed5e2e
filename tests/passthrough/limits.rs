use std::time::Duration;

use hyper::{Method, Response};
use tokio::time::sleep;

use crate::harness::{Client, code, next, piece, pieces, request, start, text, whole};

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_body_that_is_announced_too_long_goes_nowhere() {
    let (address, mut upstream) = start(|config| config.server.max_body = 8).await;
    let mut client = Client::connect(address).await;
    let reply = client
        .send(request(Method::POST, "/v1/embeddings", whole("123456789")))
        .await;
    assert_eq!(reply.status(), 413);
    assert_eq!(code(reply).await, "request_too_large");
    upstream.assert_untouched();

    let mut client = Client::connect(address).await;
    let reply = client.begin(request(Method::POST, "/v1/embeddings", whole("12345678")));
    let exchange = upstream.next().await;
    let body = exchange.request.into_body();
    assert_eq!(text(Response::new(body)).await, "12345678");
    exchange.reply.send(Response::new(whole("ok"))).unwrap();
    assert_eq!(reply.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_body_that_grows_too_long_is_cut_off_upstream() {
    let (address, mut upstream) = start(|config| config.server.max_body = 8).await;
    let mut client = Client::connect(address).await;
    let (up, body) = pieces();
    let reply = client.begin(request(Method::POST, "/v1/embeddings", body));
    up.send(piece(b"12345678")).await.unwrap();
    let mut exchange = upstream.next().await;
    let sent = exchange.request.body_mut();
    assert_eq!(next(sent).await.unwrap().unwrap(), "12345678");
    up.send(piece(b"9")).await.unwrap();
    assert!(next(sent).await.unwrap().is_err(), "an abort, not an end");
    // The client is read on, so that it gets to see why.
    up.send(piece(b"0")).await.unwrap();
    drop(up);
    let reply = reply.await.unwrap();
    assert_eq!(reply.status(), 413);
    assert_eq!(reply.headers()["x-should-retry"], "false");
    assert_eq!(code(reply).await, "request_too_large");
    upstream.assert_untouched();
}

#[tokio::test]
async fn a_body_that_grows_too_long_after_the_reply_began_cuts_both() {
    let (address, mut upstream) = start(|config| config.server.max_body = 8).await;
    let mut client = Client::connect(address).await;
    let (up, body) = pieces();
    let reply = client.begin(request(Method::POST, "/v1/embeddings", body));
    up.send(piece(b"12345678")).await.unwrap();
    let mut exchange = upstream.next().await;
    let (down, body) = pieces();
    exchange.reply.send(Response::new(body)).unwrap();
    let mut reply = reply.await.unwrap();
    down.send(piece(b"early")).await.unwrap();
    assert_eq!(next(reply.body_mut()).await.unwrap().unwrap(), "early");
    up.send(piece(b"9")).await.unwrap();
    let sent = exchange.request.body_mut();
    assert_eq!(next(sent).await.unwrap().unwrap(), "12345678");
    assert!(next(sent).await.unwrap().is_err());
    assert!(next(reply.body_mut()).await.unwrap().is_err());
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_left_and_a_change_is_not_repeated() {
    let (address, mut upstream) = start(|config| config.upstream.request_timeout = SHORT).await;
    for (method, advice) in [
        (Method::GET, None),
        (Method::POST, Some("false")),
        (Method::DELETE, Some("false")),
    ] {
        let mut client = Client::connect(address).await;
        let reply = client.begin(request(method, "/v1/files/f", whole("")));
        let mut exchange = upstream.next().await;
        let reply = reply.await.unwrap();
        assert_eq!(reply.status(), 504);
        let told = reply.headers().get("x-should-retry");
        assert_eq!(told.map(|told| told.to_str().unwrap()), advice);
        assert_eq!(code(reply).await, "upstream_timeout");
        exchange.reply.closed().await;
        upstream.assert_untouched();
    }
}

#[tokio::test]
async fn a_slow_client_is_not_taken_for_a_slow_upstream() {
    let (address, mut upstream) = start(|config| config.upstream.request_timeout = SHORT).await;
    let mut client = Client::connect(address).await;
    let (up, body) = pieces();
    let reply = client.begin(request(Method::POST, "/v1/embeddings", body));
    let mut exchange = upstream.next().await;
    for _ in 0..2 {
        sleep(2 * SHORT).await;
        up.send(piece(b"slow")).await.unwrap();
        let sent = next(exchange.request.body_mut()).await;
        assert_eq!(sent.unwrap().unwrap(), "slow");
    }
    drop(up);
    assert!(next(exchange.request.body_mut()).await.is_none());
    exchange.reply.send(Response::new(whole("ok"))).unwrap();
    assert_eq!(text(reply.await.unwrap()).await, "ok");
}

#[tokio::test]
async fn a_client_that_falls_silent_is_told_and_its_request_aborted() {
    let (address, mut upstream) = start(|config| config.server.read_timeout = SHORT).await;
    let mut client = Client::connect(address).await;
    let (up, body) = pieces();
    let reply = client.begin(request(Method::POST, "/v1/embeddings", body));
    up.send(piece(b"then nothing")).await.unwrap();
    let mut exchange = upstream.next().await;
    let sent = exchange.request.body_mut();
    assert_eq!(next(sent).await.unwrap().unwrap(), "then nothing");
    assert!(next(sent).await.unwrap().is_err());
    let reply = reply.await.unwrap();
    assert_eq!(reply.status(), 408);
    assert_eq!(reply.headers()["x-should-retry"], "false");
    assert_eq!(code(reply).await, "request_timeout");
}

#[tokio::test]
async fn a_reply_that_began_may_take_its_time() {
    let (address, mut upstream) = start(|config| {
        config.upstream.request_timeout = SHORT;
        config.server.read_timeout = SHORT;
    })
    .await;
    let mut client = Client::connect(address).await;
    let reply = client.begin(request(Method::GET, "/v1/files/f", whole("")));
    let (down, body) = pieces();
    let exchange = upstream.next().await;
    exchange.reply.send(Response::new(body)).unwrap();
    let mut reply = reply.await.unwrap();
    sleep(2 * SHORT).await;
    down.send(piece(b"late")).await.unwrap();
    assert_eq!(next(reply.body_mut()).await.unwrap().unwrap(), "late");
}
