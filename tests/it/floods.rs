//! Streams that never pause. Everything else in a test shares one thread, so that whoever fills and whoever empties the
//! connections need threads of their own: only then is there always something more to read.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::{
    harness::{Proxy, within},
    http::Request,
};

const TASK: &str = r#"{"id":"task-llm-1-flood","object":"llm.generation.task","type":"llm","model":"gpt-5.5","status":"processing","progress":0,"created":1,"stream":{"url":"/v1/llm/generations/task-llm-1-flood/stream"},"results":null,"error":null}"#;
const CHUNK: &str = concat!(
    "event: chunk\n",
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-5.5","choices":[{"index":0,"delta":{"content":"flood "},"finish_reason":null}]}"#,
    "\n\n"
);
const BEAT: &str = ": beat\n\n";
const QUESTION: &str =
    r#"{"model":"gpt-5.5","stream":true,"messages":[{"role":"user","content":"x"}]}"#;

/// An upstream whose streams are written as fast as they are taken, and have no end.
fn upstream(flood: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || answer(stream, flood));
        }
    });
    address
}

/// Answers until the other end is gone.
fn answer(mut stream: TcpStream, flood: &str) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let start = head.len();
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
            if let Some(value) = head[start..].strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        if head.contains("/stream ") {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
            stream.write_all(head.as_bytes()).ok()?;
            let flood = flood.repeat(500);
            loop {
                stream.write_all(flood.as_bytes()).ok()?;
            }
        }
        let reply = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{TASK}",
            TASK.len()
        );
        stream.write_all(reply.as_bytes()).ok()?;
    }
}

/// Asks for a stream and takes it as fast as it comes; the end of what came, and how long that took.
fn drink(address: SocketAddr) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{QUESTION}",
        QUESTION.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let (mut buffer, mut tail) = (vec![0; 1 << 20], Vec::new());
    loop {
        let read = stream.read(&mut buffer).unwrap_or(0);
        tail.extend_from_slice(&buffer[..read]);
        let surplus = tail.len().saturating_sub(2000);
        tail.drain(..surplus);
        if read == 0 || tail.ends_with(b"\r\n0\r\n\r\n") {
            return (String::from_utf8_lossy(&tail).into_owned(), began.elapsed());
        }
    }
}

async fn taken(address: SocketAddr) -> (String, Duration) {
    let drunk = tokio::task::spawn_blocking(move || drink(address));
    within("the flood ends", drunk).await.unwrap()
}

#[tokio::test]
async fn a_stream_that_never_pauses_ends_by_the_deadline() {
    let proxy = Proxy::start(&format!("http://{}", upstream(CHUNK)), |config| {
        config.task.deadline = Duration::from_secs(1);
    })
    .await;
    let (tail, time) = taken(proxy.address).await;
    assert!(tail.contains("task_deadline_exceeded"), "{tail}");
    assert!(time < Duration::from_secs(4), "{time:?}");
}

#[tokio::test]
async fn a_stream_that_never_pauses_ends_when_the_proxy_is_stopped() {
    let mut proxy = Proxy::start(&format!("http://{}", upstream(CHUNK)), |config| {
        config.server.threads = 1;
        config.server.shutdown_grace = Duration::from_millis(500);
    })
    .await;
    let taken = tokio::spawn(taken(proxy.address));
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.ask_to_stop();
    proxy.stopped().await;
    let (tail, _) = taken.await.unwrap();
    assert!(tail.contains("server_shutting_down"), "{tail}");
}

/// What brings a client nothing is used up without ever coming back to whoever writes to it.
#[tokio::test]
async fn a_stream_that_never_pauses_holds_up_nobody_else() {
    let proxy = Proxy::start(&format!("http://{}", upstream(BEAT)), |config| {
        // Both share one thread, as it is in what ships.
        config.server.threads = 1;
        config.task.deadline = Duration::from_secs(8);
        config.stream.keepalive = Duration::from_millis(500);
    })
    .await;
    let address = proxy.address;
    let flooded = tokio::task::spawn_blocking(move || drink(address));
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..5 {
        let answer = proxy.ask(&Request::get("/v1/nowhere")).await;
        assert_eq!(answer.status(), 404);
    }
    assert!(
        !flooded.is_finished(),
        "others were served only after the flood"
    );
    let (tail, _) = within("the flood ends", flooded).await.unwrap();
    assert!(tail.contains("task_deadline_exceeded"), "{tail}");
    assert!(
        tail.contains(": keep-alive"),
        "its own client hears nothing: {tail}"
    );
}
