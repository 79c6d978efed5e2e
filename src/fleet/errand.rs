use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use super::{Away, Effect, Fleet, Tag};

/// What one request has to do with Redis. What only matters at its end is told in one, when the last clone is dropped.
#[derive(Clone)]
pub struct Errand(Arc<Inner>);

struct Inner {
    fleet: Fleet,
    tag: Tag,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    /// Whether more is to come that goes together with what is noted now.
    is_held: bool,
    held: Vec<Effect>,
    at_end: Vec<Effect>,
}

impl Errand {
    pub fn new(fleet: &Fleet, tag: Tag) -> Self {
        Self(Arc::new(Inner {
            fleet: fleet.clone(),
            tag,
            noted: Mutex::default(),
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
        let mut noted = self.0.noted();
        match noted.is_held {
            true => noted.held.push(effect),
            false => {
                drop(noted);
                self.0.fleet.note(self.0.tag, [effect]);
            }
        }
    }

    /// To be told when the request has come to its end.
    pub fn note_at_end(&self, effect: Effect) {
        self.0.noted().at_end.push(effect);
    }

    /// For whoever still has something to say when it is over.
    pub fn later(&self) -> Later {
        Later {
            fleet: self.0.fleet.clone(),
            tag: self.0.tag,
            errand: Arc::downgrade(&self.0),
        }
    }

    /// What is noted from now on waits for more that is told together with it, or for the request's end.
    pub fn hold(&self) {
        self.0.noted().is_held = true;
    }

    /// Nothing more is to come.
    pub fn release(&self) {
        let held = self.0.take_held();
        if !held.is_empty() {
            self.0.fleet.note(self.0.tag, held);
        }
    }

    /// Tells this together with what was held.
    ///
    /// # Errors
    /// When Redis does not say in time that it knows of it; see [`Fleet::tell`].
    pub async fn tell(&self, effect: Effect) -> Result<(), Away> {
        let mut effects = self.0.take_held();
        effects.push(effect);
        self.0.fleet.tell(self.0.tag, effects).await
    }
}

/// What comes to be known of a request when it has perhaps come to its end.
pub struct Later {
    fleet: Fleet,
    tag: Tag,
    errand: Weak<Inner>,
}

impl Later {
    /// To be told behind everything that the request itself has to tell.
    pub fn note(self, effect: Effect) {
        match self.errand.upgrade() {
            Some(errand) => errand.noted().at_end.push(effect),
            None => self.fleet.note(self.tag, [effect]),
        }
    }
}

impl Inner {
    fn take_held(&self) -> Vec<Effect> {
        let mut noted = self.noted();
        noted.is_held = false;
        std::mem::take(&mut noted.held)
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let noted = self.noted.get_mut();
        let mut noted = std::mem::take(noted.unwrap_or_else(PoisonError::into_inner));
        let mut effects = noted.held;
        effects.append(&mut noted.at_end);
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
