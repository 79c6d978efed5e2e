use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    framing::HeadWatch,
    last_answer::{LastAnswer, is_refusal},
    reply,
    socket::Failing,
};
use crate::api_error::ApiError;

/// A client's connection, on which also hyper's own refusals speak OpenAI's language.
///
/// What cannot be read as HTTP never reaches the routes: hyper answers it with a bare status line. Such an answer
/// is told from all of ours by having no body, and is given one here. It is always the last of its connection.
///
/// It also looks at request heads before hyper does ([`HeadWatch`]), and hears what becomes of the last answer when the client
/// has gone ([`LastAnswer`]).
pub(super) struct Wire<S> {
    stream: S,
    heads: HeadWatch,
    last_answer: LastAnswer,
    /// Runs while the client has gone and could yet refuse its answer.
    hearing: Option<Pin<Box<Sleep>>>,
    /// Nothing is written any more.
    is_shut: bool,
    /// How long a client may take nothing of what is written to it.
    patience: Duration,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// What is written in place of hyper's refusal, how far it has been, and how much of hyper's it stands for.
    refusal: Option<Refusal>,
}

struct Refusal {
    bytes: Vec<u8>,
    written: usize,
    stands_for: usize,
}

impl<S> Wire<S> {
    pub(super) fn new(
        stream: S,
        heads: HeadWatch,
        last_answer: LastAnswer,
        patience: Duration,
    ) -> Self {
        Self {
            stream,
            heads,
            last_answer,
            hearing: None,
            is_shut: false,
            patience,
            stalled: None,
            refusal: None,
        }
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    /// Writes the refusal out; then reports hyper's own bytes as written.
    fn poll_refusal(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<usize>>> {
        let Some(refusal) = &mut self.refusal else {
            return Poll::Ready(None);
        };
        while let Some(rest @ [_, ..]) = refusal.bytes.get(refusal.written..) {
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest)) {
                Ok(0) => return Poll::Ready(Some(Err(io::ErrorKind::WriteZero.into()))),
                Ok(written) => refusal.written += written,
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        let stands_for = refusal.stands_for;
        self.refusal = None;
        Poll::Ready(Some(Ok(stands_for)))
    }
}

impl<S> Wire<S> {
    /// Ends a connection whose client has stopped reading: a write that stays pending would otherwise hold the
    /// request, and the upstream's stream behind it, for as long as the client likes. What cannot be written is lost.
    fn in_time<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(written) = written {
            match &written {
                Err(_) => self.last_answer.lost(),
                Ok(_) if self.stalled.is_some() => self.last_answer.goes_on(),
                Ok(_) => {}
            }
            self.stalled = None;
            return Poll::Ready(written);
        }
        let patience = self.patience;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(context));
        self.last_answer.lost();
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client stopped reading",
        )))
    }
}

/// How often it is looked whether a client that has gone refuses its answer.
const HEARING: Duration = Duration::from_millis(30);

