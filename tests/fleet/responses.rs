//! Kept responses are there on every replica.

use serde_json::{Value, json};

use crate::{
    harness::{Fleet, until},
    http::{Answer, Request},
    limits::{Keys, by_anna},
};

fn create(script: &str, more: &Value) -> Request {
    let mut body =
        json!({ "model": "gpt-5.5", "input": format!("count 1 to 3 [[fox: {script}]]") });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    Request::new("POST", "/v1/responses", body.to_string())
}

fn id(answer: &Answer) -> String {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn get(id: &str) -> Request {
    Request::get(&format!("/v1/responses/{id}"))
}

#[tokio::test]
async fn a_response_is_there_wherever_it_is_asked_for() {
    let fleet = Fleet::start(&[]).await;
    let [one, two] = &fleet.replicas[..] else {
        panic!("two replicas");
    };
    let made = one.ask(&create("text=blue", &json!({}))).await;
    let first = id(&made);
    let shown = two.ask(&get(&first)).await;
    assert_eq!(
        (shown.status(), &shown.json()["output"]),
        (200, &made.json()["output"])
    );
    let items = two.ask(&get(&format!("{first}/input_items"))).await;
    assert!(items.text().contains("count 1 to 3"), "{}", items.text());
    // A conversation goes on elsewhere.
    let more = create("text=green", &json!({ "previous_response_id": first }));
    let second = two.ask(&more).await;
    assert_eq!(second.status(), 200, "{}", second.text());
    let submitted = fleet.journal().requests;
    let submitted = submitted
        .iter()
        .rfind(|request| request.method == "POST")
        .unwrap();
    let submitted = String::from_utf8_lossy(&submitted.body).into_owned();
    assert!(submitted.contains("blue"), "{submitted}");
    // It is nobody else's, and gone for all when it is deleted.
    let stranger = get(&first).with("Authorization", "Bearer sk-somebody-else");
    assert_eq!(two.ask(&stranger).await.status(), 404);
    let path = format!("/v1/responses/{first}");
    assert_eq!(
        two.ask(&Request::new("DELETE", &path, "")).await.status(),
        200
    );
    assert_eq!(one.ask(&get(&first)).await.status(), 404);
    assert_eq!(
        one.ask(&Request::new("DELETE", &path, "")).await.status(),
        404
    );
    assert_eq!(fleet.journal().accepted, 2);
}

#[tokio::test]
async fn a_background_response_is_followed_and_cancelled_from_anywhere() {
    let fleet = Fleet::start(&[]).await;
    let [one, two] = &fleet.replicas[..] else {
        panic!("two replicas");
    };
    let background = json!({ "background": true });
    let made = id(&one
        .ask(&create("words=5 first-chunk=300ms", &background))
        .await);
    let streamed = two
        .ask(&get(&format!("{made}?stream=true&starting_after=1")))
        .await;
    assert!(
        streamed.text().contains("response.completed"),
        "{}",
        streamed.text()
    );
    until("it is complete here too", async || {
        one.ask(&get(&made)).await.json()["status"] == "completed"
    })
    .await;

    // Cancelled on one replica, its stream ends on the other.
    let made = id(&one
        .ask(&create("words=5 first-chunk=1h", &background))
        .await);
    let mut followed = one.send(&get(&format!("{made}?stream=true"))).await;
    assert_eq!(followed.head().await.status, 200);
    let cancel = Request::new("POST", &format!("/v1/responses/{made}/cancel"), "{}");
    let cancelled = two.ask(&cancel).await;
    assert_eq!(
        cancelled.json()["status"],
        "cancelled",
        "{}",
        cancelled.text()
    );
    crate::harness::within("the stream ends", followed.rest()).await;
    for replica in &fleet.replicas {
        assert_eq!(replica.ask(&get(&made)).await.json()["status"], "cancelled");
    }
    assert_eq!(fleet.journal().accepted, 2);
}

#[tokio::test]
async fn what_a_response_has_come_to_is_said_once() {
    let fleet = Fleet::start(&[]).await;
    let made = id(&fleet
        .ask(&create("words=5", &json!({ "background": true })))
        .await);
    until("it is complete", async || {
        fleet.ask(&get(&made)).await.json()["status"] == "completed"
    })
    .await;
    let cancel = Request::new("POST", &format!("/v1/responses/{made}/cancel"), "{}");
    for _ in 0..2 {
        assert_eq!(fleet.ask(&cancel).await.json()["status"], "completed");
    }
}

#[tokio::test]
async fn responses_expire_and_have_a_size() {
    let fleet = Fleet::start(&["responses.max_age=2s", "responses.max_size=3000B"]).await;
    let made = id(&fleet.ask(&create("text=blue", &json!({}))).await);
    assert_eq!(fleet.ask(&get(&made)).await.status(), 200);
    let long = "x".repeat(5000);
    let too_large = id(&fleet
        .ask(&create("text=blue", &json!({ "instructions": long })))
        .await);
    assert_eq!(fleet.ask(&get(&too_large)).await.status(), 404);
    until("it is forgotten", async || {
        fleet.redis.texts(&["KEYS", "fb:{*}sresp*"]).is_empty()
    })
    .await;
    assert_eq!(fleet.ask(&get(&made)).await.status(), 404);
}

#[tokio::test]
async fn a_background_response_takes_account_of_its_tokens_once() {
    let keys = Keys::of_anna("tokens_per_minute = 100000000");
    let fleet = keys.fleet(&[]).await;
    let made = id(&fleet
        .ask(&by_anna(create("words=5", &json!({ "background": true }))))
        .await);
    for _ in 0..6 {
        until("it is complete", async || {
            fleet.ask(&by_anna(get(&made))).await.json()["status"] == "completed"
        })
        .await;
    }
    for replica in &fleet.replicas {
        replica.has_told().await;
    }
    let key = fleet.redis.texts(&["KEYS", "fb:{*}sresp*"]).pop().unwrap();
    until("it is charged", async || {
        fleet.redis.ask(&["HEXISTS", &key, "charged"]) == redis::Value::Int(1)
    })
    .await;
}

#[tokio::test]
async fn while_redis_is_away_what_is_kept_there_is_unknown_and_not_gone() {
    let mut fleet = Fleet::start(&[]).await;
    let made = id(&fleet.replicas[0]
        .ask(&create("text=blue", &json!({})))
        .await);
    fleet.redis.kill();
    fleet.redis_is(false).await;
    for replica in &fleet.replicas {
        let unknown = replica.ask(&get(&made)).await;
        assert_eq!(unknown.status(), 503, "{}", unknown.text());
        assert_eq!(unknown.error().code.as_deref(), Some("ledger_unavailable"));
    }
    let more = create("text=green", &json!({ "previous_response_id": made }));
    assert_eq!(fleet.replicas[0].ask(&more).await.status(), 503);
    assert_eq!(fleet.journal().accepted, 1);
    // What is made meanwhile is kept where it was made.
    let made = id(&fleet.replicas[0].ask(&create("text=red", &json!({}))).await);
    assert_eq!(fleet.replicas[0].ask(&get(&made)).await.status(), 200);
    fleet.redis.start_again();
    fleet.redis_is(true).await;
    assert_eq!(fleet.replicas[0].ask(&get(&made)).await.status(), 200);
}
