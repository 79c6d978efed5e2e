//! Requests whose size, pace or framing is the trouble, whatever they say: refused clearly, bought never, and survived.

use std::{iter, time::Duration};

use crate::{
    bad_input::refused,
    harness::{Bridge, CHAT},
    http::Request,
};

#[tokio::test]
async fn a_body_of_fifty_megabytes() {
    let bridge = Bridge::start().await;
    let megabyte = || vec![b' '; 1 << 20];
    let announced = Request::chat("").with("Content-Length", &(50 << 20).to_string());
    let mut connection = bridge.open().await;
    connection.send(&announced.head()).await;
    connection.send_in_background(iter::repeat_with(megabyte).take(50));
    refused(&bridge, "announced", &connection.answer().await, 413).await;

    let chunked = Request::chat("")
        .without("content-length")
        .with("Transfer-Encoding", "chunked");
    let mut connection = bridge.open().await;
    connection.send(&chunked.head()).await;
    let chunk = move || [b"100000\r\n".as_slice(), &megabyte(), b"\r\n"].concat();
    connection.send_in_background(iter::repeat_with(chunk).take(50));
    refused(&bridge, "chunked", &connection.answer().await, 413).await;

    bridge.assert_serves().await;
}

#[tokio::test]
async fn a_large_body_within_the_limit_is_served() {
    let bridge = Bridge::start().await;
    let body = CHAT.replace("count", &"x".repeat(900_000));
    let answer = bridge.ask(&Request::chat(body)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

#[tokio::test]
async fn a_client_that_drips_is_not_waited_for() {
    let bridge =
        Bridge::with(|config| config.server.read_timeout = Duration::from_millis(500)).await;
    let request = Request::chat(CHAT);
    let whole = request.to_bytes();
    let dripping = async |at_once: usize| {
        let mut connection = bridge.open().await;
        connection.send(&whole[..at_once]).await;
        let left: Vec<Vec<u8>> = whole[at_once..].iter().map(|byte| vec![*byte]).collect();
        // Each byte comes well within any pause that would be noticed.
        connection.drip_in_background(left.into_iter(), Duration::from_millis(40));
        connection
    };
    let mut in_the_body = dripping(request.head().len() + 5).await;
    refused(&bridge, "body", &in_the_body.answer().await, 408).await;

    // Whoever has not even asked yet is let go without a word.
    let mut in_the_headers = dripping(30).await;
    assert_eq!(in_the_headers.until_closed().await, b"");
    assert_eq!(bridge.journal().requests.len(), 0);

    bridge.assert_serves().await;
}

#[tokio::test]
async fn framing_that_two_readers_would_understand_differently() {
    let bridge = Bridge::start().await;
    let chunked = format!("{:x}\r\n{CHAT}\r\n0\r\n\r\n", CHAT.len());
    let length = CHAT.len().to_string();
    let plain = Request::chat(chunked).without("content-length");
    for (about, request) in [
        (
            "length, then chunked",
            plain
                .clone()
                .with("Content-Length", &length)
                .with("Transfer-Encoding", "chunked"),
        ),
        (
            "chunked, then length",
            plain
                .clone()
                .with("Transfer-Encoding", "chunked")
                .with("Content-Length", &length),
        ),
        (
            "a length that is none",
            plain.clone().with("Content-Length", "12x"),
        ),
        ("two lengths", plain.clone().with("Content-Length", "5, 6")),
        (
            "a coding before chunked",
            plain.clone().with("Transfer-Encoding", "gzip, chunked"),
        ),
        ("an unknown coding", plain.with("Transfer-Encoding", "gzip")),
    ] {
        let answer = bridge.ask(&request).await;
        refused(&bridge, about, &answer, 400).await;
    }
    bridge.assert_serves().await;
}

#[tokio::test]
async fn headers_without_measure() {
    let bridge = Bridge::start().await;
    let long = Request::chat(CHAT).with("X-Long", &"x".repeat(1 << 20));
    let mut many = Request::chat(CHAT);
    for at in 0..5_000 {
        many = many.with(&format!("X-Many-{at}"), "x");
    }
    for (about, request) in [("one long header", long), ("many headers", many)] {
        let mut connection = bridge.open().await;
        connection.send_in_background(iter::once(request.to_bytes()));
        refused(&bridge, about, &connection.answer().await, 431).await;
    }
    bridge.assert_serves().await;
}

#[tokio::test]
async fn what_is_not_http() {
    let bridge = Bridge::start().await;
    for bytes in [
        b"hello\r\n\r\n".as_slice(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\nbroken header\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ] {
        let mut connection = bridge.open().await;
        connection.send(bytes).await;
        refused(
            &bridge,
            &format!("{bytes:?}"),
            &connection.answer().await,
            400,
        )
        .await;
    }
    bridge.assert_serves().await;
}
