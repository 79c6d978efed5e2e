//! Drives a task's state machine with real I/O: waiting for an answer, or bridging its stream.
//!
//! A request first becomes a task ([`submit`]); the task then is a [`Pursuit`], which [`wait`] follows to its
//! result and [`live`] turns into the client's event stream. When the client leaves, it is for [`Orphans`].

mod course;
mod histories;
mod limits;
mod live;
mod orphans;
mod perform;
mod pursuit;
mod returning;
mod settings;
mod submit;
mod telling;
mod upload;
mod wait;

pub use course::Course;
pub use histories::Histories;
pub use live::{Told, live};
pub use orphans::{Attended, Orphans, let_go};
pub use pursuit::{Origin, Pursuit};
pub use returning::Returning;
pub use settings::Settings;
pub use submit::{NotBought, Sold, submit};
pub use telling::{Heard, Purpose, Telling};
pub use upload::upload;
pub use wait::{Waited, wait};

use std::{ops::Deref, sync::Arc};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::Bought,
    task::Patience,
    upstream::{Key, Parent, Upstream},
};

/// What the steps of every request need.
pub struct Means {
    pub upstream: Upstream,
    pub patience: Patience,
    pub stream: Settings,
    /// What is known of how long tasks take.
    pub histories: Histories,
    /// Whose turn it is to take up a task that was bought before.
    pub returning: Returning,
    /// Who follows a task when its client leaves.
    pub orphans: Orphans,
    /// Cancelled when the proxy will wait no longer.
    pub stop: CancellationToken,
}

/// What every step of one request needs. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    pub means: Arc<Means>,
    pub key: Key,
    /// The span of the request, where there are traces.
    pub parent: Option<Arc<Parent>>,
    /// Where it is noted what happens on its way.
    pub course: Course,
    /// When the client must have its answer or its error.
    pub deadline: Instant,
}

impl Context {
    pub fn parent(&self) -> Option<&Parent> {
        self.parent.as_deref()
    }

    /// From here on it is about a task that was bought before, which its own key asks for.
    pub fn go_on_with_key(&mut self, bought: &Bought) {
        if let Some(name) = &bought.key {
            let otherwise = self.key.clone();
            self.key = self.upstream.key_that_bought(name, otherwise, &bought.task);
        }
    }
}

impl Deref for Context {
    type Target = Means;

    fn deref(&self) -> &Means {
        &self.means
    }
}
