use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use scopeguard::ScopeGuard;
use tokio::{runtime::Handle, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::pursuit::{Progress, Pursuit};
use crate::{metrics::Metrics, task::Ending};

/// A pursuit that somebody waits for. Dropped before its end, it is handed to [`Orphans`]. It is large and handed from
/// future to future, hence the box.
pub type Attended = ScopeGuard<Box<Pursuit>, fn(Box<Pursuit>)>;

/// Ends a pursuit that nobody waits for although its client is still there.
pub fn let_go(pursuit: Attended) {
    drop(ScopeGuard::into_inner(pursuit));
}

/// Tasks whose client has left, each followed to its end (`task.orphan = "finish"`) or let go.
///
/// Nothing of an answer is kept: the upstream keeps it, and whoever sends the request again finds the task by the ledger
/// and has its answer by the first query, or by the stream's replay. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Orphans(Arc<Inner>);

struct Inner {
    grace: Option<Duration>,
    most: usize,
    metrics: Metrics,
    /// The ids of those that are followed.
    followed: Mutex<HashSet<String>>,
    running: TaskTracker,
    stop: CancellationToken,
}

impl Orphans {
    /// Follows up to `most` tasks at once, each for up to `grace` from when its client left; none without a grace.
    pub fn new(grace: Option<Duration>, most: usize, metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            grace,
            most,
            metrics,
            followed: Mutex::default(),
            running: TaskTracker::new(),
            stop: CancellationToken::new(),
        }))
    }

    /// Lets all of them go, and any that would come after. Resolves when each has left its line in the log.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.running.close();
        self.0.running.wait().await;
    }

    /// Goes on with a pursuit whose client has left, in a task of its own.
    pub(super) fn adopt(&self, mut pursuit: Box<Pursuit>) {
        let Some(grace) = self.0.grace else { return };
        // Without a runtime the process is ending, and nothing is followed any more.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if pursuit.has_ended() || self.0.stop.is_cancelled() {
            return;
        }
        let Some(place) = self.place(pursuit.task()) else {
            return;
        };
        let began = Instant::now();
        pursuit.end_at(began + grace);
        let stop = self.0.stop.clone();
        let follow = async move {
            let outcome = tokio::select! {
                outcome = end(&mut pursuit) => outcome,
                () = stop.cancelled() => "stopped",
            };
            place.orphans.0.metrics.orphan(outcome);
            let (task, ms) = (&*place.task, began.elapsed().as_millis() as u64);
            tracing::info!(task, outcome, ms, "followed on after its client had left");
        };
        self.0.running.spawn_on(follow, &runtime);
    }

    /// A place for one more, unless there are too many or somebody follows this one already.
    fn place(&self, task: &str) -> Option<Place> {
        let mut followed = self.followed();
        if followed.len() >= self.0.most {
            tracing::warn!(
                task,
                most = self.0.most,
                "too many tasks are followed; this one is let go"
            );
            return None;
        }
        let task = task.to_owned();
        followed.insert(task.clone()).then(|| Place {
            orphans: self.clone(),
            task,
        })
    }

    fn followed(&self) -> MutexGuard<'_, HashSet<String>> {
        let followed = self.0.followed.lock();
        followed.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held while a task is followed.
struct Place {
    orphans: Orphans,
    task: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.orphans.followed().remove(&self.task);
    }
}

/// Follows a task to its end, and says in a word what that was.
async fn end(pursuit: &mut Pursuit) -> &'static str {
    loop {
        match pursuit.advance().await {
            Progress::Ended(ending) => return outcome(&ending),
            Progress::Wrote => drop(pursuit.take()),
            Progress::Quiet => {}
        }
    }
}

fn outcome(ending: &Ending) -> &'static str {
    match ending {
        Ending::Streamed | Ending::Settled(_) | Ending::Answered(_) => "completed",
        Ending::Failed(_) => "failed",
        Ending::NoResults => "no results",
        Ending::Lost { .. } => "lost",
        Ending::Deadline { unreachable: true } => "unreachable",
        Ending::Deadline { unreachable: false } => "still running",
        Ending::Stopped => "stopped",
        Ending::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_are_allowed_and_each_once() {
        let orphans = Orphans::new(Some(Duration::from_secs(1)), 2, Metrics::new("0"));
        let first = orphans.place("a");
        assert!(first.is_some());
        assert!(orphans.place("a").is_none(), "it is followed already");
        let _second = orphans.place("b");
        assert!(orphans.place("c").is_none(), "there are two");
        drop(first);
        assert!(orphans.place("c").is_some());
    }
}
