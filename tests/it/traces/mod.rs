//! What a collector of traces is told of each request, and what FoxAPI is told of its origin.

mod collector;
mod troubles;

use foxbridge::{
    config::Config,
    keys::{Entry, Hash, Limits},
    traces::Settings,
};
use serde_json::json;

use crate::{
    harness::{Bridge, CHAT, scripted},
    http::{KEY, Request},
};
use collector::{Collector, hex};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// The `traceparent` of a caller.
fn caller(flags: &str) -> String {
    format!("00-{TRACE}-{SPAN}-{flags}")
}

fn traced(endpoint: &str) -> impl FnOnce(&mut Config) + use<> {
    let endpoint = endpoint.parse().unwrap();
    |config| {
        config.trace = Some(Settings {
            endpoint,
            sample: 1.0,
        });
    }
}

async fn start() -> (Collector, Bridge) {
    let collector = Collector::start().await;
    let bridge = Bridge::with(traced(&collector.endpoint)).await;
    (collector, bridge)
}

/// What each upstream call said in a header, in order and without repetition.
fn told(bridge: &Bridge, name: &str) -> Vec<String> {
    let requests = bridge.journal().requests;
    let values = requests.iter().map(|request| request.headers.get(name));
    let mut values: Vec<_> = values
        .map(|value| {
            value
                .map_or("-", |value| value.to_str().unwrap())
                .to_owned()
        })
        .collect();
    assert!(!values.is_empty());
    values.dedup();
    values
}

#[tokio::test]
async fn a_chat_is_a_span_with_its_steps() {
    let (collector, bridge) = start().await;
    let question = scripted("words=3 queue=100ms first-chunk=200ms", false);
    let answer = bridge.ask(&question).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());

    let (request, steps) = collector.request().await;
    assert_eq!(request.span.name, "chat gpt-5.5");
    assert_eq!(request.span.parent_span_id, Vec::<u8>::new());
    for (name, value) in [
        ("http.request.method", "POST"),
        ("url.path", "/v1/chat/completions"),
        ("http.response.status_code", "200"),
        ("error.type", "-"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "foxapi"),
        ("gen_ai.request.model", "gpt-5.5"),
        ("foxbridge.endpoint", "chat.completions"),
    ] {
        assert_eq!(request.get(name), value, "{name}");
    }
    for (name, header) in [
        ("foxbridge.task.id", "x-foxbridge-task-id"),
        ("foxbridge.request.id", "x-request-id"),
    ] {
        assert_eq!(Some(request.get(name)), answer.head.header(header));
    }
    let usage = &answer.json()["usage"];
    for (name, member) in [
        ("gen_ai.usage.input_tokens", "prompt_tokens"),
        ("gen_ai.usage.output_tokens", "completion_tokens"),
    ] {
        assert_eq!(request.get(name), usage[member].to_string());
    }
    assert!(!request.is_failure());

    let names: Vec<_> = steps.iter().map(|step| &*step.span.name).collect();
    assert_eq!(names, ["submit", "queue", "run"]);
    let mut before = request.span.start_time_unix_nano;
    for step in &steps {
        assert_eq!(step.span.parent_span_id, request.span.span_id);
        assert_eq!(step.trace(), request.trace());
        assert!(step.span.start_time_unix_nano >= before);
        assert!(step.span.end_time_unix_nano >= step.span.start_time_unix_nano);
        before = step.span.end_time_unix_nano;
    }
    assert!(request.span.end_time_unix_nano >= before);
    let took = request.span.end_time_unix_nano - request.span.start_time_unix_nano;
    assert!(took >= 300_000_000, "{took}");

    assert_eq!(told(&bridge, "traceparent"), [request.as_parent()]);
    assert_eq!(collector.received().resource["service.name"], "foxbridge");
}

#[tokio::test]
async fn a_stream_tells_its_first_chunk() {
    let (collector, bridge) = start().await;
    let question = scripted("words=3 first-chunk=100ms stream=cut@2", true);
    assert_eq!(bridge.ask(&question).await.status(), 200);

    let (request, steps) = collector.request().await;
    let first: f64 = request
        .get("gen_ai.response.time_to_first_chunk")
        .parse()
        .unwrap();
    assert!((0.1..60.0).contains(&first), "{first}");
    assert_eq!(request.get("foxbridge.stream.resumes"), "1");
    assert_eq!(request.get("http.response.status_code"), "200");
    let names: Vec<_> = steps.iter().map(|step| &*step.span.name).collect();
    assert_eq!(names, ["submit", "queue", "run"]);
    // Submit, both openings, and what was asked between them.
    assert!(bridge.journal().stream_opens == 2);
    assert_eq!(told(&bridge, "traceparent"), [request.as_parent()]);
}

