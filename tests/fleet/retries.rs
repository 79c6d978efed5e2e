//! A retry finds its task on whichever replica it lands.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};

use crate::{
    harness::{Fleet, Replica, again, scripted, until, within},
    http::{Answer, KEY, Request},
    limits::{Keys, by_anna},
};

fn found(answer: &Answer) -> bool {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.head.header("x-foxbridge-found") == Some("true")
}

/// Sends a request to the first replica and leaves once its task exists.
async fn leave(fleet: &Fleet, request: &Request) {
    let before = fleet.journal().accepted;
    let connection = fleet.replicas[0].send(request).await;
    fleet
        .until("a task", |journal| journal.accepted > before)
        .await;
    drop(connection);
}

#[tokio::test]
async fn a_retry_finds_its_task_on_the_other_replica() {
    let fleet = Fleet::start(&[]).await;
    for stream in [false, true] {
        let request = scripted("text=\"once only\" first-chunk=300ms", stream);
        leave(&fleet, &request).await;
        let answer = fleet.replicas[1].ask(&again(&request)).await;
        assert!(
            found(&answer) && answer.text().contains("once"),
            "{}",
            answer.text()
        );
    }
    assert_eq!(fleet.journal().accepted, 2);
}

#[tokio::test]
async fn what_was_delivered_is_bought_again_and_what_has_a_key_never() {
    let fleet = Fleet::start(&[]).await;
    let request = scripted("words=3", false);
    for _ in 0..4 {
        assert!(!found(&fleet.ask(&request).await));
    }
    // What was delivered is told without anybody waiting for it.
    for replica in &fleet.replicas {
        replica.has_told().await;
    }
    assert!(!found(&fleet.ask(&again(&request)).await));
    assert_eq!(fleet.journal().accepted, 5);
    let keyed = request.with("idempotency-key", "k-1");
    let first = fleet.ask(&keyed).await;
    assert!(!found(&first));
    for _ in 0..4 {
        assert!(found(&fleet.ask(&keyed).await));
    }
    assert_eq!(fleet.journal().accepted, 6);
    // The same key with another body, and another caller's.
    let other = scripted("words=4", false).with("idempotency-key", "k-1");
    for _ in 0..2 {
        let refused = fleet.ask(&other).await;
        assert_eq!(refused.status(), 422, "{}", refused.text());
    }
    let stranger = keyed.with("Authorization", "Bearer sk-somebody-else");
    assert!(!found(&fleet.ask(&stranger).await));
}

#[tokio::test]
async fn of_many_equal_requests_at_once_one_submits() {
    let fleet = Fleet::start(&[]).await;
    for (round, mark) in ["x-stainless-retry-count", "idempotency-key"]
        .iter()
        .enumerate()
    {
        // Nobody gets an answer, so that the last one still has something to find.
        let script = format!("submit-latency=300ms words={} first-chunk=1h", round + 3);
        let request = scripted(&script, true).with(mark, "1");
        let all = (0..40).map(|number| fleet.replicas[number % 2].send(&request));
        let mut all = join_all(all).await;
        for connection in &mut all {
            assert_eq!(connection.head().await.status, 200);
        }
        let journal = fleet.journal();
        let expected = round as u64 + 1;
        assert_eq!((journal.submits, journal.accepted), (expected, expected));
    }
}

#[tokio::test]
async fn whoever_waits_for_a_submit_gets_its_task_although_it_was_delivered_meanwhile() {
    let fleet = Fleet::start(&[]).await;
    let request = scripted("submit-latency=1s words=3", false);
    let mut first = fleet.replicas[0].send(&request).await;
    fleet
        .until("a submit", |journal| journal.submits == 1)
        .await;
    // It asks now and then what has become of the submit.
    let retry = again(&request);
    let (answer, late) = tokio::join!(first.answer(), fleet.replicas[1].ask(&retry));
    assert!(!found(&answer) && found(&late), "{}", late.text());
    assert_eq!(fleet.journal().accepted, 1);
}

#[tokio::test]
async fn a_submit_that_bought_nothing_leaves_the_way_free() {
    let fleet = Fleet::start(&["task.submit_retries=0"]).await;
    let request = scripted("submit=429,ok submit-latency=200ms words=3", false);
    let request = request.with("idempotency-key", "k-2");
    let first = fleet.replicas[0].ask(&request).await;
    assert_eq!(first.status(), 429, "{}", first.text());
    assert!(!found(&fleet.replicas[1].ask(&request).await));
    assert_eq!(fleet.journal().accepted, 1);
    // A submit that nobody can tell the outcome of is never sent again.
    let unclear = scripted("submit=accept+reset words=3", false).with("idempotency-key", "k-3");
    let first = fleet.replicas[0].ask(&unclear).await;
    assert_eq!(first.error().code.as_deref(), Some("submit_unconfirmed"));
    fleet.replicas[0].has_told().await;
    let second = fleet.replicas[1].ask(&unclear).await;
    assert_eq!(second.error().code.as_deref(), Some("submit_unconfirmed"));
    assert_eq!(fleet.journal().accepted, 2);
}

#[tokio::test]
async fn what_a_dead_replica_followed_is_found_by_the_others() {
    let mut fleet = Fleet::start(&[]).await;
    let request = scripted("text=survived first-chunk=400ms", true);
    let mut connection = fleet.replicas[0].send(&request).await;
    // It is sent when the task exists and is known.
    assert_eq!(connection.head().await.status, 200);
    fleet.replicas[0].has_told().await;
    fleet.replicas[0].kill().await;
    drop(connection);
    let answer = fleet.replicas[1].ask(&again(&request)).await;
    assert!(
        found(&answer) && answer.text().contains("survived"),
        "{}",
        answer.text()
    );
    assert_eq!(fleet.journal().accepted, 1);
}

