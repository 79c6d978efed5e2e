//! What is scripted to happen instead of the answer to a submit, a query or the opening of a stream.

use std::time::{Duration, Instant};

use foxbridge::simulator::{Settings, Simulator};
use serde_json::Value;

use crate::wire::*;

async fn instant() -> Simulator {
    Simulator::start(Settings::instant()).await.unwrap()
}

/// What a reaction looks like from outside: a status and a content type, or how the connection ended.
fn seen(reply: Result<Reply, End>) -> String {
    match reply {
        Ok(reply) => {
            let kind = reply.header("content-type").unwrap_or("nothing");
            let code = match kind {
                "application/json" => serde_json::from_slice::<Value>(&reply.body).map_or(
                    "broken".to_owned(),
                    |json| {
                        let error = &json["error"];
                        error["code"]
                            .as_str()
                            .or(error["type"].as_str())
                            .unwrap_or("fine")
                            .to_owned()
                    },
                ),
                _ => format!(
                    "{} bytes",
                    if reply.body.is_empty() { "no" } else { "some" }
                ),
            };
            format!("{} {kind} {code} {:?}", reply.status.as_u16(), reply.end)
        }
        Err(end) => format!("{end:?}"),
    }
}

const REACTIONS: [(&str, &str); 19] = [
    ("400", "400 application/json invalid_request_error Proper"),
    ("401", "401 application/json authentication_error Proper"),
    ("402", "402 application/json insufficient_quota Proper"),
    ("404", "404 application/json not_found Proper"),
    ("413", "413 text/html some bytes Proper"),
    ("422", "422 application/json invalid_param Proper"),
    (
        "422:model_not_supported",
        "422 application/json model_not_supported Proper",
    ),
    (
        "422:service_unavailable_error",
        "422 application/json service_unavailable_error Proper",
    ),
    ("429", "429 application/json rate_limit_error Proper"),
    ("500", "500 application/json internal_error Proper"),
    ("502", "502 text/html some bytes Proper"),
    ("503", "503 application/json all_platforms_exhausted Proper"),
    ("html:500", "500 text/html some bytes Proper"),
    ("empty:503", "503 nothing no bytes Proper"),
    ("garbage", "200 application/json broken Proper"),
    ("truncated", "200 application/json broken Cut"),
    (
        "redirect:http://evil.example/",
        "307 nothing no bytes Proper",
    ),
    ("close", "Cut"),
    ("reset", "Reset"),
];

#[tokio::test]
async fn submits_are_refused_as_often_as_scripted() {
    let simulator = instant().await;
    for (reaction, expected) in REACTIONS {
        let body = asking(&format!("[[fox: id={reaction} submit={reaction}x2]]"));
        for _ in 0..2 {
            assert_eq!(
                seen(try_submit(&simulator, &body).await),
                expected,
                "{reaction}"
            );
            assert_eq!(simulator.accepted(reaction), 0);
        }
        submit(&simulator, &body).await;
        assert_eq!(
            (simulator.accepted(reaction), simulator.attempts(reaction)),
            (1, 3)
        );
    }
    assert_eq!(simulator.journal().accepted, REACTIONS.len() as u64);
    let redirect = try_submit(
        &simulator,
        &asking("[[fox: submit=redirect:http://evil.example/]]"),
    )
    .await;
    assert_eq!(
        redirect.unwrap().header("location"),
        Some("http://evil.example/")
    );
}

#[tokio::test]
async fn a_task_can_be_made_without_saying_so() {
    let simulator = instant().await;
    for (reaction, expected) in REACTIONS {
        let body = asking(&format!("[[fox: id={reaction} submit=accept+{reaction}]]"));
        assert_eq!(
            seen(try_submit(&simulator, &body).await),
            expected,
            "{reaction}"
        );
        assert_eq!(simulator.accepted(reaction), 1, "{reaction}");
    }
}

