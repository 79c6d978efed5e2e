use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// How long after its deadline a request may take to hand over its last words.
const SLACK: Duration = Duration::from_secs(5);

/// Ends a connection whose client has not taken its answer by the deadline. Cheap to clone; all clones are one.
///
/// An answer looks at its own limits whenever more of it is asked for. A client that never asks for more, which over
/// HTTP/2 needs no more than granting no window, would hold it and the upstream's stream behind it for ever.
#[derive(Clone, Default)]
pub(super) struct Watchdog(Arc<Mutex<Watched>>);

#[derive(Default)]
struct Watched {
    next: u64,
    /// The requests that are being answered, and when each must be done. Few: over HTTP/1 there is one.
    leashes: Vec<(u64, Instant)>,
    /// Whoever must be told of the first of them, while no timer runs.
    idle: Option<Waker>,
}

/// One request that is watched, until this is dropped.
pub(super) struct Leash {
    watchdog: Watchdog,
    id: u64,
}

impl Watchdog {
    /// Bites soon after `deadline`, unless the leash is dropped before.
    pub(super) fn watch(&self, deadline: Instant) -> Leash {
        let mut watched = self.watched();
        let id = watched.next;
        watched.next += 1;
        watched.leashes.push((id, deadline + SLACK));
        if let Some(idle) = watched.idle.take() {
            idle.wake();
        }
        Leash {
            watchdog: self.clone(),
            id,
        }
    }

    /// Resolves when a request is overdue. There is one timer, which is only set when it has run out: requests come and
    /// go without touching it.
    pub(super) async fn bites(&self) {
        loop {
            let first = poll_fn(|context| {
                // Under one lock, so that no request comes between looking and waiting.
                let mut watched = self.watched();
                match watched.first() {
                    Some(first) => Poll::Ready(first),
                    None => {
                        watched.idle = Some(context.waker().clone());
                        Poll::Pending
                    }
                }
            });
            let first = first.await;
            pin!(sleep_until(first)).await;
            let first = self.watched().first();
            if first.is_some_and(|first| first <= Instant::now()) {
                return;
            }
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// When the first of all requests is overdue.
    fn first(&self) -> Option<Instant> {
        self.leashes.iter().map(|(_, overdue)| *overdue).min()
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        let mut watched = self.watchdog.watched();
        watched.leashes.retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::{advance, sleep};

    use super::*;

    fn after(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn it_bites_after_the_deadline() {
        let watchdog = Watchdog::default();
        let began = Instant::now();
        let _leash = watchdog.watch(began + after(10));
        watchdog.bites().await;
        assert_eq!(began.elapsed(), after(10) + SLACK);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_told_of_requests_while_it_waits() {
        let watchdog = Watchdog::default();
        let bite = tokio::spawn({
            let watchdog = watchdog.clone();
            async move { watchdog.bites().await }
        });
        sleep(after(1)).await;
        let began = Instant::now();
        drop(watchdog.watch(began + after(10)));
        let _leash = watchdog.watch(began + after(20));
        bite.await.expect("a bite");
        assert_eq!(began.elapsed(), after(20) + SLACK);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_done_is_not_bitten() {
        let watchdog = Watchdog::default();
        let mut bite = std::pin::pin!(watchdog.bites());
        for _ in 0..3 {
            let leash = watchdog.watch(Instant::now() + after(10));
            assert!(bite.as_mut().now_or_never().is_none());
            drop(leash);
            advance(after(60)).await;
            assert!(bite.as_mut().now_or_never().is_none());
        }
        assert!(watchdog.watched().leashes.is_empty());
    }
}
