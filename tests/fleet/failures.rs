//! Redis is away, stopped, emptied or refuses: what goes on, what is said, and that it heals.

use std::time::{Duration, Instant};

use crate::{
    harness::{Fleet, Replica, again, scripted, until},
    http::{Answer, Request},
    server::Redis,
};

const LEDGER: &str = "x-foxbridge-ledger";

/// The answer of a request that bought something of which other replicas do not know.
#[track_caller]
fn unnoted(answer: &Answer) {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.head.header(LEDGER), Some("unavailable"));
    assert_eq!(answer.head.header("x-foxbridge-found"), None);
}

/// The answer of a request that found its task.
#[track_caller]
fn found(answer: &Answer) {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.head.header("x-foxbridge-found"), Some("true"));
    assert_eq!(answer.head.header(LEDGER), None);
}

/// The answer of a request that bought something as usual.
#[track_caller]
fn new(answer: &Answer) {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.head.header(LEDGER), None);
    assert_eq!(answer.head.header("x-foxbridge-found"), None);
}

fn keyed(script: &str, key: &str) -> Request {
    scripted(script, false).with("idempotency-key", key)
}

#[tokio::test]
async fn while_redis_is_away_each_replica_serves_by_itself_and_says_so() {
    let mut fleet = Fleet::start(&[]).await;
    new(&fleet.ask(&keyed("words=3", "before")).await);
    fleet.redis.kill();
    fleet.redis_is(false).await;

    let [one, two] = &fleet.replicas[..] else {
        panic!("two replicas");
    };
    unnoted(&one.ask(&keyed("words=3", "k")).await);
    found(&one.ask(&keyed("words=3", "k")).await);
    // What this replica bought before is found too.
    found(&one.ask(&keyed("words=3", "before")).await);
    assert_eq!(fleet.journal().accepted, 2);
    // No SDK is to buy a second one by itself, whatever goes wrong.
    for (script, code) in [
        ("task=failed", "task_failed"),
        ("submit=accept+reset", "submit_unconfirmed"),
    ] {
        let failed = two
            .ask(&scripted(script, false).with("x-stainless-retry-count", "0"))
            .await;
        assert_eq!(
            failed.head.header(LEDGER),
            Some("unavailable"),
            "{}",
            failed.text()
        );
        assert_eq!(
            failed.head.header("x-should-retry"),
            Some("false"),
            "{}",
            failed.text()
        );
        assert_eq!(failed.error().code.as_deref().is_some(), !code.is_empty());
    }
    let ready = one.supervise("/readyz").await;
    assert_eq!(ready.status(), 200);
    assert!(
        ready.text().contains("Redis cannot be used"),
        "{}",
        ready.text()
    );
    assert_eq!(one.metric("foxbridge_ledger_unnoted_total").await, 1.0);
    assert_eq!(two.metric("foxbridge_ledger_unnoted_total").await, 2.0);
    one.logs(&[
        "WARN",
        "Redis (ledger.store) cannot be used",
        "check the host and port",
    ])
    .await;

    // An empty Redis comes to know what each of them has bought.
    let before = fleet.journal().accepted;
    fleet.redis.start_again();
    fleet.redis_is(true).await;
    for replica in &fleet.replicas {
        replica.has_told().await;
        assert_eq!(replica.supervise("/readyz").await.text(), "ok\n");
        replica.logs(&["answers again"]).await;
    }
    found(&fleet.replicas[1].ask(&keyed("words=3", "k")).await);
    found(&fleet.replicas[1].ask(&keyed("words=3", "before")).await);
    new(&fleet.replicas[1].ask(&keyed("words=3", "after")).await);
    found(&fleet.replicas[0].ask(&keyed("words=3", "after")).await);
    assert_eq!(fleet.journal().accepted, before + 1);
}

#[tokio::test]
async fn a_504_invites_no_retry_that_another_replica_would_buy_for() {
    let mut fleet = Fleet::start(&["task.deadline=700ms"]).await;
    let marked = scripted("task=stuck", false).with("x-stainless-retry-count", "0");
    let invited = fleet.replicas[0].ask(&marked).await;
    assert_eq!(
        invited.head.header("x-should-retry"),
        Some("true"),
        "{}",
        invited.text()
    );
    fleet.redis.kill();
    fleet.redis_is(false).await;
    let refused = fleet.replicas[0].ask(&marked).await;
    assert_eq!(
        (refused.status(), refused.head.header("x-should-retry")),
        (504, Some("false"))
    );
    assert_eq!(refused.head.header(LEDGER), Some("unavailable"));
}

