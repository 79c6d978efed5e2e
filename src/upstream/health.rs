use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use hyper_util::client::legacy::connect::Connection;
use tokio::time::timeout;
use tower_service::Service;

use super::Upstream;

/// So many connections in a row that could not be made are no accident.
const ENOUGH: u32 = 3;
/// How long somebody who asks is made to wait.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many connections in a row could not be made. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub(super) struct Health(Arc<AtomicU32>);

impl Health {
    /// The upstream has said something.
    pub(super) fn is_alive(&self) {
        // Nearly always it was alive before, which costs no more than a look.
        if self.0.load(Relaxed) > 0 {
            self.0.store(0, Relaxed);
        }
    }

    pub(super) fn is_not_reached(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Upstream {
    /// Whether the last connections could be made, or some of them.
    pub fn seems_alive(&self) -> bool {
        self.health.0.load(Relaxed) < ENOUGH
    }

    /// Whether the upstream can be connected to. It is asked only when the last requests could not be sent, because whoever
    /// is taken for dead is sent no more requests that could show otherwise.
    pub async fn is_reachable(&self) -> bool {
        if self.seems_alive() {
            return true;
        }
        let connecting = self.pool.connector().call(self.pool.origin());
        let is_reached = match timeout(PATIENCE, connecting).await {
            Ok(Ok(io)) => {
                drop(io.connected());
                true
            }
            _ => false,
        };
        if is_reached {
            self.health.is_alive();
        }
        is_reached
    }
}
