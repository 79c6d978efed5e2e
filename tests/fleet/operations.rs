//! How often Redis is asked for a request, how long that takes it, and how much room what it keeps takes.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    harness::{Fleet, again, scripted},
    http::Request,
    limits::{Keys, by_anna},
    server::Redis,
};

/// What scripts are made of, which is not asked for from outside.
const INSIDE: [&str; 22] = [
    "time",
    "get",
    "set",
    "hget",
    "hset",
    "hsetnx",
    "hdel",
    "hmget",
    "hgetall",
    "hkeys",
    "hlen",
    "exists",
    "pexpire",
    "expire",
    "pttl",
    "del",
    "zadd",
    "zrem",
    "zcard",
    "zrange",
    "zrangebyscore",
    "zremrangebyscore",
];

const LIMITS: &str =
    "requests_per_minute = 1000000\ntokens_per_minute = 100000000\nconcurrency = 8";

/// What Redis says of its commands so far.
struct Stats(BTreeMap<String, (u64, u64)>);

impl Stats {
    fn of(redis: &Redis) -> Self {
        let told = redis.text(&["INFO", "commandstats"]);
        let lines = told.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let (calls, rest) = rest.split_once(",usec=")?;
            let micros = rest.split(',').next()?.parse().ok()?;
            Some((name.to_owned(), (calls.parse().ok()?, micros)))
        });
        Self(lines.collect())
    }

    /// Commands that replicas have sent, and what they took in µs; but for those that say that a replica lives, of which each
    /// looks at two lists.
    fn asked(&self) -> (u64, u64) {
        let beats = self.0.get("zrange").map_or(0, |looked| looked.0 / 2);
        let outer = self.0.iter().filter(|(name, _)| {
            let is_the_tests = *name == "info" || name.starts_with("client|");
            !INSIDE.contains(&name.as_str()) && !is_the_tests
        });
        let sum = outer.fold((0, 0), |sum, (_, (calls, micros))| {
            (sum.0 + calls, sum.1 + micros)
        });
        (sum.0 - beats, sum.1)
    }
}

/// Sends requests one after the other, each to another replica, and says how many operations came for each of them.
async fn operations(fleet: &Fleet, what: &str, requests: &[Request]) -> f64 {
    settle(fleet).await;
    let before = Stats::of(&fleet.redis).asked();
    for request in requests {
        let answer = fleet.ask(request).await;
        assert_eq!(answer.status(), 200, "{what}: {}", answer.text());
    }
    settle(fleet).await;
    let after = Stats::of(&fleet.redis).asked();
    let each = |total: u64| total as f64 / requests.len() as f64;
    let (each_asked, each_took) = (each(after.0 - before.0), each(after.1 - before.1));
    println!("{what}: {each_asked:.2} operations and {each_took:.0} µs of Redis a request");
    each_asked
}

async fn settle(fleet: &Fleet) {
    for replica in &fleet.replicas {
        replica.has_told().await;
    }
}

fn response(script: &str, more: serde_json::Value) -> Request {
    let mut body = more;
    body["model"] = json!("gpt-5.5");
    body["input"] = json!(format!("count 1 to 3 [[fox: {script}]]"));
    Request::new("POST", "/v1/responses", body.to_string())
}

