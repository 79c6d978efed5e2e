//! Connections on which nothing is asked any more.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::{
    harness::{Bridge, CHAT, within},
    http::Request,
};

#[tokio::test]
async fn a_kept_connection_is_closed_after_a_while() {
    let bridge = Bridge::with(|config| {
        config.server.read_timeout = Duration::from_millis(500);
    })
    .await;
    let mut connection = bridge.open().await;
    for _ in 0..2 {
        connection.send(&Request::chat(CHAT).to_bytes()).await;
        assert_eq!(connection.answer().await.status(), 200);
    }
    assert!(connection.until_closed().await.is_empty());

    let stream = TcpStream::connect(bridge.proxy.address).await.unwrap();
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    let ended = tokio::spawn(connection);
    let request = hyper::Request::get("http://foxbridge/v1/models")
        .header("authorization", "Bearer sk-test")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    answer.into_body().collect().await.unwrap();
    // How it puts that is up to the client.
    let _ = within("HTTP/2 is closed too", ended).await.unwrap();
}
