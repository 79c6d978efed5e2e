//! How much a client may have.

use std::time::Duration;

use foxbridge::keys::Limits;
use serde_json::json;

use super::{ANNA, BERT, by, clients, entry, header, limited, listed, process};
use crate::{
    harness::{Bridge, CHAT, scripted, within},
    http::{Answer, Ending, Request},
};

async fn bridge(limits: Limits) -> Bridge {
    let entries = vec![limited("anna", ANNA, limits), entry("bert", BERT)];
    Bridge::with(clients(entries)).await
}

/// A refusal by a limit, as OpenAI says it; how many milliseconds it asks to wait.
fn assert_refused(answer: &Answer, kind: &str, words: &str) -> u64 {
    assert_eq!(answer.status(), 429, "{}", answer.text());
    let error = answer.error();
    assert_eq!(
        (error.kind.as_str(), error.code.as_deref()),
        (kind, Some("rate_limit_exceeded"))
    );
    for words in ["key 'anna'", words, "Nothing was bought", "Try again in "] {
        assert!(error.message.contains(words), "{}", error.message);
    }
    assert_eq!(answer.head.header("x-should-retry"), None);
    let seconds: u64 = header(answer, "retry-after").parse().unwrap();
    let milliseconds: u64 = header(answer, "retry-after-ms").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(milliseconds.div_ceil(1000), seconds);
    milliseconds
}

fn tokens_left(answer: &Answer) -> i64 {
    header(answer, "x-ratelimit-remaining-tokens")
        .parse()
        .unwrap()
}

fn tokens(a_minute: u32) -> Limits {
    Limits {
        tokens_per_minute: Some(a_minute),
        ..Limits::default()
    }
}

#[tokio::test]
async fn requests_are_counted_and_told_as_openai_tells_them() {
    let limits = Limits {
        requests_per_minute: Some(3),
        ..Limits::default()
    };
    let bridge = bridge(limits).await;
    let ask = async |key: &str| {
        bridge
            .ask(&by(key, scripted("rate-limit=900/899", false)))
            .await
    };
    for left in ["2", "1", "0"] {
        let answer = ask(ANNA).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        // Not those of the upstream key.
        assert_eq!(header(&answer, "x-ratelimit-limit-requests"), "3");
        assert_eq!(header(&answer, "x-ratelimit-remaining-requests"), left);
        assert!(header(&answer, "x-ratelimit-reset-requests").ends_with('s'));
        assert_eq!(answer.head.header("x-ratelimit-limit-tokens"), None);
    }
    let accepted = bridge.journal().accepted;
    let refused = ask(ANNA).await;
    let wait = assert_refused(&refused, "requests", "requests per minute: limit 3");
    assert!((15_000..=20_000).contains(&wait), "{wait}");
    assert_eq!(header(&refused, "x-ratelimit-remaining-requests"), "0");
    assert_eq!(bridge.journal().accepted, accepted, "nothing was bought");
    // What buys nothing is not counted, and nobody else notices.
    assert_eq!(
        bridge
            .ask(&by(ANNA, Request::get("/v1/models")))
            .await
            .status(),
        200
    );
    let other = ask(BERT).await;
    assert_eq!(other.status(), 200);
    assert_eq!(other.head.header("x-ratelimit-limit-requests"), None);
}

#[tokio::test]
async fn whoever_waits_as_told_is_served() {
    let limits = Limits {
        requests_per_minute: Some(20),
        ..Limits::default()
    };
    let bridge = bridge(limits).await;
    let refused = within("the limit is reached", async {
        loop {
            let answer = bridge.ask(&by(ANNA, Request::chat(CHAT))).await;
            if answer.status() != 200 {
                return answer;
            }
        }
    })
    .await;
    let wait = assert_refused(&refused, "requests", "requests per minute: limit 20");
    tokio::time::sleep(Duration::from_millis(wait)).await;
    assert_eq!(
        bridge.ask(&by(ANNA, Request::chat(CHAT))).await.status(),
        200
    );
}

