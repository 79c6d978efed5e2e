//! What the simulator remembers of its visitors.

use foxbridge::simulator::{Settings, Simulator, serve};
use http_body_util::BodyExt;
use serde_json::json;
use tokio::{net::TcpListener, sync::oneshot};

use crate::wire::*;

#[tokio::test]
async fn every_call_is_counted_and_recorded() {
    let simulator = Simulator::start(Settings::instant()).await.unwrap();
    let body = streaming("hello");
    let task = submit(&simulator, &body).await;
    query(&simulator, &task).await;
    query(&simulator, &task).await;
    follow(&simulator, &task).await;
    let file = json!({"file_data": "Zm9v"}).to_string();
    post("/v1/files/upload/base64", file.clone())
        .send(&simulator)
        .await
        .unwrap();
    get("/v1/models")
        .key("sk-other")
        .send(&simulator)
        .await
        .unwrap();
    let journal = simulator
        .journal_when(|journal| journal.open_connections == 0)
        .await;
    assert_eq!((journal.submits, journal.accepted), (1, 1));
    assert_eq!(
        (journal.queries, journal.stream_opens, journal.open_streams),
        (2, 1, 0)
    );
    assert_eq!(
        (journal.uploads, journal.model_lists, journal.connections),
        (1, 1, 6)
    );
    let recorded: Vec<_> = journal
        .requests
        .iter()
        .map(|request| (request.method.as_str(), request.path.as_str()))
        .collect();
    let id = task["id"].as_str().unwrap();
    let (query, stream) = (format!("/v1/tasks/{id}"), format!("{SUBMIT}/{id}/stream"));
    assert_eq!(
        recorded,
        [
            ("POST", SUBMIT),
            ("GET", &query),
            ("GET", &query),
            ("GET", &stream),
            ("POST", "/v1/files/upload/base64"),
            ("GET", "/v1/models"),
        ]
    );
    assert_eq!(journal.requests[0].body, body.to_string());
    assert_eq!(journal.requests[4].body, file);
    assert_eq!(journal.requests[0].authorization(), Some("Bearer sk-test"));
    assert_eq!(journal.requests[5].authorization(), Some("Bearer sk-other"));
}

#[tokio::test]
async fn a_kept_alive_connection_serves_many_requests() {
    let simulator = Simulator::start(Settings::instant()).await.unwrap();
    let head = format!("host: x\r\nauthorization: Bearer {KEY}\r\n");
    let request = format!(
        "GET /v1/models HTTP/1.1\r\n{head}\r\nGET /v1/models HTTP/1.1\r\n{head}connection: close\r\n\r\n"
    );
    let replies = raw(&simulator, &request).await;
    assert_eq!(replies.matches("HTTP/1.1 200 OK").count(), 2);
    let journal = simulator.journal();
    assert_eq!((journal.connections, journal.model_lists), (1, 2));
}

#[tokio::test]
async fn it_ends_when_dropped_or_stopped() {
    let simulator = Simulator::start(Settings::instant()).await.unwrap();
    let task = submit(&simulator, &streaming("[[fox: stream=stall@1]]")).await;
    let following = tokio::spawn(stream_of(&task).open(&simulator).await.unwrap().collect());
    drop(simulator);
    assert!(
        following.await.unwrap().is_err(),
        "the stream ends with the simulator"
    );

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(serve(listener, Settings::default(), async {
        let _ = stopped.await;
    }));
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}
