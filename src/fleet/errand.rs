use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Effect, Fleet, Tag};

/// What one request has to do with Redis. What only matters at its end is told at once, when the last clone is dropped.
#[derive(Clone)]
pub struct Errand(Arc<Inner>);

struct Inner {
    fleet: Fleet,
    tag: Tag,
    at_end: Mutex<Vec<Effect>>,
}

impl Errand {
    pub fn new(fleet: &Fleet, tag: Tag) -> Self {
        Self(Arc::new(Inner {
            fleet: fleet.clone(),
            tag,
            at_end: Mutex::default(),
        }))
    }

    pub fn fleet(&self) -> &Fleet {
        &self.0.fleet
    }

    /// Whose request it is.
    pub fn tag(&self) -> Tag {
        self.0.tag
    }

    /// To be told as soon as can be.
    pub fn note(&self, effect: Effect) {
        self.0.fleet.note(self.0.tag, [effect]);
    }

    /// To be told when the request has come to its end.
    pub fn note_at_end(&self, effect: Effect) {
        let mut at_end = self.0.at_end.lock().unwrap_or_else(PoisonError::into_inner);
        at_end.push(effect);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let effects = self.at_end.get_mut();
        let effects = std::mem::take(effects.unwrap_or_else(PoisonError::into_inner));
        if !effects.is_empty() {
            self.fleet.note(self.tag, effects);
        }
    }
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errand({})", self.0.tag)
    }
}
