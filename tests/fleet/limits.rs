//! What a client may use counts across all replicas.

use std::{path::PathBuf, time::Instant};

use foxbridge::keys::Hash;
use futures_util::future::join_all;
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    harness::{Fleet, scripted, until, within},
    http::{Answer, Connection, Request},
};

const ANNA: &str = "fbk-anna-0c51b7f2e86d4a93";
const BERT: &str = "fbk-bert-e7708f1d25b94c6a";

/// A list of keys: Anna has these limits, and Bert none.
pub(crate) struct Keys {
    _folder: TempDir,
    path: PathBuf,
}

impl Keys {
    pub(crate) fn of_anna(limits: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let [anna, bert] = [ANNA, BERT].map(|key| Hash::of(key.as_bytes()).written());
        let list = format!(
            "[[key]]\nname = \"anna\"\nhash = \"{anna}\"\n{limits}\n[[key]]\nname = \"bert\"\nhash = \"{bert}\"\n"
        );
        std::fs::write(&path, list).unwrap();
        Self {
            _folder: folder,
            path,
        }
    }

    pub(crate) async fn fleet(&self, settings: &[&str]) -> Fleet {
        let settings = [
            &self.settings()[..],
            &settings.iter().map(|&s| s.to_owned()).collect::<Vec<_>>(),
        ]
        .concat();
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        Fleet::start(&settings).await
    }

    pub(crate) fn settings(&self) -> Vec<String> {
        vec![
            "upstream.api_key=sk-upstream-5d0c66e1".to_owned(),
            format!("server.keys_file={}", self.path.display()),
        ]
    }
}

pub(crate) fn by_anna(request: Request) -> Request {
    request.with("Authorization", &format!("Bearer {ANNA}"))
}

fn number(answer: &Answer, name: &str) -> u64 {
    let value = answer.head.header(name);
    let value = value.unwrap_or_else(|| panic!("no {name} in {:?}", answer.head));
    value.parse().unwrap()
}

#[tokio::test]
async fn requests_of_a_minute_are_counted_once_for_all_replicas() {
    // So few a minute that none comes back while a slow machine runs the test.
    let keys = Keys::of_anna("requests_per_minute = 20\ntokens_per_minute = 100000000");
    let fleet = keys.fleet(&[]).await;
    let request = by_anna(scripted("words=3", false));
    let begun = Instant::now();
    let answers = join_all((0..40).map(|_| fleet.ask(&request))).await;
    let served = answers
        .iter()
        .filter(|answer| answer.status() == 200)
        .count();
    let flown = begun.elapsed().as_secs() as usize / 3 + 1;
    assert!((20..=20 + flown).contains(&served), "{served}");
    let mut left: Vec<u64> = Vec::new();
    for answer in &answers {
        assert_eq!(number(answer, "x-ratelimit-limit-requests"), 20);
        match answer.status() {
            200 => left.push(number(answer, "x-ratelimit-remaining-requests")),
            _ => assert_eq!(answer.error().code.as_deref(), Some("rate_limit_exceeded")),
        }
    }
    assert!(left.iter().all(|left| *left < 20), "{left:?}");
    assert_eq!(fleet.journal().accepted, served as u64);
    // Bert has a minute of his own.
    let bert = scripted("words=3", false).with("Authorization", &format!("Bearer {BERT}"));
    assert_eq!(fleet.ask(&bert).await.status(), 200);
}

#[tokio::test]
async fn tokens_are_taken_and_given_back_for_all_replicas() {
    let keys = Keys::of_anna("tokens_per_minute = 1000");
    let fleet = keys.fleet(&[]).await;
    let body = json!({
        "model": "gpt-5.5", "max_tokens": 900,
        "messages": [{ "role": "user", "content": "count 1 to 3 [[fox: words=3 first-chunk=1h]]" }], "stream": true,
    });
    let large = by_anna(Request::chat(body.to_string()));
    let mut held = fleet.replicas[0].send(&large).await;
    assert_eq!(held.head().await.status, 200);
    let refused = fleet.replicas[1].ask(&large).await;
    assert_eq!(refused.status(), 429, "{}", refused.text());
    assert_eq!(refused.error().kind, "tokens");
    assert!(number(&refused, "x-ratelimit-remaining-tokens") < 900);
    assert_eq!(fleet.journal().accepted, 1);

    // An answer that uses less than it might gives back the rest, at the other replica too.
    let mut quick = body;
    quick["messages"][0]["content"] = json!("count 1 to 3 [[fox: words=3]]");
    quick["stream"] = json!(false);
    let other = Keys::of_anna("tokens_per_minute = 1000");
    let fleet = other.fleet(&[]).await;
    let quick = by_anna(Request::chat(quick.to_string()));
    for _ in 0..4 {
        let answer = fleet.ask(&quick).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        for replica in &fleet.replicas {
            replica.has_told().await;
        }
        let left = || -> f64 {
            let key = fleet.redis.texts(&["KEYS", "fb:{*}t"]).pop().unwrap();
            fleet.redis.text(&["HGET", &key, "left"]).parse().unwrap()
        };
        until("the rest is given back", async || left() > 900.0).await;
    }
}