#[tokio::test]
async fn at_most_four_operations_a_request_with_limits_of_all_kinds() {
    const REQUESTS: usize = 200;
    let keys = Keys::of_anna(LIMITS);
    let fleet = keys.fleet(&[]).await;
    let by_number = |make: &dyn Fn(usize) -> Request| -> Vec<Request> {
        (0..REQUESTS).map(|number| by_anna(make(number))).collect()
    };
    let key = |number: usize| format!("k-{number}");
    // Each asks something else, as clients do.
    let script = |number: usize| format!("id=n-{number} words=3");
    let chats = |stream| by_number(&|number| scripted(&script(number), stream));
    let responses =
        |more: serde_json::Value| by_number(&|number| response(&script(number), more.clone()));
    let cases = [
        ("a chat", chats(false), 2.0, 4.0),
        ("a stream", chats(true), 2.0, 4.0),
        (
            "a chat with an idempotency key",
            by_number(&|number| scripted("words=3", false).with("idempotency-key", &key(number))),
            2.0,
            4.0,
        ),
        (
            "the same again",
            by_number(&|number| scripted("words=3", false).with("idempotency-key", &key(number))),
            1.0,
            4.0,
        ),
        (
            "a response that is not kept",
            responses(json!({ "store": false })),
            2.0,
            4.0,
        ),
        // That it is kept goes together with what was bought, and what it has come to with the end.
        ("a response that is kept", responses(json!({})), 3.0, 4.0),
        (
            "a stream of events that is kept",
            responses(json!({ "stream": true })),
            3.0,
            4.0,
        ),
        (
            "a background response",
            responses(json!({ "background": true })),
            3.0,
            4.0,
        ),
    ];
    for (what, requests, least, most) in cases {
        let asked = operations(&fleet, what, &requests).await;
        assert!((least..=most).contains(&asked), "{what}: {asked}");
    }
}

