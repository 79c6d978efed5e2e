use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// A client's socket, with or without TLS. Without, it costs one look at which it is.
pub(super) enum Socket {
    Plain(TcpStream),
    /// Boxed, because the state of TLS would make every connection as large.
    Secure(Box<TlsStream<TcpStream>>),
}

/// A stream of bytes that can fail without anybody having read or written.
pub(super) trait Failing {
    /// What has happened to it since somebody was told the last time.
    fn failure(&self) -> Option<io::Error>;

    /// Whether its end says something when this side has closed it. TLS takes leave with a message, which nobody reads who has all
    /// of the answer, so that its connection is reset for that.
    fn tells_when_closed(&self) -> bool;
}

impl Failing for Socket {
    fn failure(&self) -> Option<io::Error> {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Secure(stream) => stream.get_ref().0,
        };
        stream.take_error().ok().flatten()
    }

    fn tells_when_closed(&self) -> bool {
        matches!(self, Self::Plain(_))
    }
}

#[cfg(test)]
impl Failing for tokio::io::DuplexStream {
    fn failure(&self) -> Option<io::Error> {
        None
    }

    fn tells_when_closed(&self) -> bool {
        true
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buf),
            Self::Secure(stream) => Pin::new(stream).poll_read(context, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, buf),
            Self::Secure(stream) => Pin::new(stream).poll_write(context, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, bufs),
            Self::Secure(stream) => Pin::new(stream).poll_write_vectored(context, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Secure(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Secure(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Secure(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
