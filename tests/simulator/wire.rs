//! A plain client that shows what really went over the wire.

use std::io;

use bytes::Bytes;
use foxbridge::simulator::Simulator;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sse_core::{MessageEvent, SseDecoder, SseEvent};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub(crate) const KEY: &str = "sk-test";
pub(crate) const SUBMIT: &str = "/v1/llm/generations";

/// A reply, as far as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The body was whole.
    Proper,
    /// The connection was closed before that.
    Cut,
    /// The connection was reset before that.
    Reset,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// What an independent decoder makes of the body.
    pub(crate) fn events(&self) -> Vec<MessageEvent> {
        let mut decoder = SseDecoder::new();
        let mut rest = Bytes::copy_from_slice(&self.body);
        let mut events = Vec::new();
        while let Some(event) = decoder.next(&mut rest) {
            if let SseEvent::Message(message) = event.unwrap() {
                events.push(message);
            }
        }
        events
    }
}

/// A request under way.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) key: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

pub(crate) fn get(path: impl Into<String>) -> Call {
    Call {
        method: Method::GET,
        path: path.into(),
        key: KEY.to_owned(),
        content_type: "application/json",
        body: Bytes::new(),
    }
}

pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Call {
    Call {
        method: Method::POST,
        body: body.into(),
        ..get(path)
    }
}

impl Call {
    pub(crate) fn key(mut self, key: &str) -> Self {
        self.key = key.to_owned();
        self
    }

    /// Sends it over a connection of its own; the reply is read to its end.
    pub(crate) async fn send(self, simulator: &Simulator) -> Result<Reply, End> {
        let (head, mut body) = self.open(simulator).await?.into_parts();
        let mut reply = Reply {
            status: head.status,
            headers: head.headers,
            body: Vec::new(),
            end: End::Proper,
        };
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => reply.body.extend_from_slice(&frame.into_data().unwrap()),
                Err(error) => reply.end = broken(&error),
            }
        }
        Ok(reply)
    }

    /// Sends it and leaves the body to be read; the connection ends when the body is dropped.
    pub(crate) async fn open(
        self,
        simulator: &Simulator,
    ) -> Result<hyper::Response<Incoming>, End> {
        let stream = TcpStream::connect(address(simulator)).await.unwrap();
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .header(HOST, address(simulator))
            .header(AUTHORIZATION, format!("Bearer {}", self.key))
            .header(CONTENT_TYPE, self.content_type)
            .body(Full::new(self.body))
            .unwrap();
        sender
            .send_request(request)
            .await
            .map_err(|error| broken(&error))
    }
}

fn broken(error: &hyper::Error) -> End {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionReset) {
            return End::Reset;
        }
        cause = error.source();
    }
    End::Cut
}

fn address(simulator: &Simulator) -> String {
    simulator.base_url().replace("http://", "")
}

/// Writes these bytes and reads all that comes until the connection ends.
pub(crate) async fn raw(simulator: &Simulator, request: &str) -> String {
    let mut stream = TcpStream::connect(address(simulator)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    String::from_utf8(reply).unwrap()
}

/// A one-message request to a gpt model.
pub(crate) fn asking(text: &str) -> Value {
    json!({"model": "gpt-5.5", "messages": [{"role": "user", "content": text}]})
}

/// The same, to be streamed.
pub(crate) fn streaming(text: &str) -> Value {
    with(asking(text), json!({"stream": true}))
}

/// `base` with more fields.
pub(crate) fn with(mut base: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    base.as_object_mut().unwrap().extend(more);
    base
}

/// Sends a submit, whatever comes of it.
pub(crate) async fn try_submit(simulator: &Simulator, body: &Value) -> Result<Reply, End> {
    post(SUBMIT, body.to_string()).send(simulator).await
}

/// Submits and expects a task.
pub(crate) async fn submit(simulator: &Simulator, body: &Value) -> Value {
    let reply = try_submit(simulator, body).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

pub(crate) fn query_of(task: &Value) -> Call {
    get(format!("/v1/tasks/{}", task["id"].as_str().unwrap()))
}

pub(crate) fn stream_of(task: &Value) -> Call {
    get(task["stream"]["url"].as_str().unwrap())
}

/// One query of a task.
pub(crate) async fn query(simulator: &Simulator, task: &Value) -> Value {
    query_of(task).send(simulator).await.unwrap().json()
}

/// Submits what an instant simulator completes at once, and returns the completed task.
pub(crate) async fn completed(simulator: &Simulator, body: &Value) -> Value {
    let task = submit(simulator, body).await;
    let task = query(simulator, &task).await;
    assert_eq!(task["status"], "completed", "{task}");
    task
}

/// One connection of a task's stream.
pub(crate) async fn follow(simulator: &Simulator, task: &Value) -> Reply {
    stream_of(task).send(simulator).await.unwrap()
}

/// The chunk objects among some events, named or bare.
pub(crate) fn chunks(events: &[MessageEvent]) -> Vec<Value> {
    events
        .iter()
        .filter(|event| matches!(&*event.event, "chunk" | "message"))
        .filter_map(|event| serde_json::from_str(&event.data).ok())
        .collect()
}
