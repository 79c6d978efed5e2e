//! `/v1/responses` from outside: kept responses, background ones on several connections and across a crash, and ends that
//! are true.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    harness::{Bridge, within},
    http::{Answer, Connection, Ending, Request},
    process::Process,
    retries::again,
};

fn create(body: Value) -> Request {
    Request::new("POST", "/v1/responses", body.to_string())
}

/// A request whose text tells the simulator how to behave.
fn scripted(script: &str, mut rest: Value) -> Request {
    rest["model"] = json!("gpt-5.5");
    rest["input"] = json!(format!("count 1 to 3 [[fox: {script}]]"));
    create(rest)
}

fn background(script: &str) -> Request {
    scripted(script, json!({"background": true}))
}

fn retrieve(id: &str) -> Request {
    Request::get(&format!("/v1/responses/{id}"))
}

fn follow(id: &str, after: i64) -> Request {
    let after = match after {
        -1 => String::new(),
        after => format!("&starting_after={after}"),
    };
    Request::get(&format!("/v1/responses/{id}?stream=true{after}"))
}

fn id(answer: &Answer) -> String {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// The events of a stream, each with its name and its number; comments are passed over.
fn events(text: &str) -> Vec<Value> {
    let frames = text.split("\n\n").map(|frame| {
        let lines = frame.lines().filter(|line| !line.starts_with(':'));
        lines.collect::<Vec<_>>()
    });
    let frames = frames.filter(|lines| !lines.is_empty());
    frames
        .map(|lines| {
            let [name, data] = lines[..] else {
                panic!("{lines:?}")
            };
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(data["type"], name.strip_prefix("event: ").unwrap());
            data
        })
        .collect()
}

/// All events of a stream that ended.
fn all(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.ending, Ending::Whole);
    events(answer.text())
}

fn number(event: &Value) -> i64 {
    event["sequence_number"].as_i64().unwrap()
}

/// The same response, but for when it was completed.
fn timeless(events: &[Value]) -> Vec<Value> {
    let mut events = events.to_vec();
    for event in &mut events {
        if let Some(response) = event.get_mut("response") {
            response["completed_at"] = Value::Null;
        }
    }
    events
}

