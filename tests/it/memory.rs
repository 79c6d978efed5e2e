//! How much memory the program takes, whatever clients do.

#![cfg(target_os = "linux")]

use serde_json::json;
use tokio::process::Command;

use crate::{
    harness::{Bridge, CHAT},
    http::{Connection, Request},
    process::Process,
    raw_upstream::*,
};

#[tokio::test]
async fn memory_is_bounded_whatever_is_sent() {
    let bridge = Bridge::start().await;
    let process = Process::start(&bridge, &["server.max_body=1MiB"]).await;
    assert_eq!(process.ask(&Request::chat(CHAT)).await.status(), 200);
    let before = process.peak_memory();
    let megabyte = || [b"100000\r\n".as_slice(), &[b'['; 1 << 20], b"\r\n"].concat();
    let endless = Request::chat("")
        .without("content-length")
        .with("Transfer-Encoding", "chunked");
    let mut senders = Vec::new();
    for _ in 0..16 {
        let mut connection = Connection::open(process.address).await;
        connection.send(&endless.head()).await;
        connection.send_in_background(std::iter::repeat_with(megabyte).take(50));
        senders.push(connection);
    }
    for sender in &mut senders {
        assert_eq!(sender.answer().await.status(), 413);
    }
    let deep = format!("{{\"x\":{}", "[".repeat(1_000_000));
    assert_eq!(process.ask(&Request::chat(deep)).await.status(), 400);
    // Sixteen times 50 MB came, of which each connection may hold its one permitted megabyte and what is in flight.
    let growth = process.peak_memory() - before;
    assert!(growth < 64 << 20, "grew by {growth} bytes");
}

/// What a client does not read stays with the upstream: between the two there are a few buffers.
#[tokio::test]
async fn memory_is_bounded_for_clients_that_do_not_read() {
    // What a client has been told is kept, to go on from there if the stream breaks; what is only passed on is not.
    let padded = format!("{{\"padding\":\"{}\",", "x".repeat(8000));
    let script = Script {
        open: vec![endless("", &text("").replacen('{', &padded, 1))],
        ..Script::default()
    };
    let upstream = RawUpstream::start(script).await;
    let program = Command::new(env!("CARGO_BIN_EXE_foxbridge"));
    let process = Process::run(program, &upstream.url(), &[]).await;
    let ask = async || {
        let answer = process.ask(&question(false, json!({}))).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    };
    ask().await;
    let before = process.peak_memory();
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut connection = Connection::open(process.address).await;
        connection.send(&question(true, json!({})).to_bytes()).await;
        connection.head().await;
        idle.push(connection);
    }
    upstream.until("all flow", |seen| seen.held == 20).await;
    // Twenty upstreams write as fast as they can meanwhile.
    for _ in 0..100 {
        ask().await;
    }
    let growth = process.peak_memory() - before;
    assert!(growth < 20 * (1 << 20), "grew by {growth} bytes");
}
