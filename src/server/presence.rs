//! Whether anything is asked on a connection.

use std::{
    future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::Version;
use tokio::time::sleep;

/// What has been asked on one connection. Cheap to clone; all clones are one.
///
/// hyper closes a connection over HTTP/1 that asks nothing, and has no such limit for HTTP/2.
#[derive(Clone, Default)]
pub(super) struct Presence(Arc<Asked>);

#[derive(Default)]
struct Asked {
    has_spoken: AtomicBool,
    /// Over HTTP/2, as is what follows.
    begun: AtomicUsize,
    ended: AtomicUsize,
}

/// One request over HTTP/2 until it is answered.
pub(super) struct Stay(Presence);

impl Presence {
    /// A request has come. Its stay, where it has one, is kept until its answer is handed over.
    pub(super) fn ask(&self, version: Version) -> Option<Stay> {
        self.0.has_spoken.store(true, Ordering::Relaxed);
        if version != Version::HTTP_2 {
            return None;
        }
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Some(Stay(self.clone()))
    }

    /// Resolves when nothing has been asked within `limit`: from the beginning on, and over HTTP/2 also later. Then the
    /// silence can be twice as long before it is noticed, as nothing else is kept than two numbers.
    pub(super) async fn ends(&self, limit: Duration) {
        sleep(limit).await;
        if !self.0.has_spoken.load(Ordering::Relaxed) {
            return;
        }
        let mut before = self.counted();
        if before.0 == 0 {
            return future::pending().await;
        }
        loop {
            sleep(limit).await;
            let now = self.counted();
            if now == before && now.0 == now.1 {
                tracing::debug!("a client's HTTP/2 connection was idle and is ended");
                return;
            }
            before = now;
        }
    }

    fn counted(&self) -> (usize, usize) {
        let load = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        (load(&self.0.begun), load(&self.0.ended))
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn only_who_asks_nothing_is_gone() {
        let began = Instant::now();
        Presence::default().ends(LIMIT).await;
        assert_eq!(began.elapsed(), LIMIT);

        let long = LIMIT * 10;
        let one = Presence::default();
        assert!(one.ask(Version::HTTP_11).is_none());
        assert!(timeout(long, one.ends(LIMIT)).await.is_err());

        let two = Presence::default();
        let stay = two.ask(Version::HTTP_2);
        assert!(timeout(long, two.ends(LIMIT)).await.is_err());
        drop(stay);
        timeout(LIMIT * 2, two.ends(LIMIT)).await.expect("an end");
    }
}
