//! Requests that wait for a key that may be used: what ends their wait, and what is bought then.

use std::time::{Duration, Instant};

use foxbridge::config::Config;
use futures_util::future::join_all;
use tokio::time::sleep;

use super::{MAIN, SPARE, both, scripts};
use crate::{
    harness::{Bridge, CHAT, within},
    http::Request,
    retries::again,
};

/// Two keys that are refused once each, or forever, and a proxy that waits once.
async fn busy(script: &str, has_several: bool) -> Bridge {
    Bridge::of(scripts(&[(MAIN, script), (SPARE, script)]), |config| {
        match has_several {
            true => both(config),
            false => config.upstream.api_key = Some(MAIN.to_owned().into()),
        }
        config.task.submit_retries = 1;
        config.server.max_in_flight = 1;
        config.server.shutdown_grace = Duration::ZERO;
    })
    .await
}

#[tokio::test]
async fn nothing_is_bought_for_a_client_that_left_while_it_waited() {
    for (has_several, refusals) in [(false, 1), (true, 2)] {
        let bridge = busy("submit=429 retry-after=4", has_several).await;
        let mut connection = bridge.open().await;
        connection.send(&Request::chat(CHAT).to_bytes()).await;
        let is_refused = |submits: u64| submits == refusals;
        bridge
            .until("refusals", |journal| is_refused(journal.submits))
            .await;
        drop(connection);
        // There is only one place, which is held until the wait is over.
        within("its place is free", async {
            while bridge.ask(&Request::chat(CHAT)).await.status() != 200 {
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        let journal = bridge.journal();
        assert_eq!((journal.submits, journal.accepted), (refusals + 1, 1));
    }
}

#[tokio::test]
async fn who_comes_again_buys_where_the_first_attempt_has_given_up() {
    for (has_several, refusals) in [(false, 1), (true, 2)] {
        let bridge = busy("submit=429 retry-after=2", has_several).await;
        let request = || Request::chat(CHAT).with("idempotency-key", "k");
        let mut connection = bridge.open().await;
        connection.send(&request().to_bytes()).await;
        bridge
            .until("refusals", |journal| journal.submits == refusals)
            .await;
        drop(connection);
        within("it is served", async {
            while bridge.ask(&again(request())).await.status() != 200 {
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        let journal = bridge.journal();
        assert_eq!((journal.submits, journal.accepted), (refusals + 1, 1));
    }
}

#[tokio::test]
async fn a_stop_ends_the_wait() {
    for (has_several, refusals) in [(false, 1), (true, 2)] {
        let mut bridge = busy("submit=429x* retry-after=15", has_several).await;
        let mut connection = bridge.open().await;
        connection.send(&Request::chat(CHAT).to_bytes()).await;
        bridge
            .until("refusals", |journal| journal.submits == refusals)
            .await;
        bridge.proxy.ask_to_stop();
        let answer = connection.answer().await;
        assert_eq!(answer.status(), 429, "{}", answer.text());
        assert!(answer.error().message.contains("nothing was bought"));
        bridge.proxy.stopped().await;
        let journal = bridge.journal();
        assert_eq!((journal.submits, journal.accepted), (refusals, 0));
    }
}

fn only(config: &mut Config) {
    config.upstream.api_key = Some(MAIN.to_owned().into());
    config.task.submit_retries = 1;
}

#[tokio::test]
async fn requests_of_the_only_key_wait_for_each_other_once_it_is_limited() {
    let settings = scripts(&[(MAIN, "submit=429 retry-after=1")]);
    let bridge = Bridge::of(settings, only).await;
    let began = Instant::now();
    // One of them is refused; none of those that come meanwhile is sent before the key may be used again.
    assert_eq!(bridge.ask(&Request::chat(CHAT)).await.status(), 200);
    let first = began.elapsed();
    assert!(first >= Duration::from_secs(1), "{first:?}");
    let asked = Request::chat(CHAT);
    let answers = (0..3).map(|_| bridge.ask(&asked));
    for answer in join_all(answers).await {
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
    // They go one behind the other: at first one a second, and faster while it goes well.
    let spread = began.elapsed() - first;
    assert!(spread >= Duration::from_millis(500), "{spread:?}");
    let journal = bridge.journal();
    assert_eq!((journal.submits, journal.accepted), (5, 4));
}

#[tokio::test]
async fn the_only_key_does_not_rest_for_its_account_and_the_upstream_has_the_word() {
    for (script, status, most) in [
        ("submit=401,ok", 401, 2),
        ("submit=402,ok", 429, 2),
        ("submit=429x* retry-after=90", 429, 1),
    ] {
        let bridge = Bridge::of(scripts(&[(MAIN, script)]), only).await;
        let refused = bridge.ask(&Request::chat(CHAT)).await;
        assert_eq!(refused.status(), status, "{script}: {}", refused.text());
        assert!(
            refused.text().contains("Scripted failure"),
            "{}",
            refused.text()
        );
        let next = bridge.ask(&Request::chat(CHAT)).await;
        match most {
            // Whoever has put it right is served at once.
            2 => assert_eq!(next.status(), 200, "{script}: {}", next.text()),
            // Whoever is told to wait so long asks nobody else to find that out.
            _ => assert_eq!(
                next.head
                    .header("retry-after")
                    .map(|wait| wait.parse::<u64>().unwrap() >= 30),
                Some(true)
            ),
        }
        assert_eq!(bridge.journal().submits, most, "{script}");
    }
}
