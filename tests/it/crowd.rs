//! Many clients at once, each with a fault of its own: nobody gets anybody else's words, and nobody pays twice.

use serde_json::{Value, json};

use crate::{
    events::{Events, joined},
    harness::{Bridge, PATIENCE},
    http::Request,
};

const FAULTS: [&str; 20] = [
    "",
    "stream=cut@3 replay=rechunk",
    "stream=cut@2x3 replay=new-ids",
    "stream=reset@4,end@5",
    "stream=stall@3",
    "stream=beat@2:20ms",
    "stream=lose@3",
    "stream=error@2",
    "stream=cut@1x*",
    "open=503,reset,404",
    "open=503x*",
    "stream-url=null",
    "frame=noise,split:3",
    "frame=malformed done=marker",
    "done=none query=500,reset,429",
    "total=99 results=null,empty",
    "status=queued,strange query=404",
    "results-after=100ms",
    "submit=reset",
    "task=failed fail-after=3 error-code=broken",
];
const MODELS: [&str; 3] = ["gpt-5.5", "kimi-k2.6", "claude-opus-4-7"];

#[tokio::test]
async fn two_hundred_clients_get_two_hundred_answers() {
    let bridge = Bridge::with(|config| {
        config.stream.idle = PATIENCE / 200;
        // On a loaded machine two hundred clients take their time.
        config.task.results_grace = PATIENCE;
    })
    .await;
    let clients = (0..200).map(|client| one(&bridge, client));
    futures_util::future::join_all(clients).await;
    for client in 0..200 {
        assert!(bridge.simulator.accepted(&name(client)) <= 1, "{client}");
    }
    bridge
        .until("no stream stays open", |journal| journal.open_streams == 0)
        .await;
}

fn name(client: usize) -> String {
    format!("client-{client}")
}

async fn one(bridge: &Bridge, client: usize) {
    let fault = FAULTS[client % FAULTS.len()];
    let model = MODELS[client % MODELS.len()];
    let stream = client % 7 < 4;
    let words = format!("these words are for client {client} alone, not for another");
    let text = format!(r#"x [[fox: id={} text="{words}" {fault}]]"#, name(client));
    let is_legacy = client.is_multiple_of(11);
    let request = if is_legacy {
        let body = json!({"model": model, "prompt": text, "stream": stream});
        Request::new("POST", "/v1/completions", body.to_string())
    } else {
        let messages = json!([{"role": "user", "content": text}]);
        Request::chat(json!({"model": model, "messages": messages, "stream": stream}).to_string())
    };
    let answer = bridge.ask(&request).await;
    let about = format!(
        "{client}: {fault} {model} stream={stream}: {}",
        answer.text()
    );
    let should_fail = fault.starts_with("submit=") || fault.starts_with("task=failed");
    if should_fail {
        assert!(answer.text().contains("\"error\""), "{about}");
        assert!(!answer.text().contains("[DONE]"), "{about}");
        return;
    }
    assert_eq!(answer.status(), 200, "{about}");
    // What follows a lost chunk is told before anybody can know; where it was a thought, the answer is whole.
    if stream && answer.text().contains("\"stream_incomplete\"") {
        assert!(fault.starts_with("stream=lose"), "{about}");
        assert!(!answer.text().contains("[DONE]"), "{about}");
        return;
    }
    let told = if !stream {
        let choice = &answer.json()["choices"][0];
        let text = if is_legacy {
            &choice["text"]
        } else {
            &choice["message"]["content"]
        };
        text.as_str().unwrap().to_owned()
    } else if is_legacy {
        let mut payloads = Events::read(answer.text()).payloads;
        assert_eq!(payloads.pop().as_deref(), Some("[DONE]"), "{about}");
        payloads
            .iter()
            .map(|payload| serde_json::from_str::<Value>(payload).unwrap())
            .filter_map(|chunk| chunk["choices"][0]["text"].as_str().map(str::to_owned))
            .collect()
    } else {
        joined(&Events::chunks(&answer))
    };
    assert_eq!(told, words, "{about}");
}
