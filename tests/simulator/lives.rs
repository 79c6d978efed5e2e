//! How tasks live and end, as scripted and by the clock.

use std::time::Duration;

use foxbridge::simulator::{Settings, Simulator};
use serde_json::{Value, json};

use crate::wire::*;

async fn instant() -> Simulator {
    Simulator::start(Settings::instant()).await.unwrap()
}

#[tokio::test]
async fn tasks_end_as_scripted() {
    let simulator = instant().await;
    let nested = r#"{"error":{"code":"c","message":"m","type":"invalid_request_error"}}"#;
    let error =
        |code: &str, message: &str| json!({"code": code, "message": message, "type": "task_error"});
    for (marker, status, error) in [
        (
            "task=failed",
            "failed",
            error(
                "provider_error",
                "The provider could not generate an answer.",
            ),
        ),
        (
            "task=failed error-code=c error-message=m",
            "failed",
            error("c", "m"),
        ),
        (
            "task=failed error-code=c error-message=m error-shape=nested",
            "failed",
            error("c", nested),
        ),
        (
            "task=failed error-code=c error-message=m error-shape=raw",
            "failed",
            with(
                error("c", "Provider returned error"),
                json!({"metadata": {"raw": nested, "provider_name": "simulated"}}),
            ),
        ),
        (
            "task=cancelled",
            "cancelled",
            error("task_cancelled", "The task was cancelled."),
        ),
        ("task=stuck", "processing", Value::Null),
        ("queue=1h", "pending", Value::Null),
        ("first-chunk=1h", "processing", Value::Null),
        ("chunk-interval=1h", "processing", Value::Null),
        ("completion-lag=1h", "processing", Value::Null),
    ] {
        let task = submit(&simulator, &asking(&format!("[[fox: {marker}]]"))).await;
        let task = query(&simulator, &task).await;
        assert_eq!(task["status"], status, "{marker}");
        assert_eq!(task["error"], error, "{marker}");
        assert_eq!(task["results"], Value::Null, "{marker}");
    }
}

#[tokio::test]
async fn status_words_and_progress_are_scripted() {
    let simulator = instant().await;
    let task = submit(
        &simulator,
        &asking("[[fox: status=warmingx2,thawing progress=50]]"),
    )
    .await;
    for word in ["warming", "warming", "thawing", "completed"] {
        let task = query(&simulator, &task).await;
        assert_eq!(
            (&task["status"], &task["progress"]),
            (&json!(word), &json!(50))
        );
    }
}

#[tokio::test]
async fn results_come_late_or_never() {
    let simulator = instant().await;
    let task = submit(&simulator, &asking("[[fox: results=null,emptyx2]]")).await;
    for expected in [Value::Null, json!([]), json!([])] {
        let task = query(&simulator, &task).await;
        assert_eq!(
            (&task["status"], &task["results"]),
            (&json!("completed"), &expected)
        );
    }
    assert!(query(&simulator, &task).await["results"][0].is_object());

    let task = submit(&simulator, &asking("[[fox: results=stalex*]]")).await;
    let synced = |word: &str| {
        let path = format!(
            "/v1/tasks/{}?sync_upstream={word}",
            task["id"].as_str().unwrap()
        );
        get(path).send(&simulator)
    };
    assert_eq!(synced("true").await.unwrap().json()["results"], Value::Null);
    assert!(synced("false").await.unwrap().json()["results"][0].is_object());
    assert_eq!(synced("true").await.unwrap().json()["results"], Value::Null);

    let task = submit(&simulator, &asking("[[fox: results-after=1h]]")).await;
    let task = query(&simulator, &task).await;
    assert_eq!(
        (&task["status"], &task["results"]),
        (&json!("completed"), &Value::Null)
    );
}

#[tokio::test]
async fn a_task_lives_through_its_states() {
    let simulator = Simulator::start(Settings {
        queue: Duration::from_millis(100),
        first_chunk: Duration::from_millis(50),
        chunk_interval: Duration::from_millis(40),
        completion_lag: Duration::from_millis(50),
        ..Settings::instant()
    })
    .await
    .unwrap();
    let task = submit(&simulator, &streaming("[[fox: words=10]]")).await;
    let mut states = Vec::new();
    let mut progress = Vec::new();
    let mut told = Vec::new();
    loop {
        let task = query(&simulator, &task).await;
        let status = task["status"].as_str().unwrap().to_owned();
        progress.push(task["progress"].as_u64().unwrap());
        told.extend(
            task["data"]["choices"][0]["message"]["content"]
                .as_str()
                .map(str::len),
        );
        states.push(status);
        states.dedup();
        if states.last().unwrap() == "completed" {
            break;
        }
    }
    assert_eq!(states, ["pending", "processing", "completed"]);
    assert!(progress.is_sorted() && told.is_sorted());
    progress.dedup();
    told.dedup();
    assert!(progress.len() > 5 && progress.first() == Some(&0) && progress.last() == Some(&100));
    assert!(told.len() > 5, "the text accumulates: {told:?}");
}

#[tokio::test]
async fn tasks_are_forgotten_by_age_and_count() {
    let settings = Settings {
        max_tasks: 2,
        ..Settings::instant()
    };
    let simulator = Simulator::start(settings).await.unwrap();
    let first = submit(&simulator, &asking("1")).await;
    submit(&simulator, &asking("2")).await;
    assert_eq!(query_of(&first).send(&simulator).await.unwrap().status, 200);
    submit(&simulator, &asking("3")).await;
    assert_eq!(query_of(&first).send(&simulator).await.unwrap().status, 404);

    let settings = Settings {
        task_retention: Duration::ZERO,
        ..Settings::instant()
    };
    let simulator = Simulator::start(settings).await.unwrap();
    let task = submit(&simulator, &asking("1")).await;
    assert_eq!(query_of(&task).send(&simulator).await.unwrap().status, 404);
}
