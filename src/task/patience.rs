use std::time::Duration;

/// How long to wait for what (`[task]` in proxy.toml).
#[derive(Debug, Clone)]
pub struct Patience {
    /// The whole client request, from its last byte read to its last byte answered.
    pub deadline: Duration,
    /// From the submit to the first query.
    pub poll_first: Duration,
    /// The longest gap between two queries.
    pub poll_max: Duration,
    /// How long a task may be `completed` without results before that is an error.
    pub results_grace: Duration,
    /// How often a submit that was refused with 429 is sent again.
    pub submit_retries: u32,
}
