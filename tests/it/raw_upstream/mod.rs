//! An upstream that says, byte for byte, what a test tells it to: for what the simulator would never say.

mod replies;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{
    harness::{Proxy, within},
    http::{Answer, Request},
};
use foxbridge::config::Config;
use replies::Then;
pub(crate) use replies::*;

/// What is answered to one kind of request: the first, the second, …; the last one for ever.
type Plan = Vec<Reply>;

/// The replies to each kind of request.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) submit: Plan,
    pub(crate) query: Plan,
    pub(crate) open: Plan,
    pub(crate) models: Plan,
    pub(crate) upload: Plan,
}

impl Default for Script {
    /// A task that has completed with "abc", and whose stream says the same in three chunks.
    fn default() -> Self {
        Self {
            submit: vec![accepted()],
            query: vec![completed(completion("abc"))],
            open: vec![events(&whole(&["a", "b", "c"]))],
            models: vec![json_reply(200, "", &json!({"object": "list", "data": []}))],
            upload: vec![json_reply(200, "", &json!({"url": "https://files/1"}))],
        }
    }
}

/// How often each kind of request came, and how many connections have a reply under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) submits: usize,
    pub(crate) queries: usize,
    pub(crate) opens: usize,
    pub(crate) uploads: usize,
    pub(crate) models: usize,
    /// Replies that hold or repeat and whose reader has not gone.
    pub(crate) held: usize,
}

pub(crate) struct RawUpstream {
    address: SocketAddr,
    seen: Arc<watch::Sender<Seen>>,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl RawUpstream {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(watch::Sender::new(Seen::default()));
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let serving = Arc::new(Serving {
            script,
            seen: seen.clone(),
            bodies: bodies.clone(),
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        Self {
            address,
            seen,
            bodies,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.seen.borrow()
    }

    /// The bodies submitted so far.
    pub(crate) fn submissions(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().clone()
    }

    pub(crate) async fn until(&self, what: &str, enough: impl Fn(&Seen) -> bool) {
        let mut seen = self.seen.subscribe();
        within(what, seen.wait_for(enough)).await.unwrap();
    }
}

/// A proxy in front of an upstream that follows a script.
pub(crate) struct Stage {
    // Dropped first, so that the proxy never sees its upstream vanish.
    pub(crate) proxy: Proxy,
    pub(crate) upstream: RawUpstream,
}

impl Stage {
    pub(crate) async fn new(script: Script) -> Self {
        Self::with(script, |_| ()).await
    }

    pub(crate) async fn with(script: Script, change: impl FnOnce(&mut Config)) -> Self {
        let upstream = RawUpstream::start(script).await;
        let proxy = Proxy::start(&upstream.url(), change).await;
        Self { proxy, upstream }
    }

    pub(crate) async fn ask(&self, request: &Request) -> Answer {
        self.proxy.ask(request).await
    }
}

/// A question; `more` are further members of its body.
pub(crate) fn question(stream: bool, more: Value) -> Request {
    let mut body = json!({"model": "gpt-5.5", "messages": [{"role": "user", "content": "x"}], "stream": stream});
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    Request::chat(body.to_string())
}

struct Serving {
    script: Script,
    seen: Arc<watch::Sender<Seen>>,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Serving {
    /// Serves one connection until either side ends it; a peer that goes away is part of many tests.
    async fn serve(self: Arc<Self>, mut stream: TcpStream) -> Option<()> {
        let mut unread = Vec::new();
        loop {
            let (head, body) = request(&mut stream, &mut unread).await?;
            let reply = self.reply(&head, &body);
            if !reply.before.is_zero() {
                tokio::time::sleep(reply.before).await;
            }
            let text = String::from_utf8_lossy(&head);
            let key = text.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                let is_key = name.eq_ignore_ascii_case("authorization");
                is_key.then(|| value.trim_start_matches("Bearer ").to_owned())
            });
            let bytes = replaced(&reply.bytes, &key.unwrap_or_default());
            stream.write_all(&bytes).await.ok()?;
            match reply.then {
                Then::KeepAlive => {}
                Then::Close => return None,
                Then::Hold => {
                    let _held = Held::new(&self.seen);
                    let mut byte = [0];
                    stream.read_exact(&mut byte).await.ok()?;
                    return None;
                }
                Then::Repeat(bytes) => {
                    let _held = Held::new(&self.seen);
                    loop {
                        stream.write_all(&bytes).await.ok()?;
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
    }

    fn reply(&self, head: &[u8], body: &[u8]) -> Reply {
        let line = String::from_utf8_lossy(head);
        let line = line.lines().next().unwrap_or_default().to_owned();
        let mut at = 0;
        let mut plan = &self.script.models;
        self.seen.send_modify(|seen| {
            let counter;
            (counter, plan) = if line.starts_with("POST /v1/files/") {
                (&mut seen.uploads, &self.script.upload)
            } else if line.starts_with("POST ") {
                (&mut seen.submits, &self.script.submit)
            } else if line.contains("/stream ") {
                (&mut seen.opens, &self.script.open)
            } else if line.contains("/tasks/") {
                (&mut seen.queries, &self.script.query)
            } else {
                (&mut seen.models, &self.script.models)
            };
            at = *counter;
            *counter += 1;
        });
        if line.starts_with("POST ") && !line.contains("/files/") {
            let body = serde_json::from_slice(body).expect("a submission is JSON");
            self.bodies.lock().unwrap().push(body);
        }
        plan[at.min(plan.len() - 1)].clone()
    }
}

struct Held(Arc<watch::Sender<Seen>>);

impl Held {
    fn new(seen: &Arc<watch::Sender<Seen>>) -> Self {
        seen.send_modify(|seen| seen.held += 1);
        Self(seen.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.send_modify(|seen| seen.held -= 1);
    }
}

/// The next request's head and body; `None` at the end of the connection.
async fn request(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<(Vec<u8>, Vec<u8>)> {
    let end = loop {
        if let Some(at) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        fill(stream, unread).await?;
    };
    let head: Vec<u8> = unread.drain(..end).collect();
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    while unread.len() < length {
        fill(stream, unread).await?;
    }
    Some((head, unread.drain(..length).collect()))
}

async fn fill(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(unread).await.ok()?;
    (read > 0).then_some(())
}

fn replaced(bytes: &[u8], key: &str) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.replace("{key}", key).into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}
