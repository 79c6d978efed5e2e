//! Thousands of requests that all wait at the same time: each gets its own answer, and costs little while it waits.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, process::Command, sync::watch};

use crate::{
    events::{Events, joined},
    harness::within,
    http::{self, Answer, Connection},
    process::Process,
    raw_upstream::{chunk_of, completion, done, finish},
};

/// As many as leave the other tests of this process enough files and time; `CROWD_CLIENTS=8000` asks for more.
const CLIENTS: usize = 2000;

/// An upstream that takes every task and completes none before it is told to.
struct Gate {
    url: String,
    accepted: watch::Receiver<usize>,
    gate: Arc<watch::Sender<bool>>,
}

impl Gate {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (count, accepted) = watch::channel(0);
        let (gate, count) = (Arc::new(watch::Sender::new(false)), Arc::new(count));
        let opening = gate.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (opening, count) = (opening.clone(), count.clone());
                let service =
                    service_fn(move |request| reply(request, opening.clone(), count.clone()));
                // The proxy ends the connection when it has no more use for it.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self {
            url,
            accepted,
            gate,
        }
    }

    async fn until_accepted(&mut self, tasks: usize) {
        let accepted = self.accepted.wait_for(|count| *count == tasks);
        within("every task is accepted", accepted).await.unwrap();
    }
}

/// The task that a message's text names is answered with this.
fn words(task: &str) -> String {
    format!("the words of {task} alone")
}

async fn reply(
    request: Request<Incoming>,
    gate: Arc<watch::Sender<bool>>,
    count: Arc<watch::Sender<usize>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let text = if path.ends_with("/generations") {
        let submission: Value = serde_json::from_slice(&body).unwrap();
        let task = submission["messages"][0]["content"].as_str().unwrap();
        count.send_modify(|count| *count += 1);
        let url = format!("/v1/llm/generations/{task}/stream");
        json!({"id": task, "status": "pending", "stream": {"url": url}}).to_string()
    } else if let Some(rest) = path.strip_prefix("/v1/llm/generations/") {
        let task = rest.trim_end_matches("/stream");
        let mut opening = gate.subscribe();
        opening.wait_for(|is_open| *is_open).await.unwrap();
        let delta = json!([{"index": 0, "delta": {"content": words(task)}, "finish_reason": null}]);
        chunk_of(delta) + &finish("stop") + &done(2)
    } else if let Some(task) = path.strip_prefix("/v1/tasks/") {
        match *gate.borrow() {
            false => json!({"id": task, "status": "processing"}),
            true => {
                json!({"id": task, "status": "completed", "results": [completion(&words(task))]})
            }
        }
        .to_string()
    } else {
        json!({"object": "list", "data": []}).to_string()
    };
    Ok(Response::new(Full::new(Bytes::from(text))))
}

async fn open(address: SocketAddr, client: usize) -> Connection {
    let stream = client.is_multiple_of(2);
    let messages = json!([{"role": "user", "content": format!("task-{client}")}]);
    let body = json!({"model": "gpt-5.5", "messages": messages, "stream": stream});
    let mut connection = Connection::open(address).await;
    let request = http::Request::chat(body.to_string());
    connection.send(&request.to_bytes()).await;
    connection
}

fn told(answer: &Answer) -> String {
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let kind = answer.head.header("content-type");
    if kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
        return joined(&Events::chunks(answer));
    }
    let content = &answer.json()["choices"][0]["message"]["content"];
    content.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn thousands_wait_at_once_with_the_default_settings() {
    // The clients and the upstream of this process need files too.
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let asked = std::env::var("CROWD_CLIENTS").ok();
    let clients = asked.map_or(CLIENTS, |clients| clients.parse().unwrap());
    let mut gate = Gate::start().await;
    let program = Command::new(env!("CARGO_BIN_EXE_foxbridge"));
    let process = Process::run(program, &gate.url, &[]).await;

    let opening = (0..clients).map(|client| open(process.address, client));
    let mut waiting = futures_util::future::join_all(opening).await;
    gate.until_accepted(clients).await;
    // All of them wait, and that stops nobody.
    let models = process.ask(&http::Request::get("/v1/models")).await;
    assert_eq!(models.status(), 200, "{}", models.text());
    gate.gate.send_replace(true);
    let answers = waiting.iter_mut().map(Connection::answer);
    let answers = futures_util::future::join_all(answers).await;
    for (client, answer) in answers.iter().enumerate() {
        assert_eq!(told(answer), words(&format!("task-{client}")));
    }
    assert_eq!(*gate.accepted.borrow(), clients, "one task a request");
    #[cfg(target_os = "linux")]
    {
        let each = process.peak_memory() / clients as u64;
        assert!(each < 128 << 10, "{each} bytes for each request");
    }
}