#[tokio::test]
async fn where_nothing_may_be_bought_unnoted_it_is_refused_until_redis_is_back() {
    let mut fleet = Fleet::start(&["ledger.if_unavailable=refuse"]).await;
    new(&fleet.ask(&keyed("words=3", "before")).await);
    fleet.redis.kill();
    fleet.redis_is(false).await;
    for replica in &fleet.replicas {
        let refused = replica.ask(&keyed("words=3", "k")).await;
        assert_eq!(refused.status(), 503);
        let error = refused.error();
        assert_eq!(error.code.as_deref(), Some("ledger_unavailable"));
        assert!(
            error.message.contains("nothing was bought"),
            "{}",
            error.message
        );
        assert!(refused.head.header("retry-after").is_some());
        let ready = replica.supervise("/readyz").await;
        assert_eq!(ready.status(), 503);
        assert!(ready.text().contains("ledger"), "{}", ready.text());
    }
    assert_eq!(fleet.journal().submits, 1);
    fleet.redis.start_again();
    fleet.redis_is(true).await;
    new(&fleet.ask(&keyed("words=3", "k")).await);
    found(&fleet.ask(&keyed("words=3", "k")).await);
    for replica in &fleet.replicas {
        assert_eq!(replica.supervise("/readyz").await.status(), 200);
    }
}

#[tokio::test]
async fn a_redis_that_hangs_is_waited_for_once_and_heals() {
    for (policy, status) in [("serve", 200), ("refuse", 503)] {
        let policy = format!("ledger.if_unavailable={policy}");
        // Each wait would be a long one.
        let fleet = Fleet::start(&["ledger.redis_timeout=2s", &policy]).await;
        new(&fleet.ask(&keyed("words=3", "before")).await);
        fleet.redis.stop();
        let begun = Instant::now();
        for number in 0..30 {
            let answer = fleet.replicas[0]
                .ask(&keyed("words=3", &number.to_string()))
                .await;
            assert_eq!(answer.status(), status, "{}", answer.text());
        }
        assert!(
            begun.elapsed() < Duration::from_secs(40),
            "{:?}",
            begun.elapsed()
        );
        let bought = fleet.journal().accepted;
        fleet.redis.go_on();
        fleet.redis_is(true).await;
        fleet.replicas[0].has_told().await;
        // Nothing is left of claims that were made although nobody heard so.
        for number in 0..30 {
            let answer = fleet.replicas[1]
                .ask(&keyed("words=3", &number.to_string()))
                .await;
            match status {
                200 => found(&answer),
                _ => new(&answer),
            }
        }
        let expected = if status == 200 { bought } else { bought + 30 };
        assert_eq!(fleet.journal().accepted, expected);
    }
}

#[tokio::test]
async fn what_a_submit_has_bought_while_redis_was_away_is_found_on_the_other_replica() {
    let mut fleet = Fleet::start(&[]).await;
    let request = keyed("submit-latency=1s words=3", "k");
    let mut connection = fleet.replicas[0].send(&request).await;
    fleet
        .until("a submit", |journal| journal.submits == 1)
        .await;
    fleet.redis.kill();
    let answer = connection.answer().await;
    // It was noted when it was submitted.
    new(&answer);
    fleet.redis.start_again();
    fleet.redis_is(true).await;
    fleet.replicas[0].has_told().await;
    found(&fleet.replicas[1].ask(&request).await);
    assert_eq!(fleet.journal().accepted, 1);
}