#[tokio::test]
async fn a_background_response_is_what_its_task_is() {
    let bridge = Bridge::start().await;
    let began = bridge
        .ask(&background("queue=400ms first-chunk=400ms"))
        .await;
    assert_eq!(began.json()["status"], "queued");
    assert!(began.json()["output"].as_array().unwrap().is_empty());
    let id = id(&began);
    let mut seen = vec!["queued".to_owned()];
    let last = loop {
        let shown = bridge.ask(&retrieve(&id)).await.json();
        let status = shown["status"].as_str().unwrap().to_owned();
        if seen.last() != Some(&status) {
            seen.push(status.clone());
        }
        if status == "completed" {
            break shown;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(seen, ["queued", "in_progress", "completed"]);
    assert!(
        last["output"][0]["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("count 1 to 3")
    );
    let queries = bridge.journal().queries;
    assert_eq!(bridge.ask(&retrieve(&id)).await.json(), last);
    assert_eq!(
        bridge.journal().queries,
        queries,
        "what is known is not asked again"
    );
    assert_eq!(bridge.journal().submits, 1);
}

#[tokio::test]
async fn each_connection_goes_on_where_another_one_broke_off() {
    let bridge = Bridge::start().await;
    for script in [
        "words=12 chunk-interval=5ms",
        "words=12 chunk-interval=5ms replay=rechunk reasoning=4",
        "words=12 stream=cut@3,cut@7 replay=rechunk",
    ] {
        let id = id(&bridge.ask(&background(script)).await);
        let whole = all(&bridge.ask(&follow(&id, -1)).await);
        let numbers: Vec<i64> = whole.iter().map(number).collect();
        assert_eq!(
            numbers,
            (0..whole.len() as i64).collect::<Vec<_>>(),
            "{script}"
        );
        assert_eq!(whole.last().unwrap()["type"], "response.completed");
        // Whether it is told by the task or from what is known.
        for after in [
            0,
            2,
            7,
            whole.len() as i64 - 2,
            whole.len() as i64 - 1,
            1000,
        ] {
            let rest = all(&bridge.ask(&follow(&id, after)).await);
            let missing = whole.iter().filter(|event| number(event) > after);
            assert_eq!(
                rest,
                missing.cloned().collect::<Vec<_>>(),
                "{script} after {after}"
            );
        }
    }
}

#[tokio::test]
async fn two_follow_at_once_and_both_have_every_event() {
    let bridge = Bridge::start().await;
    let id = id(&bridge
        .ask(&background("words=20 chunk-interval=10ms replay=rechunk"))
        .await);
    let (one, other) = (follow(&id, -1), follow(&id, 3));
    let (one, other) = tokio::join!(bridge.ask(&one), bridge.ask(&other));
    let (one, other) = (all(&one), all(&other));
    assert_eq!(timeless(&one[4..]), timeless(&other));
    assert_eq!(bridge.journal().submits, 1);
}

#[tokio::test]
async fn a_background_stream_goes_on_across_a_kill() {
    let bridge = Bridge::start().await;
    let folder = tempfile::tempdir().unwrap();
    let store = format!(
        "ledger.store=file:{}",
        folder.path().join("ledger.redb").display()
    );
    let script = "words=30 chunk-interval=30ms replay=rechunk reasoning=3";
    let request = scripted(script, json!({"background": true, "stream": true}));
    let process = Process::start(&bridge, &[&store]).await;
    let mut connection = Connection::open(process.address).await;
    connection.send(&request.to_bytes()).await;
    assert_eq!(connection.head().await.status, 200);
    let text = connection
        .read_until(|text| text.matches("event: ").count() > 12)
        .await;
    process.kill().await;
    let before = events(text.rsplit_once("\n\n").unwrap().0);
    let last = number(before.last().unwrap());
    let id = before[0]["response"]["id"].as_str().unwrap().to_owned();
    let id = id.as_str();

    let process = Process::start(&bridge, &[&store]).await;
    let rest = all(&process.ask(&follow(id, last)).await);
    assert_eq!(number(&rest[0]), last + 1);
    let whole = all(&process.ask(&follow(id, -1)).await);
    assert_eq!(timeless(&whole), timeless(&[before, rest].concat()));
    // And what it has come to is there after a stop in good order, which writes what is still to be written.
    process.terminate().await;
    assert_eq!(process.left().await.0.code(), Some(0));
    let process = Process::start(&bridge, &[&store]).await;
    let queries = bridge.journal().queries;
    let shown = process.ask(&retrieve(id)).await.json();
    assert_eq!(shown, whole.last().unwrap()["response"]);
    assert_eq!(bridge.journal().queries, queries);
    let next = json!({"model": "gpt-5.5", "input": "go on", "previous_response_id": id});
    assert_eq!(process.ask(&create(next)).await.status(), 200);
    let said = bridge.last_submission();
    assert!(said.contains("word30") && said.contains("go on"), "{said}");
    assert_eq!(bridge.journal().submits, 2);
}

#[tokio::test]
async fn who_sends_it_again_has_the_same_response() {
    let bridge = Bridge::start().await;
    for body in [json!({}), json!({"background": true})] {
        let request = || scripted("words=3", body.clone());
        let keyed = |request: Request| request.with("idempotency-key", &body.to_string());
        let first = bridge.ask(&keyed(request())).await;
        let second = bridge.ask(&keyed(again(request()))).await;
        assert_eq!(first.json()["id"], second.json()["id"]);
        assert_eq!(second.head.header("x-foxbridge-found"), Some("true"));
    }
    assert_eq!(bridge.journal().submits, 2);
}

#[tokio::test]
async fn what_is_cancelled_is_followed_no_more_and_says_what_that_means() {
    let bridge = Bridge::start().await;
    let id = id(&bridge
        .ask(&background("words=9 task=stuck fail-after=6"))
        .await);
    let mut connection = bridge.open().await;
    connection.send(&follow(&id, -1).to_bytes()).await;
    connection.head().await;
    connection
        .read_until(|text| text.contains("output_text.delta"))
        .await;
    let cancel = Request::new("POST", &format!("/v1/responses/{id}/cancel"), "");
    let cancelled = bridge.ask(&cancel).await;
    assert_eq!(cancelled.json()["status"], "cancelled");
    let promise = cancelled.head.header("x-foxbridge-cancel").unwrap();
    assert!(promise.contains("billed"), "{promise}");
    let (rest, ending) = connection.rest().await;
    assert_eq!(ending, Ending::Whole);
    let rest = String::from_utf8(rest).unwrap();
    assert!(
        rest.contains("event: error") && rest.contains("response_cancelled"),
        "{rest}"
    );
    assert!(!rest.contains("response.completed"));
    bridge
        .until("the stream is let go", |journal| journal.open_streams == 0)
        .await;
    assert_eq!(
        bridge.ask(&retrieve(&id)).await.json()["status"],
        "cancelled"
    );
    let again = bridge.ask(&cancel).await;
    assert_eq!(again.json()["status"], "cancelled");
    let replayed = all(&bridge.ask(&follow(&id, -1)).await);
    assert_eq!(replayed.last().unwrap()["code"], "response_cancelled");
}

#[tokio::test]
async fn what_is_complete_is_not_lost_by_cancelling_it() {
    let bridge = Bridge::start().await;
    let id = id(&bridge.ask(&background("words=3")).await);
    within("it is complete", async {
        tokio::time::sleep(Duration::from_millis(200)).await;
    })
    .await;
    let cancel = Request::new("POST", &format!("/v1/responses/{id}/cancel"), "");
    let answer = bridge.ask(&cancel).await;
    assert_eq!(answer.json()["status"], "completed");
    assert_eq!(answer.head.header("x-foxbridge-cancel"), None);
}

#[tokio::test]
async fn a_task_that_fails_is_a_response_that_failed() {
    let bridge = Bridge::start().await;
    let script = "words=9 task=failed fail-after=3 error-message=\"the wheel came off\"";
    let id = id(&bridge.ask(&background(script)).await);
    let told = all(&bridge.ask(&follow(&id, -1)).await);
    let last = told.last().unwrap();
    assert_eq!(last["type"], "response.failed");
    let error = &last["response"]["error"];
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("the wheel came off")
    );
    let shown = bridge.ask(&retrieve(&id)).await.json();
    assert_eq!(shown["status"], "failed");
    assert_eq!(shown["error"], *error);
    let next = json!({"model": "gpt-5.5", "input": "go on", "previous_response_id": id});
    let refused = bridge.ask(&create(next)).await;
    assert_eq!(
        refused.error().param.as_deref(),
        Some("previous_response_id")
    );
    assert_eq!(bridge.journal().submits, 1);
}

#[tokio::test]
async fn a_background_stream_that_ends_too_early_is_no_failure_of_the_response() {
    let bridge = Bridge::with(|config| config.task.deadline = Duration::from_millis(600)).await;
    let id = id(&bridge
        .ask(&background("words=4 chunk-interval=300ms"))
        .await);
    let told = all(&bridge.ask(&follow(&id, -1)).await);
    let (last, before) = told.split_last().unwrap();
    assert_eq!(last["type"], "error");
    assert_eq!(last["code"], "task_deadline_exceeded");
    let after = number(last);
    assert_eq!(
        after,
        number(before.last().unwrap()),
        "an error is no event to go on behind"
    );
    let mut rest = Vec::new();
    while rest
        .last()
        .is_none_or(|last: &Value| last["type"] != "response.completed")
    {
        rest = all(&bridge.ask(&follow(&id, after)).await);
    }
    assert_eq!(number(&rest[0]), after + 1);
}

#[tokio::test]
async fn silence_is_broken_by_comments_and_then_by_events() {
    let bridge = Bridge::with(|config| config.stream.keepalive = Duration::from_millis(50)).await;
    let script = "words=3 first-chunk=600ms";
    let plain = bridge.ask(&scripted(script, json!({"stream": true}))).await;
    assert!(plain.text().contains(": keep-alive\n"));
    let events = all(&plain);
    assert!(
        events
            .iter()
            .filter(|event| event["type"] == "response.in_progress")
            .count()
            > 1
    );
    for (at, event) in events.iter().enumerate() {
        assert_eq!(number(event), at as i64);
    }
    // Where every connection has the same events, only comments can be more.
    let even = json!({"stream": true, "background": true});
    let even = bridge.ask(&scripted(script, even)).await;
    assert!(even.text().matches(": keep-alive\n").count() > 5);
    assert_eq!(
        even.text().matches("event: response.in_progress").count(),
        1
    );
}

#[tokio::test]
async fn a_conversation_goes_on_and_ends_where_a_response_is_gone() {
    let bridge = Bridge::start().await;
    let turn = |input: &str, previous: &str| {
        let mut body =
            json!({"model": "gpt-5.5", "input": input, "instructions": format!("of {input}")});
        if !previous.is_empty() {
            body["previous_response_id"] = json!(previous);
        }
        create(body)
    };
    let first = id(&bridge.ask(&turn("one", "")).await);
    let second = id(&bridge.ask(&turn("two", &first)).await);
    id(&bridge.ask(&turn("three", &second)).await);
    let said: Value = serde_json::from_str(&bridge.last_submission()).unwrap();
    let messages = said["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(
        roles,
        ["system", "user", "assistant", "user", "assistant", "user"]
    );
    assert_eq!(
        messages[0]["content"], "of three",
        "instructions are of one request"
    );
    assert_eq!(
        (&messages[1]["content"], &messages[5]["content"]),
        (&json!("one"), &json!("three"))
    );

    let delete = Request::new("DELETE", &format!("/v1/responses/{first}"), "");
    let deleted = bridge.ask(&delete).await.json();
    assert_eq!(
        deleted,
        json!({"id": first, "object": "response", "deleted": true})
    );
    assert_eq!(bridge.ask(&delete).await.status(), 404);
    let refused = bridge.ask(&turn("four", &second)).await.error();
    assert_eq!(refused.code.as_deref(), Some("previous_response_not_found"));
    assert!(refused.message.contains(&first), "{}", refused.message);
    assert_eq!(bridge.journal().submits, 3);
}

#[tokio::test]
async fn nobody_else_sees_a_response() {
    let bridge = Bridge::start().await;
    let id = id(&bridge.ask(&background("words=3")).await);
    let stranger = |request: Request| {
        request
            .without("authorization")
            .with("authorization", "Bearer sk-stranger-1234567890")
    };
    let path = format!("/v1/responses/{id}");
    for request in [
        retrieve(&id),
        follow(&id, -1),
        Request::get(&format!("{path}/input_items")),
        Request::new("POST", &format!("{path}/cancel"), ""),
        Request::new("DELETE", &path, ""),
        create(json!({"model": "gpt-5.5", "input": "x", "previous_response_id": id})),
        create(
            json!({"model": "gpt-5.5", "input": [{"type": "item_reference", "id": format!("msg_{}_in0", &id[5..])}]}),
        ),
    ] {
        let answer = bridge.ask(&stranger(request)).await;
        assert!([400, 404].contains(&answer.status()), "{}", answer.text());
    }
    assert_eq!(bridge.ask(&retrieve(&id)).await.status(), 200);
    assert_eq!(bridge.journal().submits, 1);
}

#[tokio::test]
async fn what_is_not_kept_says_so() {
    let bridge = Bridge::with(|config| config.ledger.responses.max_size = 4000).await;
    let small = bridge.ask(&scripted("words=3", json!({}))).await;
    assert_eq!(small.json()["store"], true);
    let unwanted = bridge
        .ask(&scripted("words=3", json!({"store": false})))
        .await;
    let large = scripted("words=3", json!({"instructions": "x".repeat(5000)}));
    let large = bridge.ask(&large).await;
    for answer in [unwanted, large] {
        assert_eq!(answer.json()["store"], false);
        assert_eq!(bridge.ask(&retrieve(&id(&answer))).await.status(), 404);
    }
    let submits = bridge.journal().submits;
    let large = scripted(
        "words=3",
        json!({"background": true, "instructions": "x".repeat(5000)}),
    );
    let refused = bridge.ask(&large).await.error();
    assert!(
        refused.message.contains("responses.max_size"),
        "{}",
        refused.message
    );
    assert_eq!(bridge.journal().submits, submits);
}

#[tokio::test]
async fn other_methods_and_paths_are_told_what_there_is() {
    let bridge = Bridge::start().await;
    for (method, path, status) in [
        ("GET", "/v1/responses", 405),
        ("PUT", "/v1/responses/resp_1", 405),
        ("GET", "/v1/responses/resp_1/cancel", 405),
        ("POST", "/v1/responses/resp_1/input_items", 405),
        ("POST", "/v1/responses/compact", 404),
        ("GET", "/v1/responses/resp_1/other", 404),
        ("GET", "/v1/responses/resp_1", 404),
        ("GET", "/v1/responses/resp_1?stream=perhaps", 404),
    ] {
        let answer = bridge.ask(&Request::new(method, path, "")).await;
        assert_eq!(answer.status(), status, "{method} {path}");
        assert!(!answer.error().message.is_empty());
    }
    let id = id(&bridge.ask(&background("words=3")).await);
    for query in [
        "stream=perhaps",
        "stream=true&starting_after=x",
        "stream=true&starting_after=-1",
    ] {
        let answer = bridge
            .ask(&Request::get(&format!("/v1/responses/{id}?{query}")))
            .await;
        assert_eq!(answer.status(), 400, "{query}");
    }
}

#[tokio::test]
async fn small_requests_do_not_grow_into_large_ones() {
    let bridge = Bridge::with(|config| config.server.max_body = 1 << 20).await;
    let words = "many words ".repeat(50_000);
    let first = bridge
        .ask(&create(json!({"model": "gpt-5.5", "input": words})))
        .await;
    let first = id(&first);
    let item = format!("msg_{}_in0", &first[5..]);
    let reference = json!({"type": "item_reference", "id": item});
    let twice = create(json!({"model": "gpt-5.5", "input": [reference, reference]}));
    let refused = bridge.ask(&twice).await.error();
    assert_eq!(refused.param.as_deref(), Some("input[1].id"));
    // A conversation that is longer than a request may be.
    let next = |previous: &str| json!({"model": "gpt-5.5", "input": words, "previous_response_id": previous});
    let second = id(&bridge.ask(&create(next(&first))).await);
    let refused = bridge.ask(&create(next(&second))).await;
    assert_eq!(refused.status(), 413, "{}", refused.text());
    assert_eq!(
        refused.error().param.as_deref(),
        Some("previous_response_id")
    );
    assert_eq!(bridge.journal().submits, 2);
}

#[tokio::test]
async fn what_nobody_has_asked_for_yet_can_be_referred_to() {
    let bridge = Bridge::start().await;
    let answered = id(&bridge.ask(&background("text=\"the answer\"")).await);
    let item = json!({"type": "item_reference", "id": format!("msg_{}_0", &answered[5..])});
    let user = json!({"role": "user", "content": "go on"});
    let body = json!({"model": "gpt-5.5", "input": [item, user]});
    assert_eq!(bridge.ask(&create(body)).await.status(), 200);
    assert!(bridge.last_submission().contains("the answer"));
    // Nor is it lost to whoever lists its input.
    let twice = json!({"role": "user", "content": "x", "id": "msg_mine"});
    let body = json!({"model": "gpt-5.5", "input": [twice, twice, {"role": "user", "content": "y", "id": ""}]});
    let listed = id(&bridge.ask(&create(body)).await);
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/v1/responses/{listed}/input_items?limit=1&order=asc{after}");
        let page = bridge.ask(&Request::get(&path)).await.json();
        seen.push(page["last_id"].as_str().unwrap().to_owned());
        if page["has_more"] == false {
            break;
        }
        after = format!("&after={}", seen.last().unwrap());
    }
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn a_number_beyond_all_events_is_no_harm() {
    let bridge = Bridge::start().await;
    let id = id(&bridge.ask(&background("task=failed")).await);
    for after in [u64::MAX, u64::MAX - 1] {
        let path = format!("/v1/responses/{id}?stream=true&starting_after={after}");
        let told = all(&bridge.ask(&Request::get(&path)).await);
        assert_eq!(told.last().unwrap()["type"], "response.failed");
    }
}