#[tokio::test]
async fn a_response_that_continues_another_takes_no_more() {
    let keys = Keys::of_anna(LIMITS);
    let fleet = keys.fleet(&[]).await;
    let mut last = json!(null);
    let mut said = json!(null);
    for turn in 1..=8 {
        let script = format!("id=turn-{turn} words=3");
        let next = response(&script, json!({ "previous_response_id": last }));
        let answer = fleet.ask(&by_anna(next)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        last = answer.json()["id"].clone();
        said = answer.json()["output"][0]["id"].clone();
    }
    // However long the conversation is, and whichever replica has which part of it.
    let next = response("id=next words=3", json!({ "previous_response_id": last }));
    let requests = vec![by_anna(next); 100];
    let asked = operations(&fleet, "a response that continues eight others", &requests).await;
    assert!((3.0..=4.0).contains(&asked), "{asked}");
    let requests = fleet.journal().requests;
    let submits = requests
        .iter()
        .rev()
        .filter(|request| request.method == "POST");
    let submits: Vec<String> = submits
        .take(100)
        .map(|submit| String::from_utf8_lossy(&submit.body).into_owned())
        .collect();
    for turn in 1..=8 {
        let said = format!("id=turn-{turn} ");
        assert!(
            submits.iter().all(|submit| submit.contains(&said)),
            "{said}"
        );
    }

    // It may also refer to an item of one of them.
    let body = json!({
        "model": "gpt-5.5",
        "previous_response_id": last,
        "input": [{ "type": "item_reference", "id": said }],
    });
    let next = Request::new("POST", "/v1/responses", body.to_string());
    let requests = vec![by_anna(next); 20];
    let asked = operations(&fleet, "a response that refers to an item too", &requests).await;
    assert!((3.0..=4.0).contains(&asked), "{asked}");
}

#[tokio::test]
async fn at_most_four_operations_for_what_is_asked_of_a_response() {
    const RESPONSES: usize = 60;
    let keys = Keys::of_anna(LIMITS);
    let fleet = keys.fleet(&[]).await;
    let made = async |script: &str| {
        let mut ids = Vec::new();
        for number in 0..RESPONSES {
            let script = format!("id=b-{number} {script}");
            let background = response(&script, json!({ "background": true }));
            let answer = fleet.ask(&by_anna(background)).await;
            assert_eq!(answer.status(), 200, "{}", answer.text());
            ids.push(answer.json()["id"].as_str().unwrap().to_owned());
        }
        ids
    };
    let each = |ids: &[String], method: &str, end: &str| -> Vec<Request> {
        let paths = ids.iter().map(|id| format!("/v1/responses/{id}{end}"));
        paths
            .map(|path| by_anna(Request::new(method, &path, "")))
            .collect()
    };
    let done = made("words=3").await;
    let running = made("words=3 first-chunk=1h").await;
    let cases = [
        ("a response that has just ended", each(&done, "GET", "")),
        ("the same again", each(&done, "GET", "")),
        ("its input", each(&done, "GET", "/input_items")),
        ("one that still runs", each(&running, "GET", "")),
        ("one that is cancelled", each(&running, "POST", "/cancel")),
        ("one that is deleted", each(&done, "DELETE", "")),
    ];
    for (what, requests) in cases {
        let asked = operations(&fleet, what, &requests).await;
        assert!((1.0..=4.0).contains(&asked), "{what}: {asked}");
    }
}

#[tokio::test]
async fn at_most_four_operations_for_a_retry_that_finds_its_task() {
    let keys = Keys::of_anna(LIMITS);
    let fleet = keys.fleet(&[]).await;
    let request = |number: usize| {
        let script = format!("id=left-{number} words=3 first-chunk=500ms");
        by_anna(scripted(&script, number.is_multiple_of(2)))
    };
    let requests: Vec<Request> = (0..100).map(request).collect();
    for (number, request) in requests.iter().enumerate() {
        let connection = fleet.replicas[number % 2].send(request).await;
        let marker = format!("left-{number}");
        fleet
            .until("a task", |_| fleet.simulator.accepted(&marker) == 1)
            .await;
        drop(connection);
    }
    settle(&fleet).await;
    let retries: Vec<Request> = requests.iter().map(again).collect();
    let asked = operations(&fleet, "a retry that finds its task", &retries).await;
    assert!((2.0..=4.0).contains(&asked), "{asked}");
    for number in 0..requests.len() {
        assert_eq!(fleet.simulator.accepted(&format!("left-{number}")), 1);
    }
}

#[tokio::test]
async fn without_limits_a_request_takes_three() {
    let fleet = Fleet::start(&[]).await;
    let requests: Vec<_> = (0..200)
        .map(|number| scripted(&format!("id=n-{number} words=3"), false))
        .collect();
    let asked = operations(&fleet, "a chat without limits", &requests).await;
    assert!((2.0..=3.0).contains(&asked), "{asked}");
}

/// The sum of what these keys take, in bytes.
fn room(redis: &Redis, pattern: &str) -> (usize, f64) {
    let keys = redis.texts(&["KEYS", pattern]);
    let taken = keys.iter().map(|key| {
        let taken = redis.ask(&["MEMORY", "USAGE", key, "SAMPLES", "0"]);
        redis::from_redis_value::<f64>(taken).unwrap()
    });
    (keys.len(), taken.sum())
}

#[tokio::test]
async fn a_row_and_a_kept_response_take_little_room() {
    const REQUESTS: usize = 500;
    let fleet = Fleet::start(&[]).await;
    for number in 0..REQUESTS {
        let key = format!("room-{number}");
        let chat = scripted("words=3", false).with("idempotency-key", &key);
        assert_eq!(fleet.ask(&chat).await.status(), 200);
    }
    settle(&fleet).await;
    let (rows, of_rows) = room(&fleet.redis, "fb:{*}k*");
    let (_, of_order) = room(&fleet.redis, "fb:{*}o");
    assert_eq!(rows, REQUESTS);
    let row = (of_rows + of_order) / REQUESTS as f64;
    // Its text, and the answer's, are what a response takes beyond that.
    let text = "x".repeat(2000);
    for _ in 0..100 {
        let kept = response("words=3", json!({ "instructions": text }));
        assert_eq!(fleet.ask(&kept).await.status(), 200);
    }
    settle(&fleet).await;
    let (responses, of_responses) = room(&fleet.redis, "fb:{*}sresp*");
    assert_eq!(responses, 100);
    let kept = of_responses / 100.0 - text.len() as f64;
    println!("a row takes {row:.0} bytes, a kept response {kept:.0} bytes beside its instructions");
    assert!((100.0..1000.0).contains(&row), "{row}");
    assert!((100.0..8000.0).contains(&kept), "{kept}");
}
