use std::{collections::VecDeque, net::SocketAddr, sync::Mutex, time::Duration};

use fastrand::Rng;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// An HTTP/1.1 client of one server, with connections that are kept alive.
pub(crate) struct Client {
    address: SocketAddr,
    idle: Mutex<VecDeque<TcpStream>>,
}

/// An answer as it was read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// When and how a client leaves.
#[derive(Debug)]
pub(crate) struct Leave {
    when: When,
    /// Says that it sends no more, and takes what is on its way, so that it knows whether it was answered after all.
    /// Otherwise it is gone at once, and only an idempotency key lets it tell a second purchase from a first.
    is_gentle: bool,
}

#[derive(Debug)]
enum When {
    /// With so many hundredths of the request sent.
    Sending(usize),
    /// With so many bytes of the answer read.
    Reading(usize),
    After(Duration),
}

impl Leave {
    pub(crate) fn draw(rng: &mut Rng, is_keyed: bool) -> Self {
        let when = match rng.u8(0..10) {
            0 => When::Sending(rng.usize(0..100)),
            1..6 => When::Reading(rng.usize(0..3000)),
            _ => When::After(Duration::from_millis(rng.u64(0..150))),
        };
        Self {
            when,
            is_gentle: !is_keyed || rng.bool(),
        }
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            idle: Mutex::default(),
        }
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&self, request: &[u8]) -> Answer {
        let mut stream = self.connection().await;
        stream
            .write_all(request)
            .await
            .expect("the request is taken");
        let mut read = Vec::new();
        loop {
            if let Some(answer) = Answer::parse(&read) {
                if !answer.head.contains("connection: close") {
                    self.idle.lock().unwrap().push_back(stream);
                }
                return answer;
            }
            let length = stream.read_buf(&mut read).await.expect("an answer");
            assert!(length > 0, "cut off: {}", String::from_utf8_lossy(&read));
        }
    }

    /// Sends a request and leaves. The answer, if it was there before that.
    pub(crate) async fn ask_and_leave(&self, request: &[u8], leave: &Leave) -> Option<Answer> {
        let mut stream = self.connection().await;
        if let When::Sending(hundredths) = leave.when {
            let begun = &request[..request.len() * hundredths / 100];
            stream.write_all(begun).await.expect("a part is taken");
            return None;
        }
        stream
            .write_all(request)
            .await
            .expect("the request is taken");
        let mut read = Vec::new();
        match leave.when {
            When::After(time) => {
                // Whatever has been read until then is kept, because reading is cancelled between two reads only.
                let reading = async { while more(&mut stream, &mut read).await {} };
                timeout(time, reading).await.unwrap_or_default();
            }
            When::Reading(bytes) => {
                while read.len() < bytes && more(&mut stream, &mut read).await {}
            }
            When::Sending(_) => {}
        }
        if Answer::parse(&read).is_none() && leave.is_gentle {
            // A server that is gone already cannot be told.
            drop(stream.shutdown().await);
            while more(&mut stream, &mut read).await {}
        }
        Answer::parse(&read)
    }

    /// The one that was idle for longest, so that none is idle for long.
    async fn connection(&self) -> TcpStream {
        let idle = self.idle.lock().unwrap().pop_front();
        if let Some(stream) = idle {
            return stream;
        }
        let stream = TcpStream::connect(self.address)
            .await
            .expect("a connection");
        stream.set_nodelay(true).expect("a socket option");
        stream
    }
}

/// Reads on; false once the answer is whole or no more can come.
async fn more(stream: &mut TcpStream, read: &mut Vec<u8>) -> bool {
    let is_open = stream.read_buf(read).await.is_ok_and(|length| length > 0);
    is_open && Answer::parse(read).is_none()
}

impl Answer {
    /// Whether the official SDKs send the request again.
    pub(crate) fn invites_retry(&self) -> bool {
        let is_transient = matches!(self.status, 408 | 409 | 429 | 500..);
        is_transient && self.header("x-should-retry") != Some("false")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// `None` while it is not whole.
    fn parse(read: &[u8]) -> Option<Self> {
        let end = find(read, b"\r\n\r\n")?;
        let (head, body) = (&read[..end], &read[end + 4..]);
        let mut answer = Self {
            status: 0,
            head: String::from_utf8(head.to_vec())
                .expect("a head")
                .to_lowercase(),
            body: String::new(),
        };
        let status = answer.head.strip_prefix("http/1.1 ").expect("HTTP/1.1");
        answer.status = status[..3].parse().expect("a status");
        let body = match answer.header("content-length") {
            Some(length) => body.get(..length.parse().expect("a length"))?.to_vec(),
            None => dechunked(body)?,
        };
        answer.body = String::from_utf8(body).expect("UTF-8");
        Some(answer)
    }
}

/// A whole chunked body.
fn dechunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    if !rest.ends_with(b"0\r\n\r\n") {
        return None;
    }
    loop {
        let line = find(rest, b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        let chunk = rest.get(line + 2..line + 2 + size)?;
        rest = rest.get(line + 4 + size..)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(chunk);
    }
}

fn find(bytes: &[u8], sought: &[u8]) -> Option<usize> {
    bytes
        .windows(sought.len())
        .position(|window| window == sought)
}
