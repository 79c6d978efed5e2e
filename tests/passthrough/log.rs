use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use hyper::{Method, Response};

use crate::harness::{Client, next, piece, pieces, request, start, text, whole, within};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The lines about this test's requests so far.
    fn lines(&self) -> Vec<String> {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let about_requests = log
            .lines()
            .filter(|line| line.contains("/v1/files/logged-"));
        about_requests.map(str::to_owned).collect()
    }

    /// The lines once there are `count`: a line follows the end it tells of, which the other side may see first.
    async fn once(&self, count: usize) -> Vec<String> {
        let written = async {
            while self.lines().len() < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        within("the line is written", written).await;
        self.lines()
    }
}

#[tokio::test]
async fn the_log_has_one_line_when_all_is_over() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // For all threads: one of this thread's own would be passed over where another thread has asked first.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    tracing::callsite::rebuild_interest_cache();
    let (address, mut upstream) = start(|_| ()).await;

    let mut client = Client::connect(address).await;
    let reply = client.begin(request(Method::GET, "/v1/files/logged-a?secret", whole("")));
    let (down, body) = pieces();
    let mut answered = Response::new(body);
    answered.headers_mut().insert("content-length", 4.into());
    upstream.next().await.reply.send(answered).unwrap();
    let reply = reply.await.unwrap();
    assert_eq!(log.lines(), [""; 0], "before the end");
    down.send(piece(b"last")).await.unwrap();
    assert_eq!(text(reply).await, "last");
    let lines = log.once(1).await;
    assert!(
        lines.len() == 1 && lines[0].contains("answered"),
        "{lines:?}"
    );
    assert!(lines[0].contains("status=200") && !lines[0].contains("secret"));

    let reply = client.begin(request(Method::GET, "/v1/files/logged-b", whole("")));
    let (down, body) = pieces();
    upstream
        .next()
        .await
        .reply
        .send(Response::new(body))
        .unwrap();
    reply.await.unwrap();
    client.leave().await;
    within("the reply is not read any more", down.closed()).await;
    let lines = log.once(2).await;
    assert!(
        lines.len() == 2 && lines[1].contains("the client left"),
        "{lines:?}"
    );

    let mut client = Client::connect(address).await;
    let reply = client.begin(request(Method::GET, "/v1/files/logged-c", whole("")));
    let (down, body) = pieces();
    upstream
        .next()
        .await
        .reply
        .send(Response::new(body))
        .unwrap();
    let mut reply = reply.await.unwrap();
    down.send(Err(io::Error::other("cut"))).await.unwrap();
    assert!(next(reply.body_mut()).await.unwrap().is_err());
    let lines = log.once(3).await;
    assert!(
        lines.len() == 3 && lines[2].contains("upstream_broken_off"),
        "{lines:?}"
    );
}
