//! A rolling update: replicas behind a load balancer are replaced one by one while clients go on asking.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

use crate::{
    events::Events,
    harness::{Bridge, CHAT, scripted, within},
    http::{Answer, Connection, Ending, Request},
    process::Process,
};

/// How often readiness is looked at; far oftener than a drain takes, as wherever both are set with care.
const PROBE: Duration = Duration::from_millis(50);
const SETTINGS: [&str; 3] = [
    "admin.listen=127.0.0.1:0",
    "server.drain_delay=1s",
    "server.shutdown_grace=30s",
];

/// Gives each connection to one of those that are ready, in turn, as a Kubernetes service does.
struct Balancer {
    address: SocketAddr,
    replicas: Arc<Mutex<Vec<Arc<Replica>>>>,
    accepting: JoinHandle<()>,
}

struct Replica {
    address: SocketAddr,
    is_ready: AtomicBool,
}

impl Balancer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let replicas = Arc::new(Mutex::new(Vec::<Arc<Replica>>::new()));
        let known = replicas.clone();
        let accepting = tokio::spawn(async move {
            for turn in 0.. {
                let (mut client, _) = listener.accept().await.unwrap();
                let ready: Vec<_> = known
                    .lock()
                    .unwrap()
                    .iter()
                    .filter(|replica| replica.is_ready.load(Relaxed))
                    .map(|replica| replica.address)
                    .collect();
                let chosen = ready[turn % ready.len()];
                tokio::spawn(async move {
                    let mut replica = TcpStream::connect(chosen).await.unwrap();
                    client.set_nodelay(true).unwrap();
                    replica.set_nodelay(true).unwrap();
                    // Either side may end it as it likes.
                    let _ = copy_bidirectional(&mut client, &mut replica).await;
                });
            }
        });
        Self {
            address,
            replicas,
            accepting,
        }
    }

    /// Has a new replica watched, and waits until it is ready.
    async fn add(&self, process: &Process) -> Arc<Replica> {
        let replica = Arc::new(Replica {
            address: process.address,
            is_ready: AtomicBool::new(false),
        });
        let (probed, admin) = (replica.clone(), process.admin.unwrap());
        tokio::spawn(async move {
            loop {
                let mut connection = Connection::open(admin).await;
                connection.send(&Request::get("/readyz").to_bytes()).await;
                let is_ready = connection.answer().await.status() == 200;
                if probed.is_ready.swap(is_ready, Relaxed) && !is_ready {
                    // It is about to stop, and does not come back.
                    break;
                }
                sleep(PROBE).await;
            }
        });
        self.replicas.lock().unwrap().push(replica.clone());
        within("it is ready", async {
            while !replica.is_ready.load(Relaxed) {
                sleep(PROBE).await;
            }
        })
        .await;
        replica
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What clients have had so far.
#[derive(Default)]
struct Tally {
    is_over: AtomicBool,
    answers: AtomicUsize,
    streams: AtomicUsize,
}

/// Asks again and again over one connection, for as long as it is kept open. Nothing is ever sent twice.
async fn ask_on(balancer: SocketAddr, tally: Arc<Tally>) {
    let mut connection = None;
    while !tally.is_over.load(Relaxed) {
        let mut open = match connection.take() {
            Some(open) => open,
            None => Connection::open(balancer).await,
        };
        open.send(&Request::chat(CHAT).to_bytes()).await;
        let answer = open.answer().await;
        assert_eq!((answer.status(), answer.ending), (200, Ending::Whole));
        tally.answers.fetch_add(1, Relaxed);
        let closes = answer.head.header("connection") == Some("close");
        connection = (!closes).then_some(open);
        sleep(Duration::from_millis(5)).await;
    }
}

async fn stream_on(balancer: SocketAddr, tally: Arc<Tally>) {
    while !tally.is_over.load(Relaxed) {
        let mut connection = Connection::open(balancer).await;
        let request = scripted("words=40 chunk-interval=50ms", true);
        connection.send(&request.to_bytes()).await;
        let Answer { head, body, ending } = connection.answer().await;
        assert_eq!(ending, Ending::Whole);
        let chunks = Events::chunks(&Answer { head, body, ending });
        assert!(chunks.len() >= 40);
        tally.streams.fetch_add(1, Relaxed);
    }
}

#[tokio::test]
async fn nobody_notices_that_replicas_are_replaced() {
    let bridge = Bridge::start().await;
    let balancer = Balancer::start().await;
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let process = Process::start(&bridge, &SETTINGS).await;
        balancer.add(&process).await;
        replicas.push(process);
    }
    let tally = Arc::new(Tally::default());
    let mut clients: Vec<JoinHandle<()>> = Vec::new();
    for _ in 0..8 {
        clients.push(tokio::spawn(ask_on(balancer.address, tally.clone())));
    }
    for _ in 0..8 {
        clients.push(tokio::spawn(stream_on(balancer.address, tally.clone())));
    }
    for before in replicas {
        within("streams run on both", async {
            let begun = bridge.journal().submits;
            while bridge.journal().submits < begun + 40 {
                sleep(PROBE).await;
            }
        })
        .await;
        let process = Process::start(&bridge, &SETTINGS).await;
        balancer.add(&process).await;
        // This one ends after the drain, within the grace.
        let mut last = Connection::open(before.address).await;
        let request = scripted("words=60 chunk-interval=50ms", true);
        last.send(&request.to_bytes()).await;
        assert_eq!(last.head().await.status, 200);
        tally.streams.fetch_add(1, Relaxed);
        before.terminate().await;
        let (rest, ending) = last.rest().await;
        assert!(ending == Ending::Whole && rest.ends_with(b"data: [DONE]\n\n"));
        let (status, log) = before.left().await;
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(!log.contains("the grace is over"), "{log}");
        // Kept until the end of the test.
        tokio::spawn(async move {
            let _process = process;
            std::future::pending::<()>().await;
        });
    }
    tally.is_over.store(true, Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let (answers, streams) = (tally.answers.load(Relaxed), tally.streams.load(Relaxed));
    assert!(answers > 100 && streams >= 16, "{answers}, {streams}");
    assert_eq!(bridge.journal().submits as usize, answers + streams);
}