#[tokio::test]
async fn an_emptied_redis_costs_nobody_a_second_task() {
    let fleet = Fleet::start(&[]).await;
    let streams = [3, 4].map(|words| scripted(&format!("words={words} first-chunk=1h"), true));
    for stream in &streams {
        let mut connection = fleet.replicas[0].send(stream).await;
        assert_eq!(connection.head().await.status, 200);
    }
    new(&fleet.replicas[0].ask(&keyed("words=3", "k")).await);
    fleet.replicas[0].has_told().await;
    let found_again = async |replica: &Replica, stream: &Request| {
        let mut connection = replica.send(&again(stream)).await;
        let head = connection.head().await;
        assert_eq!(head.header("x-foxbridge-found"), Some("true"), "{head:?}");
    };

    fleet.redis.ask(&["FLUSHALL"]);
    // Its own replica finds it at once.
    found(&fleet.replicas[0].ask(&keyed("words=3", "k")).await);
    found_again(&fleet.replicas[0], &streams[0]).await;

    // Another waits until it has been told again, where the retry says that it is one.
    fleet.redis.ask(&["FLUSHALL"]);
    for stream in &streams {
        found_again(&fleet.replicas[1], stream).await;
    }

    fleet.redis.ask(&["FLUSHALL"]);
    until(
        "Redis is told again, which is with the next beat",
        async || {
            let keys = fleet.redis.texts(&["KEYS", "*"]);
            keys.iter()
                .filter(|key| key.contains("}k") || key.contains("}c"))
                .filter(|key| !key.contains("{fleet}"))
                .count()
                == 3
        },
    )
    .await;
    found(&fleet.replicas[1].ask(&keyed("words=3", "k")).await);
    found_again(&fleet.replicas[1], &streams[1]).await;
    assert_eq!(fleet.journal().accepted, 3);
}

#[tokio::test]
async fn what_cannot_be_reached_at_the_start_is_said_and_heals() {
    for (policy, status) in [("serve", 200), ("refuse", 503)] {
        let policy = format!("ledger.if_unavailable={policy}");
        let mut redis = Redis::start();
        redis.kill();
        let mut fleet = Fleet::beside(redis, &[&policy]).await;
        fleet.redis_is(false).await;
        let answer = fleet.ask(&keyed("words=3", "k")).await;
        assert_eq!(answer.status(), status, "{}", answer.text());
        assert_eq!(
            fleet.replicas[0].supervise("/readyz").await.status(),
            status
        );
        fleet.replicas[0]
            .logs(&[
                "WARN",
                "cannot be used",
                "check the host and port in ledger.store",
            ])
            .await;
        fleet.redis.start_again();
        fleet.redis_is(true).await;
        new(&fleet.ask(&keyed("words=3", "l")).await);
        found(&fleet.ask(&keyed("words=3", "l")).await);
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_apart_and_kept_to_oneself() {
    let redis = Redis::with(&["--requirepass", "very-secret-9c1f"]);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, password: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{password}\n")).unwrap();
        format!("ledger.redis_password_file={}", path.display())
    };
    let (right, wrong) = (
        file("right", "very-secret-9c1f"),
        file("wrong", "guess-17d0a4"),
    );
    let fleet = Fleet::beside(redis, &[&right]).await;
    fleet.redis_is(true).await;
    new(&fleet.ask(&keyed("words=3", "k")).await);
    found(&fleet.ask(&keyed("words=3", "k")).await);
    let store = fleet.redis.setting();
    for settings in [vec![store.as_str(), &wrong], vec![&store]] {
        let replica = Replica::start(&fleet.simulator.base_url(), &settings).await;
        replica.redis_is(false).await;
        let line = replica
            .logs(&["WARN", "cannot be used", "ledger.redis_password_file"])
            .await;
        assert!(
            !line.contains("guess") && !line.contains("very-secret"),
            "{line}"
        );
        let ready = replica.supervise("/readyz").await;
        assert!(
            ready.text().contains("ledger.redis_password_file"),
            "{}",
            ready.text()
        );
    }
}

#[tokio::test]
async fn a_newcomer_that_finds_redis_emptied_first_makes_nobody_forget() {
    let mut fleet = Fleet::start(&[]).await;
    for number in 0..4 {
        new(&fleet.ask(&keyed("words=3", &format!("k-{number}"))).await);
    }
    let secret = fleet.redis.text(&["GET", "fb:{fleet}secret"]);
    fleet.redis.kill();
    fleet.redis_is(false).await;
    for replica in &fleet.replicas {
        replica.signal("-STOP");
    }
    fleet.redis.start_again();
    fleet.join(&[]).await;
    fleet.replicas[2].redis_is(true).await;
    assert_ne!(fleet.redis.text(&["GET", "fb:{fleet}secret"]), secret);
    for replica in &fleet.replicas[..2] {
        replica.signal("-CONT");
        replica.redis_is(true).await;
        replica.has_told().await;
    }
    assert_eq!(fleet.redis.text(&["GET", "fb:{fleet}secret"]), secret);
    // Each finds what it and the other one know, by the hash that they always had.
    for number in 0..4 {
        let request = keyed("words=3", &format!("k-{number}"));
        for replica in &fleet.replicas[..2] {
            found(&replica.ask(&request).await);
        }
    }
    assert_eq!(fleet.journal().accepted, 4);
}
