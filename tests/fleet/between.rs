//! A wire between replicas and Redis that can fail as networks do: what stands between them forgets a connection without a
//! word, and new ones go through.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use foxbridge::simulator::{self, Simulator};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

use crate::{
    harness::{Replica, scripted, until},
    server::Redis,
};

struct Wire {
    port: u16,
    opened: Arc<AtomicU64>,
    /// Up to this one, connections bring no answers any more.
    silent: Arc<AtomicU64>,
}

impl Wire {
    async fn to(redis: &Redis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Self {
            port: listener.local_addr().unwrap().port(),
            opened: Arc::default(),
            silent: Arc::default(),
        };
        let (opened, silent, port) = (wire.opened.clone(), wire.silent.clone(), redis.port);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = 1 + opened.fetch_add(1, Ordering::Relaxed);
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let silent = silent.clone();
                tokio::spawn(async move {
                    let (mut asking, mut told) = client.into_split();
                    let (mut answering, mut asked) = server.into_split();
                    let down = async {
                        let mut bytes = [0; 4096];
                        while let Ok(read @ 1..) = answering.read(&mut bytes).await {
                            let is_silent = number <= silent.load(Ordering::Relaxed);
                            if !is_silent && told.write_all(&bytes[..read]).await.is_err() {
                                break;
                            }
                        }
                    };
                    tokio::select! {
                        () = down => {}
                        _ = copy(&mut asking, &mut asked) => {}
                    }
                });
            }
        });
        wire
    }

    fn forget_what_is_open(&self) {
        self.silent
            .store(self.opened.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

fn rows(redis: &Redis) -> usize {
    redis.texts(&["KEYS", "fb:{*}c*"]).len()
}

#[tokio::test]
async fn whoever_waits_while_others_have_redis_again_buys_nothing_unnoted() {
    let redis = Redis::start();
    let wire = Wire::to(&redis).await;
    let simulator = Simulator::start(simulator::Settings::instant())
        .await
        .unwrap();
    let store = format!("ledger.store=redis://127.0.0.1:{}", wire.port);
    let settings = [
        &store,
        "ledger.if_unavailable=refuse",
        "ledger.redis_timeout=3s",
    ];
    let replica = Replica::start(&simulator.base_url(), &settings).await;
    replica.redis_is(true).await;
    wire.forget_what_is_open();
    let mut asked = Vec::new();
    for number in 0..20 {
        let request = scripted(&format!("id=waits-{number} words=3"), false);
        asked.push(replica.send(&request).await);
        until("its question is with Redis", async || rows(&redis) > number).await;
        // So that the last ones still wait when the first one has given up.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    for mut connection in asked {
        let answer = connection.answer().await;
        let is_noted = answer.head.header("x-foxbridge-ledger").is_none();
        match answer.status() {
            // Whoever came late was asked about on the new connection.
            200 => assert!(is_noted, "{:?}", answer.head),
            status => assert_eq!(status, 503, "{}", answer.text()),
        }
    }
    // Those that were refused have left nothing behind either.
    replica.redis_is(true).await;
    replica.has_told().await;
    let left = redis.texts(&["KEYS", "fb:{*}c*"]);
    let left = left.iter().flat_map(|key| redis.texts(&["HVALS", key]));
    assert!(!left.into_iter().any(|row| row.starts_with("s:")));
}
