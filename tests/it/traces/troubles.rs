//! Collectors that are slow, busy or gone, or behind TLS.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use super::{collector::Collector, start, traced};
use crate::{
    harness::{Bridge, CHAT},
    http::Request,
    process::Process,
    tls::Certified,
};

#[tokio::test]
async fn a_dead_collector_harms_nobody() {
    // One refuses connections, the other takes them and says nothing.
    let vacant = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = vacant.local_addr().unwrap();
    drop(vacant);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for address in [dead, silent.local_addr().unwrap()] {
        let mut bridge = Bridge::with(traced(&format!("http://{address}"))).await;
        for _ in 0..20 {
            bridge.assert_serves().await;
        }
        tokio::time::sleep(Duration::from_millis(1200)).await;
        bridge.assert_serves().await;
        bridge.proxy.ask_to_stop();
        let stopping = Instant::now();
        bridge.proxy.stopped().await;
        let took = stopping.elapsed();
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

#[tokio::test]
async fn the_last_ones_are_sent_at_a_stop() {
    let (collector, mut bridge) = start().await;
    for _ in 0..3 {
        bridge.assert_serves().await;
    }
    bridge.proxy.ask_to_stop();
    bridge.proxy.stopped().await;
    assert_eq!(collector.received().requests().len(), 3);
}

#[tokio::test]
async fn what_a_collector_cannot_take_now_is_sent_again() {
    let collector = Collector::refusing(1).await;
    let bridge = Bridge::with(traced(&collector.endpoint)).await;
    bridge.assert_serves().await;
    let (request, _) = collector.request().await;
    assert_eq!(request.get("http.response.status_code"), "200");
    assert_eq!(collector.received().exports, 2);
}

#[tokio::test]
async fn an_operator_hears_of_what_is_lost() {
    let bridge = Bridge::start().await;
    let process = Process::start(&bridge, &["trace.endpoint=http://127.0.0.1:1"]).await;
    assert_eq!(process.ask(&Request::chat(CHAT)).await.status(), 200);
    let line = process.logs(&["traces are lost"]).await;
    assert_eq!(line["requests"], 1);
    let cause = line["cause"].as_str().unwrap();
    assert!(cause.contains("refused"), "{cause}");
}

#[tokio::test]
async fn a_collector_behind_tls_is_trusted_as_the_upstream_is() {
    for protocols in [vec![], vec![b"h2".to_vec()]] {
        let collector = Collector::start().await;
        let mut certified = Certified::for_name("127.0.0.1");
        certified.server.alpn_protocols = protocols;
        let plain = collector.endpoint.trim_start_matches("http://");
        let secure = certified.terminate_for(plain.parse().unwrap()).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authority.pem");
        std::fs::write(&file, &certified.authority_pem).unwrap();
        let settings = traced(&format!("https://{secure}"));
        let bridge = Bridge::with(|config| {
            settings(config);
            config.upstream.ca_file = Some(file);
        })
        .await;
        bridge.assert_serves().await;
        let (request, _) = collector.request().await;
        assert_eq!(request.get("http.response.status_code"), "200");
    }
}
