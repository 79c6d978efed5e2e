use std::{net::SocketAddr, time::Duration};

use super::{Answer, Ending, Head};
use crate::harness::within;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// One piece of a body: one chunk of a chunked one.
#[derive(Debug)]
enum Piece {
    Bytes(Vec<u8>),
    End(Ending),
}

/// What is left of a body.
#[derive(Debug, Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
}

impl Framing {
    fn of(head: &Head) -> Self {
        match head.header("transfer-encoding") {
            Some("chunked") => Self::Chunked,
            Some(other) => panic!("transfer-encoding: {other}"),
            // These have no body, and must not say how long it is.
            None if matches!(head.status, 204 | 304) => Self::Length(0),
            None => Self::Length(
                head.header("content-length")
                    .expect("a length")
                    .parse()
                    .unwrap(),
            ),
        }
    }
}

pub(crate) struct Connection {
    reading: OwnedReadHalf,
    writing: Option<OwnedWriteHalf>,
    unread: Vec<u8>,
    framing: Framing,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        let (reading, writing) = stream.into_split();
        Self {
            reading,
            writing: Some(writing),
            unread: Vec::new(),
            framing: Framing::Length(0),
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let writing = self.writing.as_mut().expect("not sending already");
        within("the server takes the request", writing.write_all(bytes))
            .await
            .unwrap();
    }

    /// Sends pieces while the answer is awaited, which may come before all of them are sent.
    pub(crate) fn send_in_background(
        &mut self,
        pieces: impl Iterator<Item = Vec<u8>> + Send + 'static,
    ) {
        self.drip_in_background(pieces, Duration::ZERO);
    }

    /// As [`send_in_background`](Self::send_in_background), with a pause before each piece.
    pub(crate) fn drip_in_background(
        &mut self,
        pieces: impl Iterator<Item = Vec<u8>> + Send + 'static,
        pause: Duration,
    ) {
        let mut writing = self.writing.take().expect("one sender");
        tokio::spawn(async move {
            for piece in pieces {
                tokio::time::sleep(pause).await;
                // A server that has refused need not read on.
                if writing.write_all(&piece).await.is_err() {
                    break;
                }
            }
            // Closing this half would tell the server that the client has gone.
            writing.forget();
        });
    }

    /// Reads status line and headers; the body is read next.
    pub(crate) async fn head(&mut self) -> Head {
        let end = loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at;
            }
            assert!(
                self.fill().await,
                "closed before an answer: {:?}",
                self.unread
            );
        };
        let rest = self.unread.split_off(end + 4);
        let head = Head::parse(&self.unread[..end]);
        self.unread = rest;
        self.framing = Framing::of(&head);
        head
    }

    /// The next piece of the body.
    async fn piece(&mut self) -> Piece {
        match self.framing {
            Framing::Length(0) => Piece::End(Ending::Whole),
            Framing::Length(left) => {
                if self.unread.is_empty() && !self.fill().await {
                    return Piece::End(Ending::Aborted);
                }
                let rest = self.unread.split_off(self.unread.len().min(left));
                let bytes = std::mem::replace(&mut self.unread, rest);
                self.framing = Framing::Length(left - bytes.len());
                Piece::Bytes(bytes)
            }
            Framing::Chunked => loop {
                if let Some((bytes, length)) = parse_chunk(&self.unread) {
                    self.unread.drain(..length);
                    if bytes.is_empty() {
                        self.framing = Framing::Length(0);
                        return Piece::End(Ending::Whole);
                    }
                    return Piece::Bytes(bytes);
                }
                if !self.fill().await {
                    return Piece::End(Ending::Aborted);
                }
            },
        }
    }

    /// Reads the body on until `enough`; it must not end before.
    pub(crate) async fn read_until(&mut self, enough: impl Fn(&str) -> bool) -> String {
        let mut text = String::new();
        while !enough(&text) {
            match self.piece().await {
                Piece::Bytes(bytes) => text.push_str(std::str::from_utf8(&bytes).unwrap()),
                Piece::End(ending) => panic!("{ending:?} too soon: {text}"),
            }
        }
        text
    }

    /// The rest of the body.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, Ending) {
        let mut body = Vec::new();
        loop {
            match self.piece().await {
                Piece::Bytes(bytes) => body.extend(bytes),
                Piece::End(ending) => return (body, ending),
            }
        }
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        let (body, ending) = self.rest().await;
        Answer { head, body, ending }
    }

    /// Everything up to the end of the connection.
    pub(crate) async fn until_closed(&mut self) -> Vec<u8> {
        while self.fill().await {}
        std::mem::take(&mut self.unread)
    }

    /// Reads what there is; false at the end of the connection.
    async fn fill(&mut self) -> bool {
        let read = within("something to read", self.reading.read_buf(&mut self.unread)).await;
        // A reset is an end like any other to whoever counts what came before it.
        read.is_ok_and(|length| length > 0)
    }
}

/// The first chunk and its whole length with framing; an empty chunk is the last one.
fn parse_chunk(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let line = find(bytes, b"\r\n")?;
    let size = std::str::from_utf8(&bytes[..line]).unwrap();
    let size = usize::from_str_radix(size, 16).expect(size);
    let (start, end) = (line + 2, line + 2 + size);
    let closing = bytes.get(end..end + 2)?;
    assert_eq!(closing, b"\r\n");
    Some((bytes[start..end].to_vec(), end + 2))
}

fn find(bytes: &[u8], sought: &[u8]) -> Option<usize> {
    bytes
        .windows(sought.len())
        .position(|window| window == sought)
}
