use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{App, Settings};
use crate::{relay, task::Patience, translate, upstream::Upstream};

/// The [`App`] that requests are served with from now on. Each is served to its end with the one that it began with. Cheap
/// to clone; all clones are one.
#[derive(Clone)]
pub struct Current(Arc<ArcSwap<App>>);

/// What serves can be given other settings by this, while it serves.
#[derive(Clone)]
pub struct Renewal {
    pub(super) base: Current,
    /// The same for each thread.
    pub(super) threads: Vec<Current>,
}

/// What can be another while foxbridge serves.
pub struct Renewed {
    pub upstream: Upstream,
    pub patience: Patience,
    pub stream: relay::Settings,
    pub models: translate::Settings,
    pub settings: Settings,
}

impl Current {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self(Arc::new(ArcSwap::new(app)))
    }

    pub fn get(&self) -> Arc<App> {
        self.0.load_full()
    }

    fn set(&self, app: App) {
        self.0.store(Arc::new(app));
    }
}

impl Renewal {
    /// Requests that begin from now on are served so.
    pub fn renew(&self, renewed: Renewed) {
        let app = self.base.get().renewed(renewed);
        for thread in &self.threads {
            thread.set(app.for_another_thread());
        }
        self.base.set(app);
    }

    /// What is wrong with what was read last; `None` where all of it is in force.
    pub fn note_fault(&self, fault: Option<String>) {
        self.base.get().fault.store(fault.map(Arc::new));
    }
}
