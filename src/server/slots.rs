//! How many requests may be answered at once, and who holds a place.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use crate::{
    api_error::{ApiError, Retry},
    keys::Permit,
};

/// When a refused client should come again. Answers take seconds, and the official SDKs come again only twice.
const COME_AGAIN: Duration = Duration::from_secs(5);

/// A bounded number of places. Whoever finds none free is turned away: nobody waits for one. Cheap to clone; all clones
/// are one.
#[derive(Clone)]
pub(super) struct Slots {
    free: Arc<Semaphore>,
    taken: TaskTracker,
}

/// A place, free again when its last clone is dropped.
#[derive(Clone)]
pub(super) struct Slot {
    held: Arc<Held>,
}

struct Held {
    _place: (OwnedSemaphorePermit, TaskTrackerToken),
    /// The place among its own client's requests, where these are limited.
    permit: OnceLock<Permit>,
}

impl Slot {
    /// Holds this place too, until its last clone is dropped.
    pub(super) fn hold(&self, permit: Permit) {
        // A request is one client's.
        let _ = self.held.permit.set(permit);
    }

    /// The place among its own client's requests.
    pub(super) fn permit(&self) -> Option<&Permit> {
        self.held.permit.get()
    }
}

impl Slots {
    pub(super) fn new(all: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(all)),
            taken: TaskTracker::new(),
        }
    }

    pub(super) fn take(&self) -> Option<Slot> {
        let permit = self.free.clone().try_acquire_owned().ok()?;
        Some(Slot {
            held: Arc::new(Held {
                _place: (permit, self.taken.token()),
                permit: OnceLock::new(),
            }),
        })
    }

    /// How many places are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.len()
    }

    /// Resolves when no place is taken. Places can still be taken meanwhile.
    pub(super) async fn all_free(&self) {
        self.taken.close();
        self.taken.wait().await;
    }
}

/// As many requests as `server.max_in_flight` are being answered.
pub(super) fn too_many_requests() -> ApiError {
    overloaded("foxbridge is answering as many requests as it may ('server.max_in_flight')")
}

/// Why whatever is asked on a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwelcome {
    /// As many connections as `server.max_connections` are open.
    TooMany,
    /// As many as `server.max_connections_per_address` come from where it comes from.
    TooManyOfAddress,
    /// It speaks plain HTTP where TLS is spoken.
    NotTls,
}

impl Unwelcome {
    pub(super) fn error(self) -> ApiError {
        match self {
            Self::TooMany => {
                overloaded("foxbridge has as many connections as it may ('server.max_connections')")
            }
            Self::TooManyOfAddress => overloaded(
                "foxbridge has as many connections from your address as it may \
                 ('server.max_connections_per_address')",
            ),
            Self::NotTls => ApiError::invalid_request(
                400,
                "tls_required",
                "This is plain HTTP, and foxbridge speaks TLS here. Begin the base URL with https://.",
            ),
        }
    }
}

fn overloaded(why: &str) -> ApiError {
    ApiError::new(
        503,
        "server_error",
        "server_overloaded",
        format!("{why}; nothing was bought. Send the request again a little later."),
    )
    .with_retry(Retry::After(COME_AGAIN))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_slot_is_free_again_when_nobody_holds_it() {
        let slots = Slots::new(2);
        let (one, two) = (slots.take().expect("one"), slots.take().expect("two"));
        assert!(slots.take().is_none());
        let again = one.clone();
        drop(one);
        assert!(slots.take().is_none());
        drop(again);
        assert_eq!(slots.taken(), 1);
        assert!(slots.all_free().now_or_never().is_none());
        drop(two);
        assert!(slots.all_free().now_or_never().is_some());
        assert_eq!(slots.taken(), 0);
    }
}
