//! Limits where there is a fleet: Redis counts for all replicas, and what is counted here is a copy of it, for when Redis is away
//! and for what clients are told.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{
    Client, Limits, Permit, Reserved,
    refusal::{Limit, Refusal},
};
use crate::{
    api_error::ApiError,
    fleet::{Away, Effect, Errand, Fleet, PLACES, Question, REQUESTS, TOKENS, script},
};

/// A place that has just become free may not be known to be: whoever finds none looks once more after this.
const ONCE_MORE: Duration = Duration::from_millis(30);

/// A place that Redis may have given although nobody has heard so: dropped, it is given back.
struct Attempt<'a> {
    errand: &'a Errand,
    place: &'a str,
    is_open: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.errand.note(Effect::Leave(self.place.to_owned()));
        }
    }
}

/// What Redis says to a request that begins.
struct Said {
    refused: String,
    requests_left: f64,
    tokens_left: f64,
    /// Who has the places, where there is none.
    holders: Vec<String>,
    /// The answer to what was asked along.
    along: Option<Vec<String>>,
}

/// A request that has begun.
#[derive(Default)]
struct Entered {
    permit: Option<Permit>,
    along: Option<Vec<String>>,
}

impl Client {
    /// What one request of this client has to do with Redis.
    pub fn errand(&self, fleet: &Fleet) -> Errand {
        Errand::new(fleet, fleet.tag_of_digest(&self.hash().bytes()))
    }

    /// Begins a request as [`Client::enter`] does, among those of all replicas.
    pub async fn enter_shared(
        &self,
        counts: bool,
        errand: &Errand,
    ) -> Result<Option<Permit>, ApiError> {
        let entered = self.try_to_enter(counts, errand, None, None).await;
        let entered = entered.map_err(|refusal| refusal.told(self.name()))?;
        Ok(entered.permit)
    }

    /// The same of a request that has a foothold since it came, together with a question about responses
    /// ([`script::FIND`]). The answer is there only if both were asked.
    pub async fn enter_late(
        &self,
        foothold: &Permit,
        errand: &Errand,
        counts: bool,
        along: Option<&Question>,
    ) -> Result<Option<Vec<String>>, ApiError> {
        let entered = self
            .try_to_enter(counts, errand, Some(foothold), along)
            .await;
        let entered = entered.map_err(|refusal| refusal.told(self.name()))?;
        Ok(entered.along)
    }

    async fn try_to_enter(
        &self,
        counts: bool,
        errand: &Errand,
        foothold: Option<&Permit>,
        along: Option<&Question>,
    ) -> Result<Entered, Refusal> {
        let limits = self.limits();
        if limits.concurrency.is_none() && (limits.requests_per_minute.is_none() || !counts) {
            return Ok(Entered::default());
        }
        let place = format!("{}/{:016x}", errand.fleet().replica(), fastrand::u64(..));
        let mut gone = Vec::new();
        let mut has_waited = false;
        loop {
            let mut attempt = Attempt {
                errand,
                place: &place,
                // Whoever cannot ask is given nothing, and what is told later piles up while Redis is away.
                is_open: limits.concurrency.is_some() && !errand.fleet().is_away(),
            };
            let told = told(limits, counts, errand, &place, &gone);
            let Ok(said) = ask(errand.fleet(), told, along).await else {
                // Whether or not it has one in Redis: here it has one of its own.
                let now = Instant::now();
                let permit = match foothold {
                    None => self.enter_at(counts, now)?,
                    Some(foothold) => {
                        if counts {
                            self.count_request(now)?;
                        }
                        Some(foothold.clone())
                    }
                };
                return Ok(Entered {
                    permit,
                    along: None,
                });
            };
            attempt.is_open = false;
            self.mirror(said.requests_left, said.tokens_left);
            match said.refused.as_str() {
                "" => {
                    let permit = limits.concurrency.map(|_| {
                        let permit = foothold.cloned().unwrap_or_else(|| self.place());
                        permit.share(errand.clone(), place.clone());
                        permit
                    });
                    return Ok(Entered {
                        permit,
                        along: said.along,
                    });
                }
                "requests" => {
                    let allowed = limits.requests_per_minute.unwrap_or_default();
                    return Err(Refusal {
                        limit: Limit::Requests,
                        allowed,
                        left: 0,
                        asked: 1,
                        wait: until(1.0 - said.requests_left, allowed),
                    });
                }
                _ => {
                    let dead = dead(errand.fleet(), &said.holders).await;
                    let has_dead = dead.iter().any(|one| !gone.contains(one));
                    if !has_dead && has_waited {
                        let allowed = limits.concurrency.unwrap_or_default();
                        return Err(Refusal::at_once(allowed));
                    }
                    if !has_dead {
                        has_waited = true;
                        sleep(ONCE_MORE).await;
                    }
                    gone = dead;
                }
            }
        }
    }