#[tokio::test]
async fn requests_at_once_are_counted_for_all_replicas() {
    let keys = Keys::of_anna("concurrency = 3");
    let fleet = keys.fleet(&[]).await;
    let endless = by_anna(scripted("words=3 first-chunk=1h", true));
    let mut held = Vec::new();
    for number in 0..3 {
        let mut connection = fleet.replicas[number % 2].send(&endless).await;
        assert_eq!(connection.head().await.status, 200);
        held.push(connection);
    }
    for replica in &fleet.replicas {
        let refused = replica.ask(&endless).await;
        assert_eq!(refused.status(), 429, "{}", refused.text());
        assert!(
            refused.text().contains("at the same time"),
            "{}",
            refused.text()
        );
    }
    // A place that is free on one replica is free on all.
    drop(held.pop());
    let quick = by_anna(scripted("words=3", false));
    until("a place is free", async || {
        fleet.replicas[1].ask(&quick).await.status() == 200
    })
    .await;
    drop(held);
    // One after the other never gets in its own way, wherever it lands.
    let keys = Keys::of_anna("concurrency = 1");
    let fleet = keys.fleet(&[]).await;
    for _ in 0..60 {
        let answer = fleet.ask(&quick).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
}

/// A response is asked for what it goes on from together with its place, so that its place is asked for when it is read.
#[tokio::test]
async fn responses_have_the_same_limits() {
    let responds = |script: &str, stream| {
        let input = format!("count 1 to 3 [[fox: {script}]]");
        let body = json!({ "model": "gpt-5.5", "input": input, "stream": stream });
        by_anna(Request::new("POST", "/v1/responses", body.to_string()))
    };
    let keys = Keys::of_anna("concurrency = 3\nrequests_per_minute = 100000");
    let mut fleet = keys.fleet(&[]).await;
    let endless = responds("words=3 first-chunk=1h", true);
    let mut held = Vec::new();
    for number in 0..3 {
        let mut connection = fleet.replicas[number % 2].send(&endless).await;
        assert_eq!(connection.head().await.status, 200);
        held.push(connection);
    }
    for refused in [&endless, &by_anna(scripted("words=3", false))] {
        for replica in &fleet.replicas {
            assert_eq!(replica.ask(refused).await.status(), 429);
        }
    }
    assert_eq!(fleet.journal().accepted, 3);
    // Those of a dead replica, and of whoever has gone, come back.
    fleet.replicas[0].kill().await;
    let quick = responds("words=3", false);
    until("its places are free", async || {
        let both = [0, 1].map(|_| fleet.replicas[1].ask(&quick));
        join_all(both)
            .await
            .iter()
            .all(|answer| answer.status() == 200)
    })
    .await;
    drop(held);

    // Whoever is long in sending has no place yet, but of these a replica has no more than there may be places.
    let keys = Keys::of_anna("concurrency = 2");
    let fleet = keys.fleet(&[]).await;
    let asking = quick.clone().with("Expect", "100-continue");
    let body = &asking.to_bytes()[asking.head().len()..];
    let mut sending = Vec::new();
    for number in 0..6 {
        let mut stream = TcpStream::connect(fleet.replicas[0].address).await.unwrap();
        stream.write_all(&asking.head()).await.unwrap();
        if number < 4 {
            let mut go_on = *b"HTTP/1.1 100 Continue\r\n\r\n";
            within("it may go on", stream.read_exact(&mut go_on))
                .await
                .unwrap();
            assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
            sending.push(Connection::over(stream));
        } else {
            let answer = Connection::over(stream).answer().await;
            assert_eq!(answer.status(), 429);
        }
    }
    // Those that found none here have asked for theirs at once, and have it.
    for connection in sending.iter_mut().rev() {
        connection.send(body).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }

    // A minute's requests are counted, also where they go on from nothing that is there.
    let keys = Keys::of_anna("requests_per_minute = 4");
    let fleet = keys.fleet(&[]).await;
    let astray =
        json!({ "model": "gpt-5.5", "input": "hi", "previous_response_id": "resp_of_nobody" });
    let astray = by_anna(Request::new("POST", "/v1/responses", astray.to_string()));
    for request in [&quick, &astray, &quick, &astray] {
        let answer = fleet.ask(request).await;
        assert_ne!(answer.status(), 429, "{}", answer.text());
    }
    for refused in [&quick, &astray] {
        let answer = fleet.ask(refused).await;
        assert_eq!(answer.status(), 429, "{}", answer.text());
    }

    // So is what cannot be read.
    let keys = Keys::of_anna("requests_per_minute = 3");
    let fleet = keys.fleet(&[]).await;
    let faulty = by_anna(Request::new("POST", "/v1/responses", "{}"));
    for expected in [400, 400, 400, 429] {
        assert_eq!(fleet.ask(&faulty).await.status(), expected);
    }
}

#[tokio::test]
async fn places_of_a_dead_replica_come_back() {
    let keys = Keys::of_anna("concurrency = 2");
    let mut fleet = keys.fleet(&[]).await;
    let endless = by_anna(scripted("words=3 first-chunk=1h", true));
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut connection = fleet.replicas[0].send(&endless).await;
        assert_eq!(connection.head().await.status, 200);
        held.push(connection);
    }
    let quick = by_anna(scripted("words=3", false));
    assert_eq!(fleet.replicas[1].ask(&quick).await.status(), 429);
    fleet.replicas[0].kill().await;
    until("its places are free", async || {
        fleet.replicas[1].ask(&quick).await.status() == 200
    })
    .await;
}

