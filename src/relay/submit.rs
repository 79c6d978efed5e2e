use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Context;
use crate::{
    api_error::ApiError,
    fox::Submission,
    translate,
    upstream::{Refusal, SubmitError, Submitted},
};

/// A longer wait than this is the client's to make: it can be told how long, and show it to someone.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// The first wait when the upstream says 429 and not for how long; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// A submission that brought no task that anybody knows of.
pub struct NotBought {
    pub error: ApiError,
    /// Whether there is none, for sure; otherwise one may exist all the same.
    pub is_certain: bool,
}

/// Turns a submission into a task, with one submit that counts.
///
/// Only a 429 is sent again, `task.submit_retries` times: it says that nothing was accepted. Everything else that
/// goes wrong is the client's to know.
pub async fn submit(context: &Context, mut submission: Submission) -> Result<Submitted, NotBought> {
    let mut attempts = 0;
    loop {
        let outcome = tokio::select! {
            biased;
            outcome = context.upstream.submit(&context.key, context.parent(), submission, context.deadline) => outcome,
            () = context.stop.cancelled() => {
                return Err(unknown(translate::ambiguous("foxbridge was stopped before the reply", None)));
            }
        };
        let (given_back, refusal) = match outcome {
            Ok(submitted) => return Ok(submitted),
            Err(SubmitError::Busy {
                submission,
                refusal,
            }) => (submission, refusal),
            Err(error) => return Err(explained(error)),
        };
        let wait = refusal
            .retry_after
            .unwrap_or(FIRST_WAIT * (1 << attempts.min(5)));
        // Many requests are refused together; without jitter they would all come back together.
        let wait = wait.mul_f64(1.0 + fastrand::f64() * 0.2);
        let is_worth_it = wait <= LONGEST_WAIT && Instant::now() + wait < context.deadline;
        if attempts >= context.patience.submit_retries || !is_worth_it {
            return Err(refused(*refusal));
        }
        attempts += 1;
        tracing::debug!(
            ?wait,
            attempts,
            "the upstream is busy and accepted nothing; the submit is sent again"
        );
        tokio::select! {
            () = sleep(wait) => submission = given_back,
            () = context.stop.cancelled() => return Err(refused(*refusal)),
        }
    }
}

fn explained(error: SubmitError) -> NotBought {
    match error {
        SubmitError::NotConnected { cause, .. } => none(translate::unreachable(&cause)),
        SubmitError::Busy { refusal, .. } | SubmitError::Refused(refusal) => refused(*refusal),
        SubmitError::Ambiguous {
            refusal: None,
            cause,
        } => unknown(translate::ambiguous(&cause, None)),
        SubmitError::Ambiguous {
            refusal: Some(refusal),
            cause,
        } => {
            let error = translate::ambiguous(&cause, refusal.failure.as_ref());
            unknown(error.with_upstream(refusal.said))
        }
    }
}

fn refused(refusal: Refusal) -> NotBought {
    let Refusal {
        said,
        failure,
        retry_after,
    } = refusal;
    none(translate::refused(said.status, failure.as_ref(), retry_after).with_upstream(said))
}

fn none(error: ApiError) -> NotBought {
    NotBought {
        error,
        is_certain: true,
    }
}

fn unknown(error: ApiError) -> NotBought {
    NotBought {
        error,
        is_certain: false,
    }
}
