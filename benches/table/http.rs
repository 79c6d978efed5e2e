//! As much HTTP/1.1 as both ends of the table need, and no more: what measures must cost less than what it measures.

use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::Fault;

const READ: usize = 16 << 10;

/// One end of a connection, and the message that is being read from it.
pub(crate) struct Connection {
    socket: TcpStream,
    read: BytesMut,
    body: Body,
}

/// What is left of the body being read.
#[derive(Debug, Clone, Copy)]
enum Body {
    /// So many bytes.
    Length(usize),
    /// The line with the next piece's length.
    PieceSize,
    /// So many bytes of a piece, and its line end.
    Piece(usize),
    /// Lines behind the last piece, up to an empty one.
    Trailer,
    Ended,
}

/// The first lines of a message.
pub(crate) struct Head {
    text: String,
}

impl Head {
    /// The method and the path, of a request.
    pub(crate) fn target(&self) -> (&str, &str) {
        let mut words = self.text.split(' ');
        (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        )
    }

    /// The status, of a reply.
    pub(crate) fn status(&self) -> u16 {
        let word = self.text.split(' ').nth(1);
        word.and_then(|word| word.parse().ok()).unwrap_or_default()
    }

    fn body(&self) -> Result<Body, Fault> {
        for line in self.text.split("\r\n").skip(1) {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            if name.eq_ignore_ascii_case("content-length") {
                return Ok(Body::Length(value.trim().parse()?));
            }
            if name.eq_ignore_ascii_case("transfer-encoding") {
                return Ok(Body::PieceSize);
            }
        }
        Ok(Body::Length(0))
    }
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Fault> {
        Self::new(TcpStream::connect(address).await?)
    }

    pub(crate) fn new(socket: TcpStream) -> Result<Self, Fault> {
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            read: BytesMut::new(),
            body: Body::Ended,
        })
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        Ok(self.socket.write_all(bytes).await?)
    }

    /// Reads the next message's head; `None` when the other end has closed the connection between two messages.
    pub(crate) async fn head(&mut self) -> Result<Option<Head>, Fault> {
        loop {
            if let Some(end) = memmem::find(&self.read, b"\r\n\r\n") {
                let bytes = self.read.split_to(end + 4);
                let text = std::str::from_utf8(&bytes)?.to_owned();
                let head = Head { text };
                self.body = head.body()?;
                return Ok(Some(head));
            }
            if !self.more().await? {
                return match self.read.is_empty() {
                    true => Ok(None),
                    false => Err("the connection was closed within a head".into()),
                };
            }
        }
    }

    /// Reads the whole body.
    pub(crate) async fn whole(&mut self) -> Result<Vec<u8>, Fault> {
        let mut body = Vec::new();
        while self.piece(&mut body).await? {}
        Ok(body)
    }

    /// Appends what has come of the body, waiting for more only if nothing has; `false` at its end.
    pub(crate) async fn piece(&mut self, out: &mut Vec<u8>) -> Result<bool, Fault> {
        loop {
            let before = out.len();
            self.decode(out)?;
            if matches!(self.body, Body::Ended) {
                return Ok(false);
            }
            if out.len() > before {
                return Ok(true);
            }
            if !self.more().await? {
                return Err("the connection was closed within a body".into());
            }
        }
    }

    fn decode(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        loop {
            match self.body {
                Body::Length(left) => {
                    let left = self.take(left, out);
                    self.body = match left {
                        0 => Body::Ended,
                        left => Body::Length(left),
                    };
                    return Ok(());
                }
                Body::PieceSize => {
                    let Some(line) = self.line() else {
                        return Ok(());
                    };
                    let size = std::str::from_utf8(&line)?;
                    let size = size.split(';').next().unwrap_or_default().trim();
                    self.body = match usize::from_str_radix(size, 16)? {
                        0 => Body::Trailer,
                        size => Body::Piece(size),
                    };
                }
                Body::Piece(0) => match self.line() {
                    Some(_) => self.body = Body::PieceSize,
                    None => return Ok(()),
                },
                Body::Piece(left) => {
                    let left = self.take(left, out);
                    self.body = Body::Piece(left);
                    if left > 0 {
                        return Ok(());
                    }
                }
                Body::Trailer => match self.line() {
                    Some(line) if line.is_empty() => self.body = Body::Ended,
                    Some(_) => {}
                    None => return Ok(()),
                },
                Body::Ended => return Ok(()),
            }
        }
    }

    /// Moves up to `left` bytes to `out`; how many are still missing then.
    fn take(&mut self, left: usize, out: &mut Vec<u8>) -> usize {
        let has = left.min(self.read.len());
        out.extend_from_slice(self.read.get(..has).unwrap_or_default());
        self.read.advance(has);
        left - has
    }

    /// The next line, without its end.
    fn line(&mut self) -> Option<BytesMut> {
        let end = memmem::find(&self.read, b"\r\n")?;
        let line = self.read.split_to(end);
        self.read.advance(2);
        Some(line)
    }

    async fn more(&mut self) -> Result<bool, Fault> {
        self.read.reserve(READ);
        Ok(self.socket.read_buf(&mut self.read).await? > 0)
    }
}

/// A request without a body.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer sk-bench\r\n\r\n")
}

/// A request with a JSON body.
pub(crate) fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer sk-bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A reply with a JSON body.
pub(crate) fn reply(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
