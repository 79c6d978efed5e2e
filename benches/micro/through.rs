//! Whole requests through real sockets, with everything on this one thread: the client and the upstream allocate nothing
//! while they run, so that what is counted is foxbridge's.

use std::{future, io, net::SocketAddr};

use bytes::Bytes;
use divan::Bencher;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

use super::chunks::{CHUNKS, event};

const SUBMITTED: &str = r#"{"id":"task-llm-1776874481-1","object":"llm.generation.task","type":"llm","model":"gpt-5.5","status":"pending","progress":0,"created":1776874481,"stream":{"url":"/v1/llm/generations/task-llm-1776874481-1/stream"},"results":null,"error":null}"#;
pub(super) const COMPLETED: &str = r#"{"id":"task-llm-1776874481-1","object":"llm.generation.task","type":"llm","model":"gpt-5.5","status":"completed","progress":100,"created":1776874481,"stream":null,"results":[{"id":"chatcmpl-1","object":"chat.completion","created":1776874481,"model":"gpt-5.5","choices":[{"index":0,"message":{"role":"assistant","content":"The quick brown fox crossed the bridge at dawn, carrying one letter for each house on the other side."},"finish_reason":"stop"}],"usage":{"prompt_tokens":61,"completion_tokens":48,"total_tokens":109}}],"error":null}"#;

/// One request whose task is done when it is first asked about.
#[divan::bench]
fn sync_request(bencher: Bencher) {
    through(bencher, "", b"}");
}

/// One stream of 100 chunks that come at once.
#[divan::bench]
fn stream_request(bencher: Bencher) {
    through(bencher, r#","stream":true"#, b"[DONE]\n\n\r\n0\r\n\r\n");
}

/// Asks for and takes a whole answer, which ends with `end`, again and again on one connection.
#[expect(clippy::expect_used, reason = "a bench fails by panicking")]
fn through(bencher: Bencher, stream: &str, end: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let body = format!(
        r#"{{"model":"gpt-5.5","messages":[{{"role":"user","content":"Which fox?"}}],"temperature":0.7{stream}}}"#
    );
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer sk-bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut client = start(&runtime).expect("foxbridge listens");
    let mut answer = vec![0; 1 << 20];
    bencher.bench_local(|| {
        let length = runtime
            .block_on(ask(&mut client, request.as_bytes(), &mut answer, end))
            .expect("an answer");
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{length} bytes");
    });
}

async fn ask(
    client: &mut TcpStream,
    request: &[u8],
    answer: &mut [u8],
    end: &[u8],
) -> io::Result<usize> {
    client.write_all(request).await?;
    let mut length = 0;
    while !answer.get(..length).unwrap_or_default().ends_with(end) {
        let rest = answer.get_mut(length..).unwrap_or_default();
        match client.read(rest).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => length += read,
        }
    }
    Ok(length)
}

/// foxbridge with an upstream behind it, and a connection to it.
fn start(runtime: &Runtime) -> io::Result<TcpStream> {
    runtime.block_on(async {
        let upstream = upstream().await?;
        let mut config = crate::settings(&[
            ("upstream.base_url", &format!("http://{upstream}")),
            ("task.poll_first", "1ms"),
        ]);
        // On this thread, whose allocations are counted.
        config.server.threads = 0;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        tokio::spawn(foxbridge::run::serve(config, listener, future::pending()));
        let client = TcpStream::connect(address).await?;
        client.set_nodelay(true)?;
        Ok(client)
    })
}

async fn upstream() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            tokio::spawn(serve(socket));
        }
        #[expect(unreachable_code, reason = "it names the type of the errors above")]
        io::Result::Ok(())
    });
    Ok(address)
}

/// Answers a POST as a submit, and a GET as a query or as a stream.
async fn serve(mut socket: TcpStream) -> io::Result<()> {
    let (submitted, completed, stream) = (json(SUBMITTED), json(COMPLETED), events());
    let mut request = vec![0; 64 << 10];
    let mut length = 0;
    loop {
        let rest = request.get_mut(length..).unwrap_or_default();
        match socket.read(rest).await? {
            0 => return Ok(()),
            read => length += read,
        }
        let text = request.get(..length).unwrap_or_default();
        let reply = match (text.starts_with(b"POST"), text.ends_with(b"\r\n\r\n")) {
            (true, _) if text.ends_with(b"}") => &submitted,
            (false, true) if text.starts_with(b"GET /v1/tasks/") => &completed,
            (false, true) => &stream,
            _ => continue,
        };
        length = 0;
        socket.write_all(reply).await?;
    }
}

fn json(body: &str) -> Bytes {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into()
}

fn events() -> Bytes {
    let done = format!("event: done\ndata: {{\"total_chunks\":{CHUNKS}}}\n\n");
    let pieces: String = (0..CHUNKS)
        .map(event)
        .chain([done])
        .map(|event| format!("{:x}\r\n{event}\r\n", event.len()))
        .collect();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{pieces}0\r\n\r\n")
        .into()
}
