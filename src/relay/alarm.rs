use std::pin::Pin;

use tokio::time::{Instant, Sleep, sleep_until};

/// One timer for several limits that mostly only move away.
///
/// Moving a limit further away costs nothing: the timer rings at the old time, finds nothing due, and is set
/// again. Only a limit that comes nearer must be told at once, with [`Alarm::no_later_than`].
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    pub(super) fn new(at: Instant) -> Self {
        Self {
            sleep: Box::pin(sleep_until(at)),
        }
    }

    /// Resolves when it is worth looking at the limits again.
    pub(super) async fn rings(&mut self) {
        self.sleep.as_mut().await;
    }

    pub(super) fn set(&mut self, at: Instant) {
        self.sleep.as_mut().reset(at);
    }

    pub(super) fn no_later_than(&mut self, at: Instant) {
        if at < self.sleep.deadline() {
            self.set(at);
        }
    }
}
