//! HTTP/1 over TCP, with a way to end a connection rudely.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{http, service::Service};

/// How long a client may take to send its request head, and a kept-alive connection may idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);
/// The pause after the system could not hand over a connection, for example for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Accepts and serves until it is dropped, and every connection with it.
pub(super) async fn accept(listener: TcpListener, service: Arc<Service>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&service)));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(ended) = connections.join_next() => {
                if ended.is_err_and(|error| error.is_panic()) {
                    service.journalist.count(|journal| journal.panics += 1);
                }
            }
        }
    }
}

async fn serve(stream: TcpStream, service: Arc<Service>) {
    service.journalist.count(|journal| {
        journal.connections += 1;
        journal.open_connections += 1;
    });
    let _open = Open(Arc::clone(&service));
    // A chunk written is a chunk sent. Where the option cannot be set the connection is already dead.
    let _ = stream.set_nodelay(true);
    let fate = Arc::new(Fate::default());
    let socket = Socket {
        stream,
        fate: Arc::clone(&fate),
    };
    let answer =
        service_fn(move |request| http::answer(Arc::clone(&service), Arc::clone(&fate), request));
    // A connection that ends in an error ends as its client, or its script, wanted.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(socket), answer)
        .await;
}

struct Open(Arc<Service>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0
            .journalist
            .count(|journal| journal.open_connections -= 1);
    }
}

/// How a connection is to end.
#[derive(Debug, Default)]
pub(super) struct Fate {
    reset: AtomicBool,
}

impl Fate {
    /// Whatever ends the connection from now on, the client sees a TCP reset.
    pub(super) fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }
}

/// A TCP connection that fulfils its fate when it is dropped.
struct Socket {
    stream: TcpStream,
    fate: Arc<Fate>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.fate.reset.load(Ordering::Relaxed) {
            // A peer that is gone already cannot be reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
