//! What a scripted upstream can say, and how.

use std::time::Duration;

use serde_json::{Value, json};

/// One reply. `{key}` in its bytes becomes the key that the request brought.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(super) before: Duration,
    pub(super) bytes: Vec<u8>,
    pub(super) then: Then,
}

#[derive(Debug, Clone)]
pub(super) enum Then {
    KeepAlive,
    Close,
    /// Nothing more is written until the other side has gone.
    Hold,
    /// These bytes over and over, until the other side has gone.
    Repeat(Vec<u8>),
}

impl Reply {
    /// As a reply that comes only after this long.
    pub(crate) fn after(mut self, time: Duration) -> Self {
        self.before = time;
        self
    }
}

/// A reply whose connection stays usable. `headers` are whole lines, each with its CRLF. A `{key}` in the body must
/// stand in a reply that closes, see [`quoting`].
pub(crate) fn json_reply(status: u16, headers: &str, body: &Value) -> Reply {
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} Some Reason\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    Reply {
        before: Duration::ZERO,
        bytes: (head + &body).into_bytes(),
        then: Then::KeepAlive,
    }
}

/// A JSON reply with the caller's key in place of `{key}`; it ends with its connection.
pub(crate) fn quoting(status: u16, body: &Value) -> Reply {
    let head = format!(
        "HTTP/1.1 {status} Some Reason\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
    );
    Reply {
        before: Duration::ZERO,
        bytes: (head + &body.to_string()).into_bytes(),
        then: Then::Close,
    }
}

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

fn streaming(events: &[u8], then: Then) -> Reply {
    Reply {
        before: Duration::ZERO,
        bytes: [STREAM.as_bytes(), events].concat(),
        then,
    }
}

/// An event stream that ends behind these events.
pub(crate) fn events(events: &str) -> Reply {
    streaming(events.as_bytes(), Then::Close)
}

/// The same, of bytes that may be anything.
pub(crate) fn event_bytes(events: &[u8]) -> Reply {
    streaming(events, Then::Close)
}

/// An event stream that falls silent behind these events.
pub(crate) fn silent_after(events: &str) -> Reply {
    streaming(events.as_bytes(), Then::Hold)
}

/// An event stream that repeats the last of these events for ever.
pub(crate) fn endless(events: &str, last: &str) -> Reply {
    streaming(events.as_bytes(), Then::Repeat(last.as_bytes().to_vec()))
}

/// No answer ever.
pub(crate) fn hang() -> Reply {
    Reply {
        before: Duration::ZERO,
        bytes: Vec::new(),
        then: Then::Hold,
    }
}

/// The reply to a submit that was taken.
pub(crate) fn accepted() -> Reply {
    let task = json!({"id": "task-1", "status": "pending", "stream": {"url": "/v1/llm/generations/task-1/stream"}});
    json_reply(200, "", &task)
}

pub(crate) fn running() -> Reply {
    json_reply(200, "", &json!({"id": "task-1", "status": "processing"}))
}

pub(crate) fn completed(result: Value) -> Reply {
    let task = json!({"id": "task-1", "status": "completed", "results": [result]});
    json_reply(200, "", &task)
}

pub(crate) fn completion(text: &str) -> Value {
    completion_of(json!([
        {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    ]))
}

pub(crate) fn completion_of(choices: Value) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-5.5",
        "choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}})
}

/// A chunk with these choices.
pub(crate) fn chunk_of(choices: Value) -> String {
    let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5.5",
        "choices": choices});
    format!("event: chunk\ndata: {chunk}\n\n")
}

/// A chunk of the first choice.
pub(crate) fn delta(delta: Value) -> String {
    chunk_of(json!([{"index": 0, "delta": delta, "finish_reason": null}]))
}

/// A chunk with some text of the first choice.
pub(crate) fn text(text: &str) -> String {
    delta(json!({"content": text}))
}

/// The chunk that finishes the first choice.
pub(crate) fn finish(reason: &str) -> String {
    chunk_of(json!([{"index": 0, "delta": {}, "finish_reason": reason}]))
}

pub(crate) fn done(total: usize) -> String {
    format!("event: done\ndata: {{\"total_chunks\":{total}}}\n\n")
}

pub(crate) const DONE_MARKER: &str = "data: [DONE]\n\n";

/// A whole stream of these texts.
pub(crate) fn whole(texts: &[&str]) -> String {
    let chunks: String = texts.iter().map(|piece| text(piece)).collect();
    chunks + &finish("stop") + &done(texts.len() + 1)
}
