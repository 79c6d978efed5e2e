use crate::{
    fox::Task,
    relay::{Context, Origin, Purpose, Pursuit},
    translate::{Identity, Instead},
};

/// What a request wants of the task that it becomes.
pub(super) struct Order {
    pub(super) context: Context,
    /// The model's name as the client says it.
    pub(super) model: String,
    /// The same as the upstream calls it.
    pub(super) upstream_model: String,
    /// How many choices it asked for (`n`).
    pub(super) choices: u64,
    /// Whether the task's stream is followed.
    pub(super) follows: bool,
    pub(super) purpose: Purpose,
}

impl Order {
    /// Another model has taken the request, if any.
    pub(super) fn serve_instead(&mut self, instead: Option<&Instead>) {
        if let Some(instead) = instead {
            self.upstream_model.clone_from(&instead.model);
            self.follows = instead.follows;
        }
    }

    /// Begins to pursue a task that was made just now, at `created` (Unix seconds), and names its answer.
    pub(super) fn begin(self, task: Task, created: u64) -> (Identity, Pursuit) {
        self.take_up(task, created, true)
    }

    /// The same with a task that was made before.
    pub(super) fn resume(self, task: Task, created: u64) -> (Identity, Pursuit) {
        self.take_up(task, created, false)
    }

    fn take_up(self, task: Task, created: u64, is_new: bool) -> (Identity, Pursuit) {
        let identity = Identity {
            task: task.id.clone(),
            model: self.model,
            created,
            choices: self.choices,
        };
        let origin = match is_new {
            true => Origin::New {
                model: &self.upstream_model,
            },
            false => Origin::Found,
        };
        let pursuit = Pursuit::new(
            self.context,
            task,
            self.follows,
            &identity,
            self.purpose,
            origin,
        );
        (identity, pursuit)
    }
}
