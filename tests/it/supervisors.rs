//! What supervisors are told while the program serves and while it stops, and in which order it stops.

use crate::{
    events::Events,
    harness::{Bridge, CHAT, scripted},
    http::{Answer, Connection, Request},
    process::Process,
    shutdown::refuses_connections,
};

#[tokio::test]
async fn sigterm_flips_readiness_finishes_the_stream_and_leaves_with_0() {
    let bridge = Bridge::start().await;
    let process = Process::start(&bridge, &["admin.listen=127.0.0.1:0"]).await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(process.supervise(path).await.status(), 200, "{path}");
    }
    let mut connection = Connection::open(process.address).await;
    let request = scripted("words=9 stream=stall@3:3s", true);
    connection.send(&request.to_bytes()).await;
    let head = connection.head().await;
    let early = connection.read_until(|text| text.contains("data: ")).await;

    process.terminate().await;
    process.is_draining().await;
    refuses_connections(process.address).await;
    let answer = process.supervise("/readyz").await;
    assert_eq!(answer.status(), 503);
    assert!(answer.text().contains("draining"), "{}", answer.text());
    assert_eq!(process.supervise("/livez").await.status(), 200);

    let (rest, ending) = connection.rest().await;
    let body = [early.into_bytes(), rest].concat();
    assert!(Events::chunks(&Answer { head, body, ending }).len() > 3);
    let admin = process.admin.unwrap();
    let (status, _) = process.left().await;
    assert_eq!(status.code(), Some(0));
    refuses_connections(admin).await;
}

#[tokio::test]
async fn a_drain_delay_lets_load_balancers_see_it_first() {
    let bridge = Bridge::start().await;
    let settings = ["admin.listen=127.0.0.1:0", "server.drain_delay=1h"];
    let process = Process::start(&bridge, &settings).await;
    process.terminate().await;
    process.is_draining().await;
    assert_eq!(process.ask(&Request::chat(CHAT)).await.status(), 200);
    process.terminate().await;
    let (status, _) = process.left().await;
    assert_eq!(status.code(), Some(1), "the second signal does not wait");
}

#[tokio::test]
async fn supervisors_are_told_nothing_else() {
    let bridge = Bridge::start().await;
    let process = Process::start(&bridge, &["admin.listen=127.0.0.1:0"]).await;
    for path in ["/", "/v1/models", "/livez/"] {
        assert_eq!(process.supervise(path).await.status(), 404, "{path}");
    }
    let mut connection = Connection::open(process.admin.unwrap()).await;
    connection
        .send(&Request::new("POST", "/livez", "x").to_bytes())
        .await;
    assert_eq!(connection.answer().await.status(), 405);
    for path in ["/livez", "/readyz"] {
        assert_eq!(process.ask(&Request::get(path)).await.status(), 404);
    }
}
