use std::{pin::Pin, time::Duration};

use tokio::time::{Instant, Sleep, sleep_until};

use super::Context;

/// The points in time at which something must happen although nothing comes in, behind one timer.
///
/// Most limits only ever move away, and moving one costs nothing: the timer rings at the old time, finds nothing due,
/// and is set again.
pub(super) struct Limits {
    deadline: Instant,
    /// When the silence of the stream becomes suspicious; only while it is listened to.
    silent_at: Instant,
    is_listening: bool,
    /// When the silence towards the client must be broken.
    quiet_at: Instant,
    idle: Duration,
    keepalive: Duration,
    timer: Pin<Box<Sleep>>,
}

/// Which limits have been reached.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) deadline: bool,
    pub(super) silence: bool,
    pub(super) quiet: bool,
}

impl Limits {
    pub(super) fn new(context: &Context) -> Self {
        let now = Instant::now();
        let (idle, keepalive) = (context.stream.idle, context.stream.keepalive);
        let quiet_at = now + keepalive;
        Self {
            deadline: context.deadline,
            silent_at: now + idle,
            is_listening: false,
            quiet_at,
            idle,
            keepalive,
            timer: Box::pin(sleep_until(context.deadline.min(quiet_at))),
        }
    }

    /// Moves the deadline, to either side.
    pub(super) fn end_at(&mut self, deadline: Instant) {
        self.deadline = deadline;
        if deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
    }

    /// Whether the deadline has passed at `now`. Whoever is always busy never gets to hear of it by a timer.
    pub(super) fn are_over(&self, now: Instant) -> bool {
        now >= self.deadline
    }

    /// Resolves when it is worth looking at [`Limits::due`] again.
    pub(super) async fn reached(&mut self) {
        self.timer.as_mut().await;
    }

    /// Tells what is due, and sets the timer for what is next.
    pub(super) fn due(&mut self) -> Due {
        let now = Instant::now();
        let due = Due {
            deadline: now >= self.deadline,
            silence: self.is_listening && now >= self.silent_at,
            quiet: now >= self.quiet_at,
        };
        if due.quiet {
            self.quiet_at = now + self.keepalive;
        }
        if due.silence {
            self.is_listening = false;
        }
        let next = self.deadline.min(self.quiet_at);
        let next = if self.is_listening {
            next.min(self.silent_at)
        } else {
            next
        };
        self.timer.as_mut().reset(next);
        due
    }

    /// The silence of the stream counts from now.
    pub(super) fn listen(&mut self) {
        self.silent_at = Instant::now() + self.idle;
        self.is_listening = true;
        if self.silent_at < self.timer.deadline() {
            self.timer.as_mut().reset(self.silent_at);
        }
    }

    /// The same, unless it is being counted already.
    pub(super) fn go_on_listening(&mut self) {
        if !self.is_listening {
            self.listen();
        }
    }

    /// The stream's silence means nothing until it is listened to again.
    pub(super) fn stop_listening(&mut self) {
        self.is_listening = false;
    }

    /// The stream spoke at `now`.
    pub(super) fn heard(&mut self, now: Instant) {
        self.silent_at = now + self.idle;
    }

    /// The client is being written to.
    pub(super) fn told(&mut self) {
        self.quiet_at = Instant::now() + self.keepalive;
    }
}