#[tokio::test]
async fn while_redis_is_away_each_replica_counts_for_itself() {
    let keys = Keys::of_anna("requests_per_minute = 10\nconcurrency = 2");
    let mut fleet = keys.fleet(&[]).await;
    let quick = by_anna(scripted("words=3", false));
    let begun = Instant::now();
    for _ in 0..4 {
        assert_eq!(fleet.replicas[0].ask(&quick).await.status(), 200);
    }
    fleet.redis.kill();
    fleet.redis_is(false).await;
    // It goes on from what it knew: six are left here, and some that flow back meanwhile.
    let mut served = 0;
    for _ in 0..20 {
        served += usize::from(fleet.replicas[0].ask(&quick).await.status() == 200);
    }
    let flown = begun.elapsed().as_secs() as usize / 6 + 1;
    assert!((6..=6 + flown).contains(&served), "{served}");
    assert_eq!(fleet.replicas[1].ask(&quick).await.status(), 200);
    let body = json!({ "model": "gpt-5.5", "input": "count 1 to 3 [[fox: words=3]]" });
    let response = by_anna(Request::new("POST", "/v1/responses", body.to_string()));
    assert_eq!(fleet.replicas[1].ask(&response).await.status(), 200);
    fleet.redis.start_again();
    fleet.redis_is(true).await;
    assert_eq!(fleet.replicas[1].ask(&quick).await.status(), 200);
    // Nothing holds the places of what went on meanwhile.
    let endless = by_anna(scripted("words=3 first-chunk=1h", true));
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut connection = fleet.replicas[1].send(&endless).await;
        assert_eq!(connection.head().await.status, 200);
        held.push(connection);
    }
}

#[tokio::test]
async fn places_that_redis_never_gave_are_not_given_back_to_it() {
    let keys = Keys::of_anna("concurrency = 2");
    let mut fleet = keys.fleet(&[]).await;
    fleet.redis.kill();
    fleet.redis_is(false).await;
    // However long it is away, nothing piles up for each request that came meanwhile.
    let faulty = by_anna(Request::chat("{}"));
    for _ in 0..100 {
        assert_eq!(fleet.replicas[0].ask(&faulty).await.status(), 400);
    }
    fleet.redis.start_again();
    fleet.redis_is(true).await;
    let quick = by_anna(scripted("words=3", false));
    assert_eq!(fleet.replicas[0].ask(&quick).await.status(), 200);
    until("its place is free", async || {
        fleet.redis.texts(&["KEYS", "fb:{*}n"]).is_empty()
    })
    .await;
    let told = fleet.redis.text(&["INFO", "commandstats"]);
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_hdel:calls="));
    let count = line.map(|line| line.split(',').next().unwrap().parse::<u64>().unwrap());
    assert!(count.is_some_and(|count| count < 10), "{count:?}");
}
