use std::time::Duration;

use tokio::{
    task::AbortHandle,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// How long after its deadline a request may take to hand over its last words.
const SLACK: Duration = Duration::from_secs(5);

/// Ends the connection of a client that has not taken its answer by the deadline, unless it is dropped before.
///
/// An answer looks at its own limits whenever more of it is asked for. A client that never asks for more, which over
/// HTTP/2 needs no more than granting no window, would hold it and the upstream's stream behind it for ever.
pub(super) struct Watchdog(AbortHandle);

impl Watchdog {
    pub(super) fn new(deadline: Instant, connection: CancellationToken) -> Self {
        let watch = tokio::spawn(async move {
            sleep_until(deadline + SLACK).await;
            connection.cancel();
        });
        Self(watch.abort_handle())
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_bites_after_the_deadline_unless_called_off() {
        let deadline = Instant::now() + Duration::from_secs(10);
        let (kept, dropped) = (CancellationToken::new(), CancellationToken::new());
        let _watchdog = Watchdog::new(deadline, kept.clone());
        drop(Watchdog::new(deadline, dropped.clone()));
        tokio::time::sleep(Duration::from_secs(14)).await;
        assert!(!kept.is_cancelled());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(kept.is_cancelled() && !dropped.is_cancelled());
    }
}
