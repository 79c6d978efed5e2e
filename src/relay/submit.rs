use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Context;
use crate::{
    api_error::ApiError,
    fox::Submission,
    translate::{self, Fallbacks, Instead},
    upstream::{Key, Refusal, SubmitError, Submitted, Tried, Turn},
};

/// A longer wait than this is the client's to make: it can be told how long, and show it to someone.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// The first wait when the upstream says 429 and not for how long; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// A task that was bought just now.
pub struct Sold {
    pub submitted: Submitted,
    /// The key that has bought it, which alone may ask for it.
    pub key: Key,
    /// What has taken the request, where that is not the model that was asked first.
    pub instead: Option<Instead>,
}

/// A submission that brought no task that anybody knows of.
pub struct NotBought {
    pub error: ApiError,
    /// Whether there is none, for sure; otherwise one may exist all the same.
    pub is_certain: bool,
}

/// Turns a submission into a task, with one submit that counts.
///
/// Only what was refused is sent again, because nothing was accepted then: with another key where there are several and
/// this one is at fault; after a wait, `task.submit_retries` times, where the upstream is busy; to another model where it
/// does not have the first. Everything else that goes wrong is the client's to know. Nothing is bought for a client that
/// has left while it waited.
pub async fn submit(
    context: &Context,
    submission: Submission,
    fallbacks: Option<Fallbacks>,
) -> Result<Sold, NotBought> {
    let buyer = Buyer {
        context,
        key: context.key.clone(),
        tried: Tried::default(),
        waits: 0,
        is_repeated: false,
        is_paid: false,
        fallbacks,
        instead: None,
        first: None,
        last: None,
    };
    buyer.buy(submission).await
}

/// How far a submission has come.
struct Buyer<'a> {
    context: &'a Context,
    key: Key,
    tried: Tried,
    /// How often it has waited; each time is one of `task.submit_retries`.
    waits: u32,
    /// Whether anything was sent before.
    is_repeated: bool,
    /// Whether the next submit was paid for as a repetition (`upstream.retry_budget`).
    is_paid: bool,
    fallbacks: Option<Fallbacks>,
    instead: Option<Instead>,
    /// Why the first model has not taken it, where others are asked.
    first: Option<Box<Refusal>>,
    /// What the upstream said when it was sent last, and one key alone is to be used.
    last: Option<Box<Refusal>>,
}

