//! Every endpoint by its contract.

use foxbridge::simulator::{Settings, Simulator};
use serde_json::{Value, json};

use crate::{refusals::refusal, wire::*};

async fn instant() -> Simulator {
    Simulator::start(Settings::instant()).await.unwrap()
}

#[tokio::test]
async fn a_submit_is_answered_with_the_task() {
    let simulator = instant().await;
    let task = submit(&simulator, &asking("count 1 to 3")).await;
    let id = task["id"].as_str().unwrap();
    let created = task["created"].as_u64().unwrap();
    assert!(id.starts_with(&format!("task-llm-{created}-")), "{id}");
    assert_eq!(id.rsplit('-').next().unwrap().len(), 8);
    assert_eq!(
        task,
        json!({
            "id": id, "object": "llm.generation.task", "type": "llm", "model": "gpt-5.5", "status": "pending",
            "progress": 0, "created": created, "stream": null, "results": null, "error": null,
            "usage": {"credits_reserved": 1}
        })
    );
    let streamed = submit(&simulator, &streaming("count 1 to 3")).await;
    let id = streamed["id"].as_str().unwrap();
    let path = format!("/v1/llm/generations/{id}/stream");
    assert_eq!(streamed["stream"], json!({ "url": path }));
}

#[tokio::test]
async fn a_completed_task_has_a_whole_chat_completion() {
    let simulator = instant().await;
    let task = completed(&simulator, &asking("count 1 to 3")).await;
    assert_eq!(task["progress"], 100);
    assert_eq!(task["error"], Value::Null);
    let completion = &task["results"][0];
    assert!(completion["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(completion["object"], "chat.completion");
    assert_eq!(completion["created"], task["created"]);
    assert_eq!(completion["model"], "gpt-5.5");
    assert_eq!(
        completion["choices"],
        json!([{
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "This is the simulated gpt-5.5. I read 1 message (1 user). You said: “count 1 to 3”",
                "refusal": null
            },
            "logprobs": null,
            "finish_reason": "stop"
        }])
    );
    let usage = &completion["usage"];
    let count = |name: &str| usage[name].as_u64().unwrap();
    assert_eq!(
        count("total_tokens"),
        count("prompt_tokens") + count("completion_tokens")
    );
    assert!(count("prompt_tokens") > 0 && count("completion_tokens") > 0);
}

#[tokio::test]
async fn a_stream_replays_from_its_first_chunk() {
    let simulator = instant().await;
    let task = submit(&simulator, &streaming("count 1 to 3")).await;
    let first = follow(&simulator, &task).await;
    assert_eq!(first.header("content-type"), Some("text/event-stream"));
    assert_eq!(first.end, End::Proper);
    let events = first.events();
    let (done, sent) = events.split_last().unwrap();
    assert!(sent.iter().all(|event| &*event.event == "chunk"));
    assert_eq!(&*done.event, "done");
    let done: Value = serde_json::from_str(&done.data).unwrap();
    assert_eq!(done, json!({"total_chunks": sent.len()}));
    assert_eq!(follow(&simulator, &task).await.body, first.body);
}

#[tokio::test]
async fn a_task_belongs_to_the_key_that_made_it() {
    let simulator = instant().await;
    let task = submit(&simulator, &streaming("hello")).await;
    for call in [query_of(&task), stream_of(&task)] {
        let reply = call.key("sk-other").send(&simulator).await.unwrap();
        assert_eq!(refusal(&reply), (404, "not_found".to_owned(), None));
    }
    assert_eq!(query(&simulator, &task).await["status"], "completed");
}

#[tokio::test]
async fn a_task_without_stream_cannot_be_followed() {
    let simulator = instant().await;
    let task = submit(&simulator, &asking("hello")).await;
    let path = format!("{SUBMIT}/{}/stream", task["id"].as_str().unwrap());
    let reply = get(path).send(&simulator).await.unwrap();
    assert_eq!(reply.status, 422);
    assert_eq!(reply.json()["error"]["code"], "stream_not_available");
}

#[tokio::test]
async fn models_are_listed_with_their_capabilities() {
    let simulator = instant().await;
    let path = "/v1/configs/llm_generations_models";
    let list = get(path).send(&simulator).await.unwrap().json();
    assert_eq!(list["object"], "list");
    let models = list["data"].as_array().unwrap();
    assert_eq!(models.len(), 8);
    let claude = json!({"id": "claude-opus-4-7", "object": "model", "capabilities": ["text", "vision", "file"]});
    assert!(models.contains(&claude), "{list}");
    let none = get(path).key("sk-nomodels").send(&simulator).await.unwrap();
    assert_eq!(none.json(), json!({"object": "list", "data": []}));
    let catalogue = get("/v1/models").send(&simulator).await.unwrap().json();
    assert!(catalogue["data"].as_array().unwrap().len() > models.len());
    assert_eq!(catalogue["data"][0]["owned_by"], "foxapi");
}

#[tokio::test]
async fn uploads_give_an_address_that_a_message_can_use() {
    let simulator = Simulator::start(Settings {
        max_upload: 1_000,
        ..Settings::instant()
    })
    .await
    .unwrap();
    let upload = |body: Value| post("/v1/files/upload/base64", body.to_string()).send(&simulator);
    let file = json!({"file_data": "data:audio/wav;base64,Zm94Zm94", "file_name": "a.wav"});
    let stored = upload(file).await.unwrap().json();
    assert_eq!(
        (&stored["filename"], &stored["size"]),
        (&json!("a.wav"), &json!(6))
    );
    assert!(stored["id"].is_string() && stored["created"].is_u64());
    let url = stored["url"].as_str().unwrap();
    assert!(url.starts_with("http") && url.ends_with(".wav"), "{url}");
    let audio = json!([{"type": "audio_url", "audio_url": {"url": url}}]);
    let body =
        json!({"model": "gemini-3-pro-preview", "messages": [{"role": "user", "content": audio}]});
    let task = completed(&simulator, &body).await;
    let text = task["results"][0]["choices"][0]["message"]["content"]
        .as_str()
        .unwrap();
    assert!(
        text.ends_with("You wrote no text. You attached 1 audio clip."),
        "{text}"
    );

    assert_eq!(
        upload(json!({"file_data": "Zg=="})).await.unwrap().json()["filename"],
        "file"
    );
    for broken in [
        json!({}),
        json!({"file_data": "§"}),
        json!({"file_data": ""}),
        json!({"file_data": 7}),
    ] {
        let reply = upload(broken).await.unwrap();
        assert_eq!(refusal(&reply).2.as_deref(), Some("invalid_param"));
    }
    let large = upload(json!({"file_data": "AAAA".repeat(400)}))
        .await
        .unwrap();
    assert_eq!(
        (large.status.as_u16(), large.header("content-type")),
        (413, Some("text/html"))
    );
    // "[[fox: id=f upload=503,html:413]]"
    let scripted = || upload(json!({"file_data": "W1tmb3g6IGlkPWYgdXBsb2FkPTUwMyxodG1sOjQxM11d"}));
    let mut met = Vec::new();
    for _ in 0..3 {
        met.push(scripted().await.unwrap().status.as_u16());
    }
    assert_eq!(met, [503, 413, 200]);
    assert_eq!(simulator.journal().uploads, 10);
}