#[tokio::test]
async fn a_place_is_held_until_the_answer_was_handed_over() {
    let limits = Limits {
        concurrency: Some(1),
        ..Limits::default()
    };
    let bridge = bridge(limits).await;
    let slow = by(ANNA, scripted("words=9 stream=stall@3:2s", true));
    let mut stream = bridge.open().await;
    stream.send(&slow.to_bytes()).await;
    assert_eq!(stream.head().await.status, 200);
    for _ in 0..2 {
        let refused = bridge.ask(&by(ANNA, Request::chat(CHAT))).await;
        assert_refused(&refused, "requests", "requests at the same time: limit 1");
    }
    assert_eq!(
        bridge.ask(&by(BERT, Request::chat(CHAT))).await.status(),
        200
    );
    assert_eq!(
        bridge
            .ask(&by(ANNA, Request::get("/v1/models")))
            .await
            .status(),
        200
    );
    let (_, ending) = stream.rest().await;
    assert_eq!(ending, Ending::Whole);
    let until_free = async || {
        within("the place is free", async {
            while bridge.ask(&by(ANNA, Request::chat(CHAT))).await.status() == 429 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    };
    until_free().await;

    // A client that leaves gives its place back too.
    let accepted = bridge.journal().accepted;
    let mut waiting = bridge.open().await;
    waiting
        .send(&by(ANNA, scripted("task=stuck", false)).to_bytes())
        .await;
    bridge
        .until("it waits", |journal| journal.accepted > accepted)
        .await;
    assert_eq!(
        bridge.ask(&by(ANNA, Request::chat(CHAT))).await.status(),
        429
    );
    drop(waiting);
    until_free().await;
}

#[tokio::test]
async fn usage_corrects_what_was_taken_whole_or_streamed() {
    let bridge = bridge(tokens(12_000)).await;
    let question = |more: serde_json::Value, path: &str| {
        let mut body = json!({ "model": "gpt-5.5" });
        let text = "count 1 to 3 [[fox: words=20]]";
        match path {
            "/v1/chat/completions" => {
                body["messages"] = json!([{ "role": "user", "content": text }]);
                body["max_tokens"] = json!(5000);
            }
            _ => {
                body["input"] = json!(text);
                body["max_output_tokens"] = json!(5000);
            }
        }
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        by(ANNA, Request::new("POST", path, body.to_string()))
    };
    let (chats, responses) = ("/v1/chat/completions", "/v1/responses");
    // What was taken flows back by 200 tokens a second: of 5,000, that would take long enough to be seen.
    for (more, path, is_stream) in [
        (json!({}), chats, false),
        (json!({}), responses, false),
        (
            json!({"stream": true, "stream_options": {"include_usage": true}}),
            chats,
            true,
        ),
        (json!({"stream": true}), chats, true),
        (json!({"stream": true}), responses, true),
    ] {
        let answer = bridge.ask(&question(more.clone(), path)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let told = tokens_left(&answer);
        match is_stream {
            // The head of a stream comes before its usage.
            true => assert!(told < 9_000, "{more}: {told}"),
            false => assert!(told > 11_000, "{more}: {told}"),
        }
        let next = bridge.ask(&by(ANNA, Request::get("/v1/models"))).await;
        assert_eq!(header(&next, "x-ratelimit-limit-tokens"), "12000");
        let left = tokens_left(&next);
        assert!(left > 11_000, "{more}: {left}");
    }
}

#[tokio::test]
async fn tokens_that_are_not_there_are_refused_before_anything_is_bought() {
    let bridge = bridge(tokens(1000)).await;
    let asking = |limit: u32, script: &str| {
        let text = format!("count 1 to 3 [[fox: {script}]]");
        let messages = json!([{ "role": "user", "content": text }]);
        let body = json!({ "model": "gpt-5.5", "max_tokens": limit, "messages": messages });
        by(ANNA, Request::chat(body.to_string()))
    };
    // What the upstream refuses for certain comes back whole.
    let refused = bridge.ask(&asking(900, "submit=422:invalid_param")).await;
    assert_eq!(refused.status(), 422, "{}", refused.text());
    assert!(tokens_left(&refused) > 990);
    // Nobody knows whether this was bought, so it keeps what it took.
    let doubtful = bridge.ask(&asking(700, "submit=reset")).await;
    assert_eq!(doubtful.status(), 502, "{}", doubtful.text());
    let left = tokens_left(&doubtful);
    assert!((200..500).contains(&left), "{left}");
    let accepted = bridge.journal().accepted;
    let refused = bridge.ask(&asking(950, "words=1")).await;
    let wait = assert_refused(&refused, "tokens", "tokens per minute: limit 1000");
    assert!((20_000..=60_000).contains(&wait), "{wait}");
    assert_eq!(bridge.journal().accepted, accepted, "nothing was bought");
    assert_eq!(bridge.ask(&asking(20, "words=1")).await.status(), 200);
}

#[tokio::test]
async fn a_request_that_finds_its_task_takes_no_tokens_again() {
    let bridge = bridge(tokens(1000)).await;
    let body = json!({ "model": "gpt-5.5", "max_tokens": 900, "messages": [{ "role": "user", "content": "hello" }] });
    let request = by(ANNA, Request::chat(body.to_string())).with("Idempotency-Key", "once");
    for found in [None, Some("true"), Some("true")] {
        let answer = bridge.ask(&request).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(answer.head.header("x-foxbridge-found"), found);
        assert!(tokens_left(&answer) > 800);
    }
    assert_eq!(bridge.journal().accepted, 1);
}

#[tokio::test]
async fn all_threads_share_one_limit() {
    let bridge = Bridge::start().await;
    let (process, _file) =
        process(&bridge, &listed("team-a", ANNA, "requests_per_minute = 5")).await;
    let mut statuses = Vec::new();
    // Each on a connection of its own, which go to both threads in turn.
    for _ in 0..12 {
        statuses.push(process.ask(&by(ANNA, Request::chat(CHAT))).await.status());
    }
    let served = statuses.iter().filter(|status| **status == 200).count();
    // One more comes back every twelve seconds.
    assert!((5..=8).contains(&served), "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn whoever_leaves_early_or_sends_it_again_has_used_it_all_the_same() {
    let bridge = bridge(tokens(3_000)).await;
    let probe = async || tokens_left(&bridge.ask(&by(ANNA, Request::get("/v1/models"))).await);
    let before = probe().await;
    let mut connection = bridge.open().await;
    let long = scripted("words=1500", true);
    connection.send(&by(ANNA, long).to_bytes()).await;
    connection.head().await;
    connection
        .read_until(|text| text.contains("word1400"))
        .await;
    drop(connection);
    within("it is owed", async {
        while probe().await > before - 1_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    // A key finds what it bought; the first time it is had, it is counted.
    let before = probe().await;
    let keyed = || {
        by(
            ANNA,
            scripted("words=300 first-chunk=300ms", false).with("idempotency-key", "k"),
        )
    };
    let mut connection = bridge.open().await;
    connection.send(&keyed().to_bytes()).await;
    bridge
        .until("it is bought", |journal| journal.accepted == 2)
        .await;
    drop(connection);
    assert_eq!(bridge.ask(&keyed()).await.status(), 200);
    let after = probe().await;
    assert!(after < before - 200, "{before} {after}");
    assert_eq!(bridge.ask(&keyed()).await.status(), 200);
    assert!(probe().await > after - 100, "and not again");
}

#[tokio::test]
async fn a_background_response_is_charged_when_its_end_is_known() {
    let bridge = bridge(tokens(3_000)).await;
    let body = json!({"model": "gpt-5.5", "input": "[[fox: words=500]]", "background": true});
    let create = Request::new("POST", "/v1/responses", body.to_string());
    let begun = bridge.ask(&by(ANNA, create)).await;
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    let retrieve = || by(ANNA, Request::get(&format!("/v1/responses/{id}")));
    let last = within("it is complete", async {
        loop {
            let answer = bridge.ask(&retrieve()).await;
            if answer.json()["status"] == "completed" {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(last.status(), 200);
    let after = tokens_left(&bridge.ask(&retrieve()).await);
    assert!(after < 2_600, "{after}");
    assert!(
        tokens_left(&bridge.ask(&retrieve()).await) >= after,
        "and not again"
    );
}
