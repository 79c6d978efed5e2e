//! How often Redis is asked for a request.

use std::collections::BTreeMap;

use crate::{
    harness::scripted,
    limits::{Keys, by_anna},
    server::Redis,
};

/// What scripts are made of, which is not asked for from outside.
const INSIDE: [&str; 20] = [
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
    "zadd",
    "zrem",
    "zcard",
    "zrange",
    "zremrangebyscore",
];

/// Commands that clients have sent, but for those of the test.
fn commands(redis: &Redis) -> u64 {
    let stats = redis.text(&["INFO", "commandstats"]);
    let mut counts = BTreeMap::new();
    for line in stats
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_"))
    {
        let (name, rest) = line.split_once(":calls=").unwrap();
        let count: u64 = rest.split(',').next().unwrap().parse().unwrap();
        counts.insert(name.to_owned(), count);
    }
    counts.retain(|name, _| {
        !INSIDE.contains(&name.as_str()) && name != "info" && !name.starts_with("client|")
    });
    counts.values().sum()
}

#[tokio::test]
async fn at_most_four_operations_a_request_with_limits_of_all_kinds() {
    const REQUESTS: u64 = 300;
    let keys = Keys::of_anna(
        "requests_per_minute = 1000000\ntokens_per_minute = 100000000\nconcurrency = 8",
    );
    let fleet = keys.fleet(&[]).await;
    for stream in [false, true] {
        let request = by_anna(scripted("words=3", stream));
        assert_eq!(fleet.ask(&request).await.status(), 200);
        for replica in &fleet.replicas {
            replica.has_told().await;
        }
        let (begun, before) = (std::time::Instant::now(), commands(&fleet.redis));
        for _ in 0..REQUESTS {
            let answer = fleet.ask(&request).await;
            assert_eq!(answer.status(), 200, "{}", answer.text());
        }
        let asked = commands(&fleet.redis) - before;
        // Each replica says once a second that it lives.
        let beats = 2 * (begun.elapsed().as_secs() + 2);
        println!(
            "{} operations for {REQUESTS} requests, stream: {stream}",
            asked
        );
        assert!(asked <= 4 * REQUESTS + beats, "{asked}");
        assert!(asked >= 2 * REQUESTS, "{asked}: they are not counted");
    }
}