impl<S: Failing> Wire<S> {
    /// Resolves when it is known whether a client that has gone, in this way, has taken its answer.
    fn poll_settled(&mut self, context: &mut Context<'_>, how: Option<&io::Error>) -> Poll<()> {
        while self.last_answer.is_open() {
            let is_refused = how.is_some_and(is_refusal) || self.stream.failure().is_some();
            if self.last_answer.settle(is_refused) {
                break;
            }
            let hearing = self.hearing.get_or_insert_with(|| Box::pin(sleep(HEARING)));
            ready!(hearing.as_mut().poll(context));
            self.hearing = None;
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Failing + Unpin> Wire<S> {
    /// Resolves when the client, to whom nothing is written any more, has gone with its answer or without it.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut buf = [0; 512];
        while self.last_answer.is_open() {
            let mut buf = ReadBuf::new(&mut buf);
            let failure = match Pin::new(&mut self.stream).poll_read(context, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => continue,
                Poll::Ready(read) => read.err(),
                Poll::Pending => None,
            };
            ready!(self.poll_settled(context, failure.as_ref()));
        }
        Poll::Ready(())
    }
}

/// What to write in place of `head`, if that is a refusal of hyper's own.
fn in_our_words(head: &[u8]) -> Option<Refusal> {
    if !head.starts_with(b"HTTP/1.1 4") {
        return None;
    }
    let text = std::str::from_utf8(head).ok()?;
    if !text.ends_with("\r\n\r\n")
        || !text.contains("\r\ncontent-length: 0\r\n")
        || text.contains(reply::REQUEST_ID)
    {
        return None;
    }
    let status: u16 = text.get(9..12)?.parse().ok()?;
    let (code, message) = match status {
        414 => (
            "uri_too_long",
            "The request's URL is too long. Send its data in the body.",
        ),
        431 => (
            "headers_too_large",
            "The request's headers are too large. Send fewer or shorter ones (64 KiB in all).",
        ),
        _ => (
            "bad_request",
            "The request is not valid HTTP. Check the client, and any proxy between it and here.",
        ),
    };
    let body = ApiError::invalid_request(status, code, message).body();
    let (line, _) = text.split_once("\r\n")?;
    let mut bytes = format!(
        "{line}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{}: {}\r\nconnection: close\r\n\r\n",
        body.len(),
        reply::REQUEST_ID,
        reply::new_request_id(),
    )
    .into_bytes();
    bytes.extend_from_slice(&body);
    Some(Refusal {
        bytes,
        written: 0,
        stands_for: head.len(),
    })
}

impl<S: AsyncRead + Failing + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buf);
        let filled = buf.filled().get(before..).unwrap_or_default();
        if let Poll::Ready(read) = &read
            && filled.is_empty()
        {
            ready!(self.poll_settled(context, read.as_ref().err()));
        }
        self.heads.on_read(filled);
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Failing + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.heads.on_write(buf);
        if this.refusal.is_none() {
            this.refusal = in_our_words(buf);
        }
        let written = match this.poll_refusal(context) {
            Poll::Ready(None) => Pin::new(&mut this.stream).poll_write(context, buf),
            Poll::Ready(Some(done)) => Poll::Ready(done),
            Poll::Pending => Poll::Pending,
        };
        this.in_time(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.heads.on_write(bufs.first().map_or(&[], |head| head));
        if this.refusal.is_none() {
            this.refusal = bufs.first().and_then(|head| in_our_words(head));
        }
        let written = match this.poll_refusal(context) {
            Poll::Ready(None) => Pin::new(&mut this.stream).poll_write_vectored(context, bufs),
            Poll::Ready(Some(done)) => Poll::Ready(done),
            Poll::Pending => Poll::Pending,
        };
        this.in_time(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS takes what is written before the client does, so that its client is waited for here.
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.in_time(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            let shut = Pin::new(&mut self.stream).poll_shutdown(context);
            if let Poll::Ready(Err(_)) = &shut {
                // Everything was written, perhaps long ago.
                self.last_answer.settle(true);
            }
            ready!(self.in_time(context, shut))?;
            self.is_shut = true;
            if !self.stream.tells_when_closed() {
                self.last_answer.taken();
            }
        }
        self.poll_gone(context).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::framing::Verdict;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn only_hypers_own_refusals_are_reworded() {
        let hypers = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let refusal = in_our_words(hypers).expect("a refusal");
        let text = String::from_utf8(refusal.bytes).unwrap();
        assert!(text.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
        assert!(
            text.contains("x-request-id: req_") && text.contains(r#""code":"headers_too_large"}}"#)
        );
        assert_eq!(refusal.stands_for, hypers.len());
        for ours in [
            &b"HTTP/1.1 404 Not Found\r\nx-request-id: req_1\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            b"data: HTTP/1.1 431",
            b"",
        ] {
            assert!(in_our_words(ours).is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_reading_is_given_up() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let patience = Duration::from_secs(60);
        let mut wire = Wire::new(
            ours,
            HeadWatch::new(Verdict::default()),
            LastAnswer::default(),
            patience,
        );
        let began = tokio::time::Instant::now();
        let error = wire.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut wire = Wire::new(
            ours,
            HeadWatch::new(Verdict::default()),
            LastAnswer::default(),
            Duration::from_secs(60),
        );
        let reader = tokio::spawn(async move {
            let mut buf = [0; 16];
            for _ in 0..8 {
                tokio::time::sleep(Duration::from_secs(50)).await;
                theirs.read_exact(&mut buf).await.unwrap();
            }
        });
        wire.write_all(&[0; 128]).await.unwrap();
        reader.await.unwrap();
    }
}
