use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Instant,
};

use super::Client;
use crate::{
    fleet::{Effect, Errand},
    openai::Usage,
};

/// What a token is taken for where nobody counts them.
const BYTES_A_TOKEN: u64 = 4;

/// A request's place among those that are answered at the same time, free again when its last clone is dropped.
#[derive(Debug, Clone)]
pub struct Permit {
    held: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    client: Client,
    /// What it is called among the places of all replicas, if it is one of them.
    shared: OnceLock<(Errand, String)>,
}

impl Permit {
    pub(super) fn new(client: Client) -> Self {
        let shared = OnceLock::new();
        Self {
            held: Arc::new(Place { client, shared }),
        }
    }

    /// Makes it a place among those of all replicas.
    pub(super) fn share(&self, errand: Errand, place: String) {
        // Whoever has a place there asks for no other.
        let _ = self.held.shared.set((errand, place));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.client.leave();
        if let Some((errand, place)) = self.shared.take() {
            errand.note_at_end(Effect::Leave(place));
        }
    }
}

/// Tokens that were taken for a request. They come back where nothing is bought in the end; what was bought keeps them until
/// it is known how many it used.
pub struct Reserved {
    client: Client,
    taken: u64,
    prompt: u64,
    is_bought: bool,
    /// What is known of the answer so far, should nobody wait for its end.
    so_far: Option<SoFar>,
    /// By which all replicas are told, if they count them.
    errand: Option<Errand>,
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reserved({} tokens)", self.taken)
    }
}

/// The usage, where it is known, and how many bytes of the answer were told.
type SoFar = Box<dyn Fn() -> (Option<Usage>, usize) + Send>;

impl Reserved {
    pub(super) fn new(client: Client, taken: u64, prompt: u64) -> Self {
        Self {
            client,
            taken,
            prompt,
            is_bought: false,
            so_far: None,
            errand: None,
        }
    }

    /// Of those that all replicas count.
    pub fn on(self, errand: &Errand) -> Self {
        let mut reserved = self;
        reserved.errand = Some(errand.clone());
        reserved
    }

    fn give(&mut self, amount: f64, now: Instant) {
        self.client.give_tokens(amount, now);
        if let (Some(errand), Some(limit)) = (self.errand.take(), self.client.token_limit()) {
            errand.note_at_end(Effect::Give { limit, amount });
        }
    }

    /// A task was bought, or may have been. From here on at least what `so_far` tells was used.
    pub fn bought(&mut self, so_far: SoFar) {
        self.is_bought = true;
        self.so_far = Some(so_far);
    }

    /// The answer is whole: this is what it used, or, where nobody says so, it has so many bytes.
    pub fn settle(self, usage: Option<Usage>, bytes: usize) {
        self.settle_at(usage, bytes, Instant::now());
    }

    pub(super) fn settle_at(mut self, usage: Option<Usage>, bytes: usize, now: Instant) {
        self.is_bought = true;
        self.so_far = None;
        let used = self.used(usage, bytes);
        self.give(self.taken as f64 - used as f64, now);
    }

    fn used(&self, usage: Option<Usage>, bytes: usize) -> u64 {
        let told = usage.map(|usage| usage.input.saturating_add(usage.output));
        // Nothing is used by no answer, so that is a usage which says nothing.
        let used = told.filter(|tokens| *tokens > 0);
        used.unwrap_or_else(|| self.prompt.saturating_add(estimate(bytes)))
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let now = Instant::now();
        if !self.is_bought {
            self.give(self.taken as f64, now);
        } else if let Some(so_far) = self.so_far.take() {
            // Whoever leaves early has had what was told until then, and the task goes on.
            let (usage, bytes) = so_far();
            let owed = self.used(usage, bytes).saturating_sub(self.taken);
            self.give(-(owed as f64), now);
        }
    }
}

/// How many tokens a text of so many bytes is likely to be. Cheap and coarse; it is corrected afterwards.
pub fn estimate(bytes: usize) -> u64 {
    bytes as u64 / BYTES_A_TOKEN
}
