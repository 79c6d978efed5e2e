//! Somebody else has written to Redis, or its clock was turned back: whoever is not concerned notices nothing, and nobody waits
//! for ever.

use crate::{
    harness::{Fleet, scripted},
    http::{Answer, Request},
};

const LEDGER: &str = "x-foxbridge-ledger";

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
    let fleet = Fleet::start(&[]).await;
    usual(&fleet.ask(&quick().with("idempotency-key", "k")).await);
    for planted in ["short", &"x".repeat(64), &"é".repeat(32)] {
        fleet.redis.ask(&["SET", "fb:{fleet}secret", planted]);
        fleet.redis_is(false).await;
        for replica in &fleet.replicas {
            let words = ["WARN", "fb:{fleet}secret", "delete it"];
            replica.logs(&words).await;
            let ready = replica.supervise("/readyz").await;
            assert!(ready.text().contains("delete it"), "{}", ready.text());
        }
        fleet.redis.ask(&["DEL", "fb:{fleet}secret"]);
        fleet.redis_is(true).await;
    }
    // It is the old one again.
    for replica in &fleet.replicas {
        let answer = replica.ask(&quick().with("idempotency-key", "k")).await;
        usual(&answer);
        assert_eq!(answer.head.header("x-foxbridge-found"), Some("true"));
    }
}
