//! What all connections share: the tasks, the journal, and where ids and times come from.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use fastrand::Rng;
use tokio::time::Instant;

use super::{
    Settings, answer,
    journal::Journalist,
    submission::Submission,
    task::{Identity, Task},
};

/// The first moment of a seeded simulator, in Unix seconds.
const SEEDED_EPOCH: u64 = 1_776_874_481;

#[derive(Debug)]
pub(super) struct Service {
    pub(super) settings: Settings,
    pub(super) journalist: Journalist,
    /// Where clients reach it, without a trailing slash.
    pub(super) base_url: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tasks: HashMap<String, Arc<Task>>,
    /// The same tasks, oldest first.
    order: VecDeque<(Instant, String)>,
    rng: Rng,
    /// How often the time was asked for.
    ticks: u64,
}

impl Service {
    pub(super) fn new(settings: Settings, base_url: String) -> Self {
        let rng = settings.seed.map_or_else(Rng::new, Rng::with_seed);
        Self {
            journalist: Journalist::new(settings.journal_requests, settings.journal_bytes),
            base_url,
            state: Mutex::new(State {
                tasks: HashMap::new(),
                order: VecDeque::new(),
                rng,
                ticks: 0,
            }),
            settings,
        }
    }

    /// Makes a task of a valid submit: this is what a real service bills.
    pub(super) fn accept(&self, submission: &Submission, owner: String) -> Arc<Task> {
        let mut state = self.state();
        let created = state.unix_time(self.settings.seed.is_some());
        let id = format!(
            "task-llm-{created}-{}",
            answer::random_word(&mut state.rng, 8)
        );
        let answer = answer::compose(submission, created, &mut state.rng);
        let identity = Identity { id, owner, created };
        let task = Arc::new(Task::new(identity, submission, answer, &self.settings));
        state.keep(Arc::clone(&task), &self.settings);
        task
    }

    /// The task of this id, if it belongs to this key.
    pub(super) fn task(&self, id: &str, owner: &str) -> Option<Arc<Task>> {
        let mut state = self.state();
        state.forget_older_than(self.settings.task_retention);
        let task = state.tasks.get(id)?;
        (task.identity.owner == owner).then(|| Arc::clone(task))
    }

    /// An id for an uploaded file, and the time of it.
    pub(super) fn new_file(&self) -> (String, u64) {
        let mut state = self.state();
        let created = state.unix_time(self.settings.seed.is_some());
        let id = format!("file-{}", answer::random_word(&mut state.rng, 16));
        (id, created)
    }

    /// A panic elsewhere leaves at worst a task that nobody was told of.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn unix_time(&mut self, seeded: bool) -> u64 {
        self.ticks += 1;
        if seeded {
            return SEEDED_EPOCH + self.ticks;
        }
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(SEEDED_EPOCH, |since| since.as_secs())
    }

    fn keep(&mut self, task: Arc<Task>, settings: &Settings) {
        self.forget_older_than(settings.task_retention);
        let id = task.identity.id.clone();
        self.order.push_back((Instant::now(), id.clone()));
        self.tasks.insert(id, task);
        while self.order.len() > settings.max_tasks {
            self.forget_oldest();
        }
    }

    fn forget_older_than(&mut self, age: Duration) {
        while self
            .order
            .front()
            .is_some_and(|(made, _)| made.elapsed() > age)
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.tasks.remove(&id);
        }
    }
}

/// The name under which attempts of one submit or upload are counted: its marker's id, or else its body.
pub(super) fn tally_name(marker_id: Option<&str>, body: &[u8]) -> String {
    match marker_id {
        Some(id) => format!("id {id}"),
        None => {
            let mut hasher = DefaultHasher::new();
            hasher.write(body);
            format!("body {:016x}", hasher.finish())
        }
    }
}