    /// How many tokens Redis is to take for a request that is bought: of so many a minute, so many.
    pub fn asks(&self, prompt: u64, answer: u64) -> Option<(u32, u64)> {
        let limit = self.limits().tokens_per_minute?;
        let amount = prompt.saturating_add(answer).min(u64::from(limit));
        Some((limit, amount))
    }

    /// Redis has taken what was asked for, and so much is left.
    pub fn taken(&self, asked: (u32, u64), prompt: u64, left: f64, errand: &Errand) -> Reserved {
        self.mirror(-1.0, left);
        Reserved::new(self.clone(), asked.1, prompt).on(errand)
    }

    /// Redis has not: the limit does not allow it.
    pub fn lacks(&self, asked: (u32, u64), left: f64) -> ApiError {
        self.mirror(-1.0, left);
        let (allowed, amount) = asked;
        let refusal = Refusal {
            limit: Limit::Tokens,
            allowed,
            left: left.max(0.0) as u64,
            asked: amount,
            wait: until(amount as f64 - left, allowed),
        };
        refusal.told(self.name())
    }
}

/// What is asked for a request that begins.
fn told(limits: Limits, counts: bool, errand: &Errand, place: &str, gone: &[String]) -> Question {
    let number = |limit: Option<u32>| limit.unwrap_or(0).to_string();
    let mut arguments = vec![
        number(limits.requests_per_minute),
        u8::from(counts).to_string(),
        number(limits.concurrency),
        number(limits.tokens_per_minute),
        place.to_owned(),
    ];
    arguments.extend_from_slice(gone);
    Question {
        keys: [REQUESTS, TOKENS, PLACES]
            .map(|end| errand.tag().key(end))
            .into(),
        arguments,
    }
}

async fn ask(
    fleet: &Fleet,
    mut question: Question,
    along: Option<&Question>,
) -> Result<Said, Away> {
    let (said, along) = match along {
        None => (fleet.ask(&script::ENTER, &question).await?, None),
        Some(along) => {
            let lengths = [question.keys.len(), question.arguments.len()];
            question.keys.extend_from_slice(&along.keys);
            question.arguments.extend_from_slice(&along.arguments);
            let lengths = lengths.map(|length| length.to_string());
            question.arguments.splice(0..0, lengths);
            let mut said = fleet.ask(&script::ENTER_AND_FIND, &question).await?;
            let entering = said.first().and_then(|length| length.parse().ok());
            let found = said.split_off((1 + entering.unwrap_or(0)).min(said.len()));
            (said.split_off(1.min(said.len())), Some(found))
        }
    };
    let mut said = said.into_iter();
    let mut next = || said.next().unwrap_or_default();
    let (refused, requests, tokens) = (next(), next(), next());
    Ok(Said {
        refused,
        requests_left: requests.parse().unwrap_or(-1.0),
        tokens_left: tokens.parse().unwrap_or(-1.0),
        holders: said.collect(),
        along,
    })
}

/// Those who hold places and do not live any more.
async fn dead(fleet: &Fleet, holders: &[String]) -> Vec<String> {
    let mut dead: Vec<String> = Vec::new();
    let mut known: Vec<&String> = Vec::new();
    for holder in holders {
        if known.contains(&holder) || holder == fleet.replica() {
            continue;
        }
        known.push(holder);
        if fleet.is_living(holder).await == Ok(false) {
            dead.push(holder.clone());
        }
    }
    dead
}

/// How long until so much has flowed back.
fn until(lacking: f64, a_minute: u32) -> Duration {
    let seconds = lacking.max(0.0) * 60.0 / f64::from(a_minute.max(1));
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