#[tokio::test]
async fn what_a_dead_replica_was_submitting_is_not_bought_again() {
    let mut fleet = Fleet::start(&[]).await;
    let request = scripted("submit-latency=30s words=3", false);
    let connection = fleet.replicas[0].send(&request).await;
    fleet
        .until("a submit", |journal| journal.submits == 1)
        .await;
    let retry = again(&request);
    let waiting = fleet.replicas[1].send(&retry).await;
    fleet.replicas[0].kill().await;
    drop(connection);
    // Nobody can know, once the replica is known to be dead.
    let mut waiting = waiting;
    let answer = waiting.answer().await;
    assert_eq!(answer.error().code.as_deref(), Some("submit_unconfirmed"));
    assert_eq!(answer.head.header("x-should-retry"), Some("false"));
    assert_eq!(fleet.journal().submits, 1);
}

#[tokio::test]
async fn rows_and_what_they_hold_are_bounded() {
    let fleet = Fleet::start(&["ledger.max_age=3s", "ledger.max_entries=20"]).await;
    let mut unfinished = Vec::new();
    let before = fleet.journal().accepted;
    for number in 0..120 {
        let words = 3 + if number < 60 { number } else { 0 };
        let request = scripted(&format!("words={words} first-chunk=1h"), true);
        unfinished.push(fleet.replicas[0].send(&request).await);
    }
    fleet
        .until("all are bought", |journal| journal.accepted >= before + 120)
        .await;
    let rows = |redis: &crate::server::Redis| -> usize {
        let keys = redis.texts(&["KEYS", "fb:{*}c*"]);
        let rows = keys.iter().filter(|key| !key.contains("fleet"));
        rows.map(|key| redis.texts(&["HKEYS", key]).len()).sum()
    };
    for replica in &fleet.replicas {
        replica.has_told().await;
    }
    assert!(rows(&fleet.redis) <= 20, "{}", rows(&fleet.redis));
    let all: String = fleet
        .redis
        .texts(&["KEYS", "*"])
        .iter()
        .filter(|key| !key.contains("{fleet}") && key.contains("}c"))
        .flat_map(|key| fleet.redis.texts(&["HGETALL", key]))
        .collect();
    assert!(all.contains("task-llm-"), "{all}");
    for secret in ["count 1", "words", &KEY[3..], "gpt-5.5"] {
        assert!(!all.contains(secret), "{secret} is in {all}");
    }
    until("rows expire", async || rows(&fleet.redis) == 0).await;
    until("all but the fleet's own expires", async || {
        let keys = fleet.redis.texts(&["KEYS", "*"]);
        keys.iter()
            .all(|key| key.contains("{fleet}") || key.ends_with('a'))
    })
    .await;
}

/// Sends a request and leaves when its answer is there, unread.
async fn leave_unread(replica: &Replica, request: &Request) {
    let mut stream = TcpStream::connect(replica.address).await.unwrap();
    stream.write_all(&request.to_bytes()).await.unwrap();
    within("an answer", stream.readable()).await.unwrap();
    drop(stream);
}

#[tokio::test]
async fn an_answer_that_nobody_took_is_found_on_every_replica() {
    let keys = Keys::of_anna("tokens_per_minute = 1000");
    let fleet = keys.fleet(&[]).await;
    let told = async || {
        // That somebody has left is heard of in its own time.
        sleep(Duration::from_millis(100)).await;
        for replica in &fleet.replicas {
            replica.has_told().await;
        }
    };
    let left = || -> f64 {
        let key = fleet.redis.texts(&["KEYS", "fb:{*}t"]).pop().unwrap();
        fleet.redis.text(&["HGET", &key, "left"]).parse().unwrap()
    };
    for stream in [false, true] {
        let request = by_anna(scripted("words=300", stream));
        let first = request.clone().with("x-stainless-retry-count", "0");
        leave_unread(&fleet.replicas[0], &first).await;
        told().await;
        let paid = left();
        // The one that has bought it, the other one, and each of them again.
        for replica in [1, 0, 0, 1] {
            leave_unread(&fleet.replicas[replica], &again(&request)).await;
            told().await;
        }
        // Its tokens are taken account of once.
        assert!(left() >= paid, "{} of {paid}", left());
        assert!(found(&fleet.replicas[1].ask(&again(&request)).await));
        told().await;
        let rows = fleet.redis.texts(&["KEYS", "fb:{*}o"]);
        assert!(rows.is_empty(), "{rows:?}");
    }
    assert_eq!(fleet.journal().accepted, 2);
}

#[tokio::test]
async fn a_redis_that_was_emptied_hears_of_it_again() {
    let fleet = Fleet::start(&[]).await;
    let request = scripted("words=3", false);
    let first = request.clone().with("x-stainless-retry-count", "0");
    leave_unread(&fleet.replicas[0], &first).await;
    let rows = || fleet.redis.texts(&["KEYS", "fb:{*}c*"]).len();
    until("it is known", async || rows() == 1).await;
    sleep(Duration::from_millis(100)).await;
    fleet.replicas[0].has_told().await;
    fleet.redis.ask(&["FLUSHALL"]);
    until("it is told again", async || rows() == 1).await;
    assert!(found(&fleet.replicas[1].ask(&again(&request)).await));
    assert_eq!(fleet.journal().accepted, 1);
}
