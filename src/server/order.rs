use crate::{
    fox::Task,
    relay::{Context, Purpose, Pursuit},
    translate::Identity,
};

/// What a request wants of the task that it becomes.
pub(super) struct Order {
    pub(super) context: Context,
    /// The model's name as the client says it.
    pub(super) model: String,
    /// How many choices it asked for (`n`).
    pub(super) choices: u64,
    /// Whether the task's stream is followed.
    pub(super) follows: bool,
    pub(super) purpose: Purpose,
}

impl Order {
    /// Begins to pursue the task, made at `created` (Unix seconds), and names its answer.
    pub(super) fn take_up(self, task: Task, created: u64) -> (Identity, Pursuit) {
        let identity = Identity {
            task: task.id.clone(),
            model: self.model,
            created,
            choices: self.choices,
        };
        let pursuit = Pursuit::new(self.context, task, self.follows, &identity, self.purpose);
        (identity, pursuit)
    }
}
