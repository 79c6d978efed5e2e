//! `/v1/responses`: a response is made like a chat, and may be kept so that it can be asked for and gone on from.

mod background;
mod create;
mod history;
mod input_items;
mod stored;

pub(super) use create::create;
pub(super) use stored::serve;

use std::sync::{Arc, atomic::Ordering};

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName};

use super::App;
use crate::{
    api_error::{ApiError, Retry},
    fleet::Errand,
    ledger::{Caller, Kept, Ledger},
    translate::{Responder, response_id},
};

/// What a cancelled response can be promised.
const CANCEL: HeaderName = HeaderName::from_static("x-foxbridge-cancel");

/// What a request asks of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Retrieve,
    Delete,
    Cancel,
    InputItems,
}

/// Who asks, by the credential alone: how the scheme before it is written makes nobody another.
fn caller(headers: &HeaderMap) -> Caller<'_> {
    let credential = headers
        .get(AUTHORIZATION)
        .map_or(&b""[..], |key| key.as_bytes());
    let key = match credential.split_at_checked(7) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(b"bearer ") => key,
        _ => credential,
    };
    Caller(key.trim_ascii())
}

fn not_found(id: &str) -> ApiError {
    ApiError::invalid_request(
        404,
        "response_not_found",
        format!(
            "Response with id '{}' not found. Responses are kept for the key that made them, unless 'store' is false, and as \
             long as 'responses.max_age' and 'responses.max_size' allow.",
            id.chars().take(100).collect::<String>()
        ),
    )
}

/// Where responses are kept cannot be asked just now.
fn cannot_be_found() -> ApiError {
    ApiError::new(
        503,
        "server_error",
        "ledger_unavailable",
        "foxbridge cannot reach the Redis that keeps responses just now. Nothing is lost and nothing was bought: ask again a \
         little later.",
    )
    .with_retry(Retry::After(std::time::Duration::from_secs(1)))
}

/// A response and where it is kept, for whoever gets to know what it has come to.
pub(super) struct Shelved {
    ledger: Ledger,
    kept: Arc<Kept>,
    /// What the request that makes it has to do with the fleet.
    errand: Option<Errand>,
}

impl Shelved {
    fn new(app: &App, kept: Arc<Kept>, errand: Option<&Errand>) -> Self {
        Self {
            ledger: app.ledger.clone(),
            kept,
            errand: errand.cloned(),
        }
    }

    /// Its tokens have been taken account of.
    pub(super) fn is_charged(&self) {
        self.kept.is_charged.store(true, Ordering::Relaxed);
        if self.kept.request.background {
            let errand = self.errand.as_ref();
            self.ledger.charge(&self.kept, 0, 0, errand);
        }
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Keeps what the response has come to, if that is known.
    pub(super) fn settle(&self) {
        if self.kept.outcome.get().is_some() {
            self.ledger.settled(&self.kept, self.errand.as_ref());
        }
    }
}

/// Who answers a kept response once more.
fn responder(kept: &Kept) -> Responder {
    Responder {
        begun: kept.request.begun.clone(),
        task: kept.bought.task.clone(),
        summarizes: kept.request.summarizes,
        wants_logprobs: kept.request.wants_logprobs,
        customs: kept.request.customs.clone(),
        outcome: kept.outcome.clone(),
    }
}
