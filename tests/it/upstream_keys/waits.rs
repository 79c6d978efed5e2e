//! Requests that wait for a key that may be used: what ends their wait, and what is bought then.

use std::time::Duration;

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