#[tokio::test]
async fn what_fails_says_so_in_a_word() {
    let (collector, bridge) = start().await;
    let failed = scripted("task=failed error-code=fell_over", false);
    assert!(bridge.ask(&failed).await.status() >= 500);
    let broken = scripted(
        "words=9 task=failed fail-after=4 error-code=fell_over",
        true,
    );
    assert_eq!(bridge.ask(&broken).await.status(), 200);
    let unknown = CHAT.replace("gpt-5.5", "gpt-2");
    assert_eq!(bridge.ask(&Request::chat(unknown)).await.status(), 404);
    assert_eq!(bridge.ask(&Request::chat("{")).await.status(), 400);
    assert_eq!(bridge.ask(&Request::get("/nowhere")).await.status(), 404);

    let requests = collector.requests(5).await.requests();
    let [failed, broken, unknown, malformed, nowhere] = &requests[..] else {
        panic!("{requests:#?}");
    };
    for failure in [failed, broken] {
        assert_eq!(failure.get("error.type"), "fell_over");
        assert!(failure.is_failure());
    }
    assert_eq!(broken.get("http.response.status_code"), "200");
    for refused in [unknown, malformed, nowhere] {
        assert_ne!(refused.get("error.type"), "-");
        assert!(!refused.is_failure(), "the caller's own doing");
    }
    assert_eq!(unknown.get("http.response.status_code"), "404");
    assert_eq!(malformed.span.name, "chat");
    assert_eq!(nowhere.span.name, "GET other");
}

#[tokio::test]
async fn a_client_that_leaves_has_no_status() {
    let (collector, bridge) = start().await;
    let mut connection = bridge.open().await;
    connection
        .send(&scripted("queue=50s", false).to_bytes())
        .await;
    bridge.until("a query", |journal| journal.queries > 0).await;
    drop(connection);

    let (request, steps) = collector.request().await;
    assert_eq!(request.get("error.type"), "client_left");
    assert_eq!(request.get("http.response.status_code"), "-");
    assert_ne!(request.get("foxbridge.task.id"), "-");
    let names: Vec<_> = steps.iter().map(|step| &*step.span.name).collect();
    assert_eq!(names[..2], ["submit", "queue"]);
}

#[tokio::test]
async fn a_callers_trace_goes_on() {
    let (collector, bridge) = start().await;
    let question = Request::chat(CHAT)
        .with("traceparent", &caller("01"))
        .with("tracestate", "vendor=1,other=2");
    assert_eq!(bridge.ask(&question).await.status(), 200);

    let (request, _) = collector.request().await;
    assert_eq!(request.trace(), TRACE);
    assert_eq!(hex(&request.span.parent_span_id), SPAN);
    assert_eq!(request.span.trace_state, "vendor=1,other=2");
    assert_eq!(told(&bridge, "traceparent"), [request.as_parent()]);
    assert_ne!(request.as_parent(), caller("01"));
    assert_eq!(told(&bridge, "tracestate"), ["vendor=1,other=2"]);
}

#[tokio::test]
async fn what_a_caller_does_not_keep_is_not_told() {
    let (collector, bridge) = start().await;
    let unkept = Request::chat(CHAT).with("traceparent", &caller("00"));
    assert_eq!(bridge.ask(&unkept).await.status(), 200);
    for parent in told(&bridge, "traceparent") {
        assert!(parent.starts_with(&format!("00-{TRACE}-")), "{parent}");
        assert!(
            parent.ends_with("-00") && !parent.contains(SPAN),
            "{parent}"
        );
    }
    assert_eq!(bridge.ask(&Request::chat(CHAT)).await.status(), 200);
    let (request, _) = collector.request().await;
    assert_ne!(request.trace(), TRACE);
}

#[tokio::test]
async fn a_malformed_parent_is_none() {
    let (collector, bridge) = start().await;
    let malformed = [
        caller("0"),
        caller("01").to_uppercase(),
        caller("01-more"),
        caller("01").replace(TRACE, &"0".repeat(32)),
        "hello".to_owned(),
    ];
    for parent in &malformed {
        let question = Request::chat(CHAT)
            .with("traceparent", parent)
            .with("tracestate", "vendor=1");
        assert_eq!(bridge.ask(&question).await.status(), 200, "{parent}");
    }
    let requests = collector.requests(malformed.len()).await.requests();
    for request in requests {
        assert_ne!(request.trace(), TRACE);
        assert!(request.span.parent_span_id.is_empty());
    }
    assert_eq!(told(&bridge, "tracestate"), ["-"]);
}