impl Buyer<'_> {
    async fn buy(mut self, mut submission: Submission) -> Result<Sold, NotBought> {
        loop {
            self.take_turn().await?;
            let outcome = self.send(submission).await?;
            let (given_back, refusal) = match outcome {
                Ok(submitted) => return Ok(self.sold(submitted)),
                Err(SubmitError::Refused {
                    submission,
                    refusal,
                }) => (submission, refusal),
                Err(error) => return Err(explained(error)),
            };
            self.is_repeated = true;
            let (status, told) = (refusal.said.status, refusal.retry_after);
            let upstream = &self.context.upstream;
            submission = if upstream.note_refused(&self.key, status, told, &mut self.tried) {
                self.last = Some(refusal).filter(|_| self.key.name().is_none());
                given_back
            } else if status == 429 {
                self.wait_for(refusal).await?;
                given_back
            } else {
                let next = self.next_model(given_back, refusal);
                next.map_err(|refusal| refused(*refusal))?
            };
        }
    }

    async fn send(
        &self,
        submission: Submission,
    ) -> Result<Result<Submitted, SubmitError>, NotBought> {
        let context = self.context;
        let passage = context.upstream.admit(self.is_repeated);
        let passage = passage.map_err(|wait| none(translate::shut(wait)))?;
        let submit = context.upstream.submit(
            passage,
            &self.key,
            context.parent(),
            submission,
            context.deadline,
        );
        tokio::select! {
            biased;
            outcome = submit => Ok(outcome),
            () = context.stop.cancelled() => {
                Err(unknown(translate::ambiguous("foxbridge was stopped before the reply", None)))
            }
        }
    }

    fn sold(self, submitted: Submitted) -> Sold {
        let upstream = &self.context.upstream;
        if self.is_paid {
            upstream.repetition_went_well();
        }
        if self.instead.is_some() {
            upstream.count_fallback(true);
        }
        Sold {
            submitted,
            key: self.key,
            instead: self.instead,
        }
    }

    /// Waits for a key that may be used, where there are several.
    async fn take_turn(&mut self) -> Result<(), NotBought> {
        let upstream = &self.context.upstream;
        loop {
            let patience = self.patience();
            let wait = match upstream.turn(&mut self.key, &mut self.tried, patience) {
                Turn::Now => return Ok(()),
                Turn::After(wait) => wait,
                Turn::Never(rest) => {
                    return Err(self.limited(rest.cause.status(), rest.soonest));
                }
            };
            if self.is_repeated && !self.pay() {
                return Err(self.limited(429, wait));
            }
            self.waits += 1;
            tokio::select! {
                () = sleep(wait) => {}
                () = self.context.stop.cancelled() => return Err(self.limited(429, wait)),
            }
            if self.context.course.is_left() {
                return Err(self.limited(429, wait));
            }
            // It may have been refused to somebody else meanwhile.
            if !upstream.rests(&self.key) {
                return Ok(());
            }
        }
    }

    /// No key may be used for so long: what the upstream itself has said of the only one, or what fits all of them.
    fn limited(&mut self, status: u16, wait: Duration) -> NotBought {
        match self.last.take() {
            Some(refusal) => refused(*refusal),
            None => none(translate::keys_rest(status, wait)),
        }
    }

    /// Waits as long as a busy upstream asks for, if that is worth it.
    async fn wait_for(&mut self, refusal: Box<Refusal>) -> Result<(), NotBought> {
        let wait = refusal
            .retry_after
            .unwrap_or(FIRST_WAIT * (1 << self.waits.min(5)));
        // Many requests are refused together; without jitter they would all come back together.
        let wait = wait.mul_f64(1.0 + fastrand::f64() * 0.2);
        if self.patience().is_none_or(|patience| wait >= patience) || !self.pay() {
            return Err(refused(*refusal));
        }
        self.waits += 1;
        tracing::debug!(
            ?wait,
            waits = self.waits,
            "the upstream is busy and accepted nothing; the submit is sent again"
        );
        tokio::select! {
            () = sleep(wait) => {}
            () = self.context.stop.cancelled() => return Err(refused(*refusal)),
        }
        match self.context.course.is_left() {
            true => Err(refused(*refusal)),
            false => Ok(()),
        }
    }

    /// How long the next wait may be; `None` where there may be no more.
    fn patience(&self) -> Option<Duration> {
        let left = self
            .context
            .deadline
            .saturating_duration_since(Instant::now());
        (self.waits < self.context.patience.submit_retries).then(|| LONGEST_WAIT.min(left))
    }

    fn pay(&mut self) -> bool {
        self.is_paid = self.context.upstream.may_submit_again();
        self.is_paid
    }

    /// The request for the next model, where this one is not to be had; else the refusal to be told.
    fn next_model(
        &mut self,
        given_back: Submission,
        refusal: Box<Refusal>,
    ) -> Result<Submission, Box<Refusal>> {
        let (status, failure) = (refusal.said.status, refusal.failure.as_ref());
        // What a fallback cannot take, the next one may; the client asked for neither.
        let may_fall_back = match self.instead {
            None => translate::may_fall_back(status, failure),
            Some(_) => status == 422,
        };
        let next = match &mut self.fallbacks {
            Some(fallbacks) if may_fall_back => fallbacks.next(given_back),
            _ => None,
        };
        let Some((submission, instead)) = next else {
            if self.fallbacks.is_some() && may_fall_back {
                self.context.upstream.count_fallback(false);
            }
            return Err(self.first.take().unwrap_or(refusal));
        };
        tracing::info!(
            status,
            code = failure.and_then(|failure| failure.code.as_deref()),
            instead = instead.model,
            "a model was refused before anything was accepted; the next one is asked"
        );
        self.first.get_or_insert(refusal);
        self.instead = Some(instead);
        Ok(submission)
    }
}

fn explained(error: SubmitError) -> NotBought {
    match error {
        SubmitError::NotConnected { cause, .. } => none(translate::unreachable(&cause)),
        SubmitError::Refused { refusal, .. } => refused(*refusal),
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
