use std::cell::{Cell, RefCell};

use tokio::sync::Notify;

use crate::{Fault, clock, plan::Plan, stats::Stats, words};

/// All tasks, by the number in their id.
#[derive(Default)]
pub(super) struct Tasks {
    tasks: RefCell<Vec<Task>>,
    stats: Cell<Stats>,
    pub(super) released: Notify,
}

/// One task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    pub(super) plan: Plan,
    pub(super) tag: u64,
    pub(super) submitted: u64,
    completed: Option<u64>,
}

impl Tasks {
    pub(super) fn stats(&self) -> Stats {
        self.stats.get()
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Stats)) {
        let mut stats = self.stats.get();
        change(&mut stats);
        self.stats.set(stats);
    }

    pub(super) fn submit(&self, plan: Plan, tag: u64) -> usize {
        self.count(|stats| stats.submits += 1);
        let mut tasks = self.tasks.borrow_mut();
        tasks.push(Task {
            plan,
            tag,
            submitted: clock::now(),
            completed: None,
        });
        tasks.len() - 1
    }

    /// The task object now.
    pub(super) fn query(&self, id: &str) -> Result<String, Fault> {
        self.count(|stats| stats.queries += 1);
        let (number, task) = self.find(id)?;
        let due = match task.plan {
            Plan::Instant => Some(task.submitted),
            Plan::After(time) => Some(task.submitted + time.as_nanos() as u64),
            Plan::Held | Plan::Burst { .. } | Plan::Paced { .. } => None,
        };
        if task.completed.is_none() && due.is_some_and(|due| due <= clock::now()) {
            self.complete(number, due);
        }
        let id = words::task_id(number);
        Ok(match self.find(&id)?.1.completed {
            Some(at) => words::completed(&id, task.tag, at),
            None => words::running(&id, false, "processing"),
        })
    }

    pub(super) fn find(&self, id: &str) -> Result<(usize, Task), Fault> {
        let number = words::task_number(id).ok_or_else(|| format!("{id} is no id"))?;
        let tasks = self.tasks.borrow();
        let task = tasks.get(number).ok_or_else(|| format!("no task {id}"))?;
        Ok((number, *task))
    }

    /// Marks a task as completed, at `at` or now, unless it is already; when it was.
    pub(super) fn complete(&self, number: usize, at: Option<u64>) -> u64 {
        let at = at.unwrap_or_else(clock::now);
        match self.tasks.borrow_mut().get_mut(number) {
            Some(task) => *task.completed.get_or_insert(at),
            None => at,
        }
    }

    /// Completes all held tasks.
    pub(super) fn release(&self) {
        let now = clock::now();
        for task in self.tasks.borrow_mut().iter_mut() {
            if task.plan == Plan::Held {
                task.completed.get_or_insert(now);
            }
        }
        self.released.notify_waiters();
    }

    pub(super) fn is_completed(&self, number: usize) -> bool {
        let tasks = self.tasks.borrow();
        tasks
            .get(number)
            .is_some_and(|task| task.completed.is_some())
    }
}
