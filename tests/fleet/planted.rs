//! Somebody else has written to Redis, or its clock was turned back: whoever is not concerned notices nothing, and nobody waits
//! for ever.

use crate::{
    harness::{Fleet, again, scripted, until},
    http::{Answer, Request},
    limits::{Keys, by_anna},
    server::Redis,
};

const LEDGER: &str = "x-foxbridge-ledger";
const SECRET: &str = "fb:{fleet}secret";

fn quick() -> Request {
    scripted("words=3", false)
}

fn by_another(request: Request) -> Request {
    let request = request.without("Authorization");
    request.with("Authorization", "Bearer sk-another-5e0a1c7d94b2")
}

#[track_caller]
fn usual(answer: &Answer) {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.head.header(LEDGER), None);
}

/// What the keys of the only caller so far begin with.
fn caller(fleet: &Fleet) -> String {
    let anchors = fleet.redis.texts(&["KEYS", "fb:{*}a"]);
    let [anchor] = &anchors[..] else {
        panic!("{anchors:?}");
    };
    anchor.trim_end_matches('a').to_owned()
}

#[tokio::test]
async fn what_is_planted_under_one_callers_keys_takes_redis_from_nobody_else() {
    let fleet = Fleet::start(&[]).await;
    let keyed = quick().with("idempotency-key", "k");
    usual(&fleet.ask(&keyed).await);
    let caller = caller(&fleet);
    let row = fleet
        .redis
        .texts(&["KEYS", &format!("{caller}k*")])
        .remove(0);
    for replica in &fleet.replicas {
        replica.has_told().await;
    }
    let order = format!("{caller}o");
    for (planted, request) in [
        (vec!["SET", &order, "x"], quick()),
        (vec!["HSET", &row, "x.1", "garbage"], keyed),
    ] {
        fleet.redis.ask(&["DEL", planted[1]]);
        fleet.redis.ask(&planted);
        for replica in &fleet.replicas {
            let concerned = replica.ask(&request).await;
            assert_eq!(concerned.status(), 200, "{}", concerned.text());
            let words = ["ERROR", "cannot be used for one caller", "delete it"];
            replica.logs(&words).await;
            replica.has_told().await;
            usual(&replica.ask(&by_another(quick())).await);
            let ready = replica.supervise("/readyz").await;
            assert_eq!(ready.text(), "ok\n");
        }
        fleet.redis.ask(&["DEL", planted[1]]);
        usual(&fleet.ask(&quick()).await);
    }
}

#[tokio::test]
async fn a_secret_that_is_none_is_not_passed_over_in_silence() {
    let redis = Redis::start();
    redis.ask(&["SET", SECRET, "short"]);
    let fleet = Fleet::beside(redis, &[]).await;
    fleet.redis_is(false).await;
    for replica in &fleet.replicas {
        let words = ["WARN", SECRET, "delete it"];
        replica.logs(&words).await;
        let ready = replica.supervise("/readyz").await;
        assert!(ready.text().contains("delete it"), "{}", ready.text());
    }
    fleet.redis.ask(&["DEL", SECRET]);
    fleet.redis_is(true).await;
    // Whoever has had it with others puts it right by itself.
    let keyed = quick().with("idempotency-key", "k");
    usual(&fleet.ask(&keyed).await);
    for planted in ["short", &"x".repeat(64), &"é".repeat(32)] {
        let before = fleet.redis.text(&["GET", SECRET]);
        fleet.redis.ask(&["SET", SECRET, planted]);
        until("it is the old one again", async || {
            fleet.redis.text(&["GET", SECRET]) == before
        })
        .await;
        fleet.redis_is(true).await;
        for replica in &fleet.replicas {
            let answer = replica.ask(&keyed).await;
            assert_eq!(answer.head.header("x-foxbridge-found"), Some("true"));
        }
    }
    assert_eq!(fleet.journal().accepted, 1);
}

/// An hour from now by Redis' clock, in microseconds: a moment from before it was turned back.
fn future(fleet: &Fleet) -> String {
    let now: u64 = fleet.redis.texts(&["TIME"])[0].parse().unwrap();
    ((now + 3600) * 1_000_000).to_string()
}

#[tokio::test]
async fn a_clock_that_was_turned_back_lets_no_retry_wait_for_it() {
    let fleet = Fleet::start(&[]).await;
    usual(&fleet.ask(&quick()).await);
    let anchor = format!("{}a", caller(&fleet));
    let told = format!("0123456789abcdef@{}", future(&fleet));
    fleet.redis.ask(&["SET", &anchor, &told]);
    usual(&fleet.ask(&again(&scripted("words=4", false))).await);
}

#[tokio::test]
async fn a_clock_that_was_turned_back_stops_no_limit_from_flowing_back() {
    let keys = Keys::of_anna("requests_per_minute = 600");
    let fleet = keys.fleet(&[]).await;
    usual(&fleet.ask(&by_anna(quick())).await);
    let bucket = fleet.redis.texts(&["KEYS", "fb:{*}r"]).remove(0);
    let at = future(&fleet);
    fleet
        .redis
        .ask(&["HSET", &bucket, "left", "0", "most", "600", "at", &at]);
    until("something has flown back", async || {
        fleet.ask(&by_anna(quick())).await.status() == 200
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_was_turned_back_brings_no_replica_back_to_life() {
    let keys = Keys::of_anna("concurrency = 1");
    let fleet = keys.fleet(&[]).await;
    let mut held = fleet.replicas[0]
        .send(&by_anna(scripted("words=3 first-chunk=1h", true)))
        .await;
    assert_eq!(held.head().await.status, 200);
    let places = fleet.redis.texts(&["KEYS", "fb:{*}n"]).remove(0);
    drop(held);
    until("it is free", async || {
        fleet.redis.texts(&["KEYS", &places]).is_empty()
    })
    .await;
    let at = future(&fleet);
    fleet.redis.ask(&["ZADD", "fb:{fleet}beats", &at, "dead"]);
    fleet.redis.ask(&["HSET", &places, "dead/1", "1"]);
    assert_eq!(fleet.ask(&by_anna(quick())).await.status(), 429);
    until("its place is free", async || {
        fleet.ask(&by_anna(quick())).await.status() == 200
    })
    .await;
}
