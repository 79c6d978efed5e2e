use std::{
    convert::Infallible,
    future, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    App,
    framing::{HeadWatch, Verdict},
    route,
    wire::Wire,
};

/// The longest request head. Official clients send about one KiB.
const LONGEST_HEAD: usize = 64 << 10;
/// When the process has no file descriptors left, accepting again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long the errors that end the last requests may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves clients until `stop` resolves; then accepts nothing more, and lets requests in flight finish within
/// `server.shutdown_grace`. What is still running after that ends with an error that says so.
pub async fn serve(app: Arc<App>, listener: TcpListener, stop: impl Future<Output = ()>) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(app.settings.read_timeout)
        .max_buf_size(LONGEST_HEAD);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(LONGEST_HEAD as u32)
        .keep_alive_interval(Some(Duration::from_secs(30)));
    let server = Arc::new(server);
    let open = GracefulShutdown::new();

    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, _)) => accept(&app, &server, &open, stream),
            Err(error) => pause(&error).await,
        }
    }

    drop(listener);
    let grace = app.settings.shutdown_grace;
    tracing::info!(
        requests = open.count(),
        ?grace,
        "stopping: no new connections, requests in flight may finish"
    );
    // Nobody waits for them, so nobody waits for their end either.
    app.orphans.stop().await;
    let all_done = open.shutdown();
    tokio::pin!(all_done);
    if timeout(grace, &mut all_done).await.is_err() {
        tracing::warn!("the grace is over: requests still in flight end with an error");
        app.stop.cancel();
        // Whoever does not even take the error is left behind.
        let _ = timeout(LAST_WORDS, all_done).await;
    }
}

async fn pause(error: &io::Error) {
    // Errors of one connection that went away while it was being accepted say nothing about the next.
    if !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    ) {
        tracing::error!(%error, "a connection could not be accepted");
        sleep(ACCEPT_PAUSE).await;
    }
}

fn accept(
    app: &Arc<App>,
    server: &Arc<auto::Builder<TokioExecutor>>,
    open: &GracefulShutdown,
    stream: TcpStream,
) {
    // A chunk must not wait for the acknowledgement of the chunk before it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a client's connection refused TCP_NODELAY");
    }
    let (app, server, watcher) = (app.clone(), server.clone(), open.watcher());
    tokio::spawn(async move {
        let read_timeout = app.settings.read_timeout;
        let has_spoken = Arc::new(AtomicBool::new(false));
        let ambiguous = Verdict::default();
        let heads = HeadWatch::new(ambiguous.clone());
        let given_up = CancellationToken::new();
        let service = service_fn({
            let (has_spoken, given_up) = (has_spoken.clone(), given_up.clone());
            move |request| {
                has_spoken.store(true, Ordering::Relaxed);
                let app = app.clone();
                let is_ambiguous = ambiguous.take();
                let connection = given_up.clone();
                async move {
                    Ok::<_, Infallible>(route::handle(app, request, connection, is_ambiguous).await)
                }
            }
        });
        let connection = server.serve_connection(
            TokioIo::new(Wire::new(stream, heads, read_timeout)),
            service,
        );
        let connection = watcher.watch(connection.into_owned());
        tokio::pin!(connection);
        // hyper's own limit begins only when it knows which HTTP this is, so a connection that never says enough
        // for that needs a limit of its own.
        let first = async {
            sleep(read_timeout).await;
            if has_spoken.load(Ordering::Relaxed) {
                future::pending().await
            }
        };
        let served = tokio::select! {
            served = &mut connection => served,
            () = first => return,
            () = given_up.cancelled() => {
                tracing::info!("a client did not take its answer by the deadline; its connection is ended");
                return;
            }
        };
        if let Err(error) = served {
            tracing::debug!(error = &*error, "a client's connection ended early");
        }
    });
}