#[tokio::test]
async fn a_hanging_submit_ends_with_its_client() {
    let simulator = instant().await;
    for (marker, accepted) in [("submit=hang", 0), ("submit=accept+hang", 1)] {
        let body = asking(&format!("[[fox: id={accepted} {marker}]]"));
        let hanging = try_submit(&simulator, &body);
        tokio::select! {
            reply = hanging => panic!("{reply:?}"),
            _ = simulator.journal_when(|journal| journal.requests.len() == accepted as usize + 1) => {}
        }
        assert_eq!(
            simulator
                .journal_when(|journal| journal.open_connections == 0)
                .await
                .panics,
            0
        );
        let id = accepted.to_string();
        assert_eq!(
            (simulator.accepted(&id), simulator.attempts(&id)),
            (accepted, 1)
        );
    }
}

#[tokio::test]
async fn equal_bodies_without_an_id_are_counted_together() {
    let simulator = instant().await;
    let body = asking("[[fox: submit=429,ok]]");
    let other = asking("[[fox: submit=429,ok ]]");
    assert_eq!(try_submit(&simulator, &body).await.unwrap().status, 429);
    assert_eq!(try_submit(&simulator, &other).await.unwrap().status, 429);
    submit(&simulator, &body).await;
    assert_eq!(simulator.accepted_body(body.to_string().as_bytes()), 1);
    assert_eq!(simulator.accepted_body(other.to_string().as_bytes()), 0);
}

#[tokio::test]
async fn headers_are_scripted() {
    let simulator = instant().await;
    let body = asking("[[fox: submit=429,503,500 retry-after=7 rate-limit=60/59]]");
    for retry_after in [Some("7"), Some("7"), None, None] {
        let reply = try_submit(&simulator, &body).await.unwrap();
        assert_eq!(reply.header("retry-after"), retry_after);
        assert_eq!(reply.header("x-ratelimit-limit-requests"), Some("60"));
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), Some("59"));
    }
}

#[tokio::test]
async fn a_submit_takes_its_time() {
    let simulator = instant().await;
    let begun = Instant::now();
    submit(&simulator, &asking("[[fox: submit-latency=120ms]]")).await;
    assert!(begun.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn the_streams_address_is_scripted() {
    let simulator = instant().await;
    let marked = |url: &str| streaming(&format!("[[fox: stream-url={url}]]"));
    let task = submit(&simulator, &marked("http://evil.example/{id}")).await;
    let expected = format!("http://evil.example/{}", task["id"].as_str().unwrap());
    assert_eq!(task["stream"]["url"], expected);
    let task = submit(&simulator, &marked("null")).await;
    assert_eq!(task["stream"], Value::Null);
}

#[tokio::test]
async fn queries_fail_as_often_as_scripted() {
    let simulator = instant().await;
    for (reaction, expected) in REACTIONS {
        let task = submit(
            &simulator,
            &asking(&format!("[[fox: query=ok,{reaction}x2]]")),
        )
        .await;
        assert_eq!(query(&simulator, &task).await["status"], "completed");
        for _ in 0..2 {
            assert_eq!(
                seen(query_of(&task).send(&simulator).await),
                expected,
                "{reaction}"
            );
        }
        assert_eq!(query(&simulator, &task).await["status"], "completed");
    }
    let task = submit(&simulator, &asking("[[fox: query=hang]]")).await;
    let before = simulator.journal().queries;
    tokio::select! {
        reply = query_of(&task).send(&simulator) => panic!("{reply:?}"),
        _ = simulator.journal_when(|journal| journal.queries > before) => {}
    }
    assert_eq!(query(&simulator, &task).await["status"], "completed");
}

#[tokio::test]
async fn streams_refuse_to_open_as_often_as_scripted() {
    let simulator = instant().await;
    for (reaction, expected) in REACTIONS {
        let task = submit(
            &simulator,
            &streaming(&format!("[[fox: open={reaction}x2]]")),
        )
        .await;
        for _ in 0..2 {
            assert_eq!(
                seen(stream_of(&task).send(&simulator).await),
                expected,
                "{reaction}"
            );
        }
        assert_eq!(follow(&simulator, &task).await.end, End::Proper);
    }
}