#[tokio::test]
async fn uploads_and_relayed_requests_have_it_too() {
    let collector = Collector::start().await;
    let settings = traced(&collector.endpoint);
    let bridge = Bridge::with(|config| {
        settings(config);
        config.models.inline_max = 8;
        config.server.passthrough = vec!["/v1/files".to_owned()];
    })
    .await;
    let image = json!({"url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="});
    let content = json!([{"type": "image_url", "image_url": image}]);
    let body = json!({"model": "gpt-5.5", "messages": [{"role": "user", "content": content}]});
    let answer = bridge.ask(&Request::chat(body.to_string())).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(bridge.journal().uploads, 1);
    let relayed = Request::get("/v1/files").with("traceparent", &caller("01"));
    bridge.ask(&relayed).await;

    let requests = collector.requests(2).await.requests();
    assert_eq!(requests[1].span.name, "GET passthrough");
    assert_eq!(hex(&requests[1].span.parent_span_id), SPAN);
    let expected = [requests[0].as_parent(), requests[1].as_parent()];
    assert_eq!(told(&bridge, "traceparent"), expected);
}

#[tokio::test]
async fn without_traces_nothing_changes() {
    let bridge = Bridge::with(|config| {
        config.server.passthrough = vec!["/v1/files".to_owned()];
    })
    .await;
    let parented = |request: Request| request.with("traceparent", &caller("01"));
    assert_eq!(
        bridge.ask(&parented(Request::chat(CHAT))).await.status(),
        200
    );
    assert_eq!(told(&bridge, "traceparent"), ["-"]);
    bridge.ask(&parented(Request::get("/v1/files"))).await;
    assert_eq!(told(&bridge, "traceparent"), ["-".to_owned(), caller("01")]);
}

#[tokio::test]
async fn neither_keys_nor_content_are_told() {
    const CLIENTS: &str = "fbk-anna-0c51b7f2e86d4a93";
    const OPERATORS: &str = "sk-upstream-5d0c66e1";
    let collector = Collector::start().await;
    let settings = traced(&collector.endpoint);
    let bridge = Bridge::with(|config| {
        settings(config);
        config.upstream.api_key = Some(OPERATORS.to_owned().into());
        config.server.clients = Some(vec![Entry {
            name: "anna".to_owned(),
            hash: Hash::of(CLIENTS.as_bytes()),
            models: None,
            limits: Limits::default(),
        }]);
    })
    .await;
    let by = |key: &str, request: Request| request.with("Authorization", &format!("Bearer {key}"));
    let scripts = ["words=5", "submit=401", "task=failed", "submit=garbage"];
    for script in scripts {
        for stream in [false, true] {
            bridge.ask(&by(CLIENTS, scripted(script, stream))).await;
        }
    }
    assert_eq!(bridge.ask(&Request::chat(CHAT)).await.status(), 401);

    let received = collector.requests(scripts.len() * 2 + 1).await;
    let requests = received.requests();
    assert!(
        requests
            .iter()
            .take(8)
            .all(|seen| seen.get("foxbridge.key") == "anna")
    );
    assert_eq!(requests[8].get("foxbridge.key"), "-");
    let bytes = String::from_utf8_lossy(&received.bytes);
    for secret in [
        CLIENTS,
        &CLIENTS[4..],
        OPERATORS,
        &OPERATORS[3..],
        &KEY[3..],
    ] {
        assert!(!bytes.contains(secret), "{secret}");
    }
    for content in ["count 1", "word1", "[[fox"] {
        assert!(!bytes.contains(content), "{content}");
    }
}

#[tokio::test]
async fn a_share_of_nothing_keeps_none() {
    let collector = Collector::start().await;
    let settings = traced(&collector.endpoint);
    let mut bridge = Bridge::with(|config| {
        settings(config);
        config.trace.as_mut().unwrap().sample = 0.0;
    })
    .await;
    bridge.assert_serves().await;
    assert!(told(&bridge, "traceparent")[0].ends_with("-00"));
    bridge.proxy.ask_to_stop();
    bridge.proxy.stopped().await;
    assert_eq!(collector.received().exports, 0);
}
