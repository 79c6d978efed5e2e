use std::time::Duration;

use hyper::{HeaderMap, Method, StatusCode};
use tokio::time::Instant;

use super::{
    Key, Parent, Passage, Upstream,
    client::{NoReply, Reply},
};
use crate::{
    api_error::Said,
    fox::{Failure, State, Submission, Task, paths},
    metrics::{Call, KeyOutcome},
};

/// A task that was just bought.
#[derive(Debug)]
pub struct Submitted {
    pub task: Task,
    pub said: Said,
}

/// Why a submit did not bring a task. Only where it is proven that nothing was accepted is the submission given
/// back, so that nothing else can be sent again.
#[derive(Debug)]
pub enum SubmitError {
    /// No connection: nothing was sent.
    NotConnected {
        submission: Submission,
        cause: String,
    },
    /// A status that says that nothing was accepted: 429, and whatever is about the key or the request.
    Refused {
        submission: Submission,
        refusal: Box<Refusal>,
    },
    /// Anything else: the task may exist.
    Ambiguous {
        refusal: Option<Box<Refusal>>,
        cause: String,
    },
}

/// A reply that brought no task.
#[derive(Debug)]
pub struct Refusal {
    pub said: Said,
    /// `None` when the reply is not the upstream's own.
    pub failure: Option<Failure>,
    pub retry_after: Option<Duration>,
}

impl Upstream {
    /// `POST /v1/llm/generations` (CONTRACT.md, section 1): buys one task. Without a reply before `deadline`, nobody knows
    /// whether it did.
    pub async fn submit(
        &self,
        passage: Passage,
        key: &Key,
        parent: Option<&Parent>,
        submission: Submission,
        deadline: Instant,
    ) -> Result<Submitted, SubmitError> {
        let target = match self.target(paths::GENERATIONS) {
            Ok(target) => target,
            Err(error) => {
                return Err(SubmitError::NotConnected {
                    submission,
                    cause: error.cause(),
                });
            }
        };
        let body = Some(submission.body().clone());
        let request = Self::request(Method::POST, target, key, parent, body);
        let reply = self.call_by(Some(deadline), Call::Submit, request).await;
        passage.over(match &reply {
            Ok(reply) => reply.status.is_server_error(),
            Err(_) => true,
        });
        let submitted = match reply {
            Ok(reply) => read(key, &reply, submission),
            Err(NoReply::NotConnected(cause)) => {
                Err(SubmitError::NotConnected { submission, cause })
            }
            Err(NoReply::Broken(cause) | NoReply::TooLong(cause)) => Err(SubmitError::Ambiguous {
                refusal: None,
                cause,
            }),
        };
        if let Some(member) = key.member() {
            if submitted.is_ok() {
                member.went_well(Instant::now());
            }
            if let Some(name) = member.name() {
                self.metrics.submitted(name, outcome(&submitted));
            }
        }
        submitted
    }
}

fn outcome(submitted: &Result<Submitted, SubmitError>) -> KeyOutcome {
    match submitted {
        Ok(_) => KeyOutcome::Accepted,
        Err(SubmitError::Refused { refusal, .. }) => KeyOutcome::Refused(refusal.said.status),
        Err(SubmitError::NotConnected { .. } | SubmitError::Ambiguous { .. }) => KeyOutcome::Failed,
    }
}

fn read(key: &Key, reply: &Reply, submission: Submission) -> Result<Submitted, SubmitError> {
    let status = reply.status;
    let said = Said {
        status: status.as_u16(),
        rate_limits: rate_limits(&reply.headers),
    };
    if status.is_success()
        && let Ok(task) = Task::parse(&reply.body)
    {
        let task = redacted(key, task);
        return Ok(Submitted { task, said });
    }
    let refusal = Box::new(Refusal {
        said,
        failure: reply.failure(key),
        retry_after: reply.retry_after(),
    });
    Err(if is_refusal(status) {
        SubmitError::Refused {
            submission,
            refusal,
        }
    } else {
        SubmitError::Ambiguous {
            refusal: Some(refusal),
            cause: format!("status {status} and no task"),
        }
    })
}

/// Whether a status proves that no task was made. Those about time do not: the request may have gone on regardless.
fn is_refusal(status: StatusCode) -> bool {
    let is_about_time = matches!(status.as_u16(), 408 | 425 | 499);
    (status.is_redirection() || status.is_client_error()) && !is_about_time
}

fn redacted(key: &Key, mut task: Task) -> Task {
    if let State::Failed(failure) = task.state {
        task.state = State::Failed(key.redacted(failure));
    }
    task
}

fn rate_limits(headers: &HeaderMap) -> Vec<(String, String)> {
    let limits = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-ratelimit-"));
    limits
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect()
}
