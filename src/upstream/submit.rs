use std::time::Duration;

use hyper::{Method, StatusCode};

use super::{
    Key, Upstream,
    client::{NoReply, Reply},
};
use crate::fox::{Failure, Submission, Task, paths};

/// Why a submit did not bring a task. Only where it is proven that nothing was accepted is the submission given
/// back, so that nothing else can be sent again.
#[derive(Debug)]
pub enum SubmitError {
    /// No connection: nothing was sent.
    NotConnected {
        submission: Submission,
        cause: String,
    },
    /// 429: the service says that it accepted nothing.
    Busy {
        submission: Submission,
        failure: Option<Box<Failure>>,
        retry_after: Option<Duration>,
    },
    /// Another status below 500 that is no success: this submission will not be taken.
    Refused {
        status: u16,
        failure: Option<Box<Failure>>,
    },
    /// Anything else: the task may exist.
    Ambiguous {
        failure: Option<Box<Failure>>,
        cause: String,
    },
}

impl Upstream {
    /// `POST /v1/llm/generations` (CONTRACT.md, section 1): buys one task.
    pub async fn submit(&self, key: &Key, submission: Submission) -> Result<Task, SubmitError> {
        let uri = match self.uri(paths::GENERATIONS) {
            Ok(uri) => uri,
            Err(error) => {
                return Err(SubmitError::NotConnected {
                    submission,
                    cause: error.cause(),
                });
            }
        };
        let request = Self::request(Method::POST, uri, key, Some(submission.body().clone()));
        match self.call(request).await {
            Ok(reply) => read(reply, submission),
            Err(NoReply::NotConnected(cause)) => {
                Err(SubmitError::NotConnected { submission, cause })
            }
            Err(NoReply::Broken(cause)) => Err(SubmitError::Ambiguous {
                failure: None,
                cause,
            }),
        }
    }
}

fn read(reply: Reply, submission: Submission) -> Result<Task, SubmitError> {
    let status = reply.status;
    if status.is_success() {
        return Task::parse(&reply.body).map_err(|error| SubmitError::Ambiguous {
            failure: None,
            cause: format!("status {status}, but {error}"),
        });
    }
    let failure = Failure::of_reply(&reply.body).map(Box::new);
    if status == StatusCode::TOO_MANY_REQUESTS {
        let retry_after = reply.retry_after();
        return Err(SubmitError::Busy {
            submission,
            failure,
            retry_after,
        });
    }
    if status.is_redirection() || status.is_client_error() {
        let status = status.as_u16();
        return Err(SubmitError::Refused { status, failure });
    }
    let cause = format!("status {status}");
    Err(SubmitError::Ambiguous { failure, cause })
}
