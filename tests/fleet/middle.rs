//! What is under way when Redis goes, is emptied or is full, and when a replica dies.

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    harness::{Fleet, again, scripted, until, within},
    http::{Connection, Request},
};

const MANY: usize = 6;

#[derive(Debug, Clone, Copy)]
enum Trouble {
    Killed,
    Hangs,
    Emptied,
}

fn watched(number: usize) -> Request {
    let script = format!("id=watched-{number} words=4 first-chunk=1500ms");
    scripted(&script, true)
}

fn left(number: usize) -> Request {
    scripted(&format!("id=left-{number} words=3 first-chunk=1h"), true)
}

/// Requests of the first replica whose tasks exist.
async fn begun(fleet: &Fleet, request: impl Fn(usize) -> Request) -> Vec<Connection> {
    let requests: Vec<Request> = (0..MANY).map(request).collect();
    let sending = requests
        .iter()
        .map(|request| fleet.replicas[0].send(request));
    let mut connections = join_all(sending).await;
    for connection in &mut connections {
        assert_eq!(connection.head().await.status, 200);
    }
    connections
}

async fn goes_through(policy: &str, trouble: Trouble) {
    let policy = format!("ledger.if_unavailable={policy}");
    let mut fleet = Fleet::start(&[&policy, "ledger.redis_timeout=2s"]).await;
    let watched = begun(&fleet, watched).await;
    drop(begun(&fleet, left).await);
    match trouble {
        Trouble::Killed => {
            fleet.redis.kill();
            fleet.redis_is(false).await;
        }
        Trouble::Hangs => fleet.redis.stop(),
        Trouble::Emptied => drop(fleet.redis.ask(&["FLUSHALL"])),
    }
    // Whoever is being answered notices nothing.
    for mut connection in watched {
        let (body, _) = within("a whole stream", connection.rest()).await;
        let body = String::from_utf8(body).unwrap();
        assert!(body.ends_with("data: [DONE]\n\n"), "{trouble:?}: {body}");
    }
    match trouble {
        Trouble::Killed => fleet.redis.start_again(),
        Trouble::Hangs => fleet.redis.go_on(),
        Trouble::Emptied => {}
    }
    fleet.redis_is(true).await;
    until("Redis is told of all that was left", async || {
        let keys = fleet.redis.texts(&["KEYS", "fb:{*}c*"]);
        let rows = keys.iter().filter(|key| !key.contains("{fleet}"));
        let rows = rows.flat_map(|key| fleet.redis.texts(&["HVALS", key]));
        rows.filter(|row| row.starts_with("b:")).count() == MANY
    })
    .await;
    for number in 0..MANY {
        let mut retry = fleet.replicas[1].send(&again(&left(number))).await;
        let head = retry.head().await;
        assert_eq!(
            head.header("x-foxbridge-found"),
            Some("true"),
            "{trouble:?}: {head:?}"
        );
    }
    assert_eq!(fleet.journal().accepted, 2 * MANY as u64, "{trouble:?}");
}

#[tokio::test]
async fn a_redis_that_is_killed_in_the_middle_takes_nothing_along() {
    goes_through("serve", Trouble::Killed).await;
    goes_through("refuse", Trouble::Killed).await;
}

#[tokio::test]
async fn a_redis_that_hangs_in_the_middle_takes_nothing_along() {
    goes_through("serve", Trouble::Hangs).await;
    goes_through("refuse", Trouble::Hangs).await;
}

#[tokio::test]
async fn a_redis_that_is_emptied_in_the_middle_takes_nothing_along() {
    goes_through("serve", Trouble::Emptied).await;
    goes_through("refuse", Trouble::Emptied).await;
}

#[tokio::test]
async fn a_full_redis_is_one_that_is_away() {
    for (policy, status) in [("serve", 200), ("refuse", 503)] {
        let policy = format!("ledger.if_unavailable={policy}");
        let fleet = Fleet::start(&[&policy]).await;
        fleet.redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
        fleet.redis_is(false).await;
        let answer = fleet.ask(&scripted("words=3", false)).await;
        assert_eq!(answer.status(), status, "{}", answer.text());
        for replica in &fleet.replicas {
            let words = ["WARN", "cannot be used", "it is full: raise its maxmemory"];
            replica.logs(&words).await;
        }
        fleet.redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
        fleet.redis_is(true).await;
        let answer = fleet.ask(&scripted("words=3", false)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(answer.head.header("x-foxbridge-ledger"), None);
    }
}

#[tokio::test]
async fn a_background_response_outlives_the_replica_that_made_it() {
    let mut fleet = Fleet::start(&[]).await;
    let body = json!({
        "model": "gpt-5.5", "background": true, "stream": true,
        "input": "count 1 to 3 [[fox: text=\"still there\" first-chunk=1s]]",
    });
    let create = Request::new("POST", "/v1/responses", body.to_string());
    let mut following = fleet.replicas[0].send(&create).await;
    assert_eq!(following.head().await.status, 200);
    let begun = following
        .read_until(|text| text.contains("response.in_progress"))
        .await;
    let id = begun.split("\"id\":\"").nth(1).unwrap();
    let id = id.split('"').next().unwrap().to_owned();
    assert!(id.starts_with("resp"), "{begun}");
    fleet.replicas[0].kill().await;
    let other = &fleet.replicas[1];
    let path = format!("/v1/responses/{id}?stream=true&starting_after=0");
    let resumed = other.ask(&Request::get(&path)).await;
    let text = resumed.text();
    assert!(!text.contains("\"sequence_number\":0,"), "{text}");
    assert!(text.contains("response.completed") && text.contains("there"));
    let shown = other
        .ask(&Request::get(&format!("/v1/responses/{id}")))
        .await;
    assert_eq!(shown.json()["status"], "completed", "{}", shown.text());
    assert_eq!(fleet.journal().accepted, 1);
}
