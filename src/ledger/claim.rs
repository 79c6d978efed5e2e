use std::time::Duration;

use tokio::sync::watch;

use super::{
    Bought, Hash, Ledger,
    claim_shared::{Handed, Remote},
    rows::{Row, State},
};
use crate::fleet::{Effect, Errand, Fate};

/// Whose request it is: the credential that the client sent, whichever key goes upstream.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a>(pub &'a [u8]);

/// What a client says about a request's identity.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub caller: Caller<'a>,
    /// `Idempotency-Key`.
    pub key: Option<&'a str>,
    /// Whether the client says that it sends this again (`x-stainless-retry-count` of 1 or more).
    pub is_retry: bool,
    /// The endpoint and the body.
    pub content: [&'a [u8]; 2],
}

/// What else is asked of the fleet with a claim, where there is one.
#[derive(Debug, Clone, Default)]
pub struct Take {
    /// What the request has to do with Redis so far.
    pub errand: Option<Errand>,
    /// Tokens to be taken if it is new, of so many a minute: the limit, and the amount.
    pub tokens: Option<(u32, u64)>,
}

/// What the ledger knows of a claim.
#[derive(Debug)]
pub enum Claimed {
    /// Nothing: the request is to be submitted.
    New(Intent),
    /// It has bought this task before.
    Bought(Bought, Receipt),
    /// It was submitted, and nobody knows whether that made a task.
    Ambiguous,
    /// The same key came with another body before.
    Conflict,
    /// It would be new, and so many tokens are left of a limit that does not allow it.
    Limited(f64),
    /// The fleet cannot be asked, and the operator wants nothing bought then.
    Unavailable,
}

/// The right and the duty to submit a request once. Dropped before [`Intent::sending`], it leaves nothing behind;
/// dropped after it without a word, its outcome is ambiguous.
pub struct Intent {
    pub(super) ledger: Ledger,
    pub(super) row: Option<u64>,
    pub(super) is_sending: bool,
    /// What it has to do with the fleet.
    pub(super) errand: Option<Errand>,
    /// How many tokens are left after those that were taken with it.
    pub(super) tokens_left: Option<f64>,
    /// Whether other replicas cannot know of it.
    pub(super) is_unnoted: bool,
}

/// What an answer that has been delivered is reported with.
pub struct Receipt {
    pub(super) ledger: Ledger,
    /// The row of this replica, if it has one.
    pub(super) row: Option<u64>,
    pub(super) was_delivered: bool,
    /// The fleet's row.
    pub(super) remote: Option<Remote>,
}

impl Ledger {
    /// Finds the task that a request has bought before, waiting for a submit that is still under way.
    ///
    /// Found are requests of the same caller with the same `Idempotency-Key`; and, if the client says that it is sending
    /// again, with the same body, as long as the answer was not delivered. Equal requests that nobody calls a repetition
    /// are never taken for one: two identical samplings are legitimate.
    pub async fn claim(&self, claim: Claim<'_>) -> Claimed {
        self.claim_and(claim, Take::default()).await
    }

    /// The same, and takes tokens with it where there is a fleet.
    pub async fn claim_and(&self, claim: Claim<'_>, take: Take) -> Claimed {
        let Claim {
            caller: Caller(caller),
            key,
            is_retry,
            content,
        } = claim;
        let [endpoint, body] = content;
        let content = self.hash(&[b"content", caller, endpoint, body]);
        let key = key.map(|key| self.hash(&[b"key", caller, key.as_bytes()]));
        if let Some(fleet) = self.fleet.clone() {
            let identity = super::claim_shared::Identity {
                content,
                key,
                is_retry,
            };
            return Box::pin(self.claim_shared(fleet, caller, identity, take)).await;
        }
        loop {
            match self.find_or_add(content, key, is_retry) {
                Found::Added(intent) => return Claimed::New(intent),
                Found::Conflict => return Claimed::Conflict,
                Found::Row(row, state, was_delivered) => {
                    let known = Known {
                        row,
                        was_delivered,
                        remote: None,
                    };
                    // Where it bought nothing, somebody may submit it now.
                    if let Some(claimed) = self.outcome_of(known, state).await {
                        return claimed;
                    }
                }
            }
        }
    }

    /// What a row of this replica comes to; `None`: it bought nothing.
    pub(super) async fn outcome_of(
        &self,
        known: Known,
        mut state: watch::Receiver<State>,
    ) -> Option<Claimed> {
        let settled = state.wait_for(|state| *state != State::Submitting).await;
        match settled.map(|state| state.clone()) {
            Ok(State::Bought(bought)) => {
                let receipt = Receipt {
                    ledger: self.clone(),
                    row: Some(known.row),
                    was_delivered: known.was_delivered,
                    remote: known.remote,
                };
                Some(Claimed::Bought(bought, receipt))
            }
            Ok(State::Ambiguous) => Some(Claimed::Ambiguous),
            Ok(State::Refused | State::Submitting) | Err(_) => None,
        }
    }

    fn find_or_add(&self, content: Hash, key: Option<Hash>, is_retry: bool) -> Found {
        let mut rows = self.rows();
        let found = match key {
            Some(key) => rows.with_key(key),
            None if is_retry => rows.with_content(content),
            None => None,
        };
        match found {
            Some((_, row)) if row.content != content => Found::Conflict,
            Some((id, row)) => Found::Row(id, row.states(), row.is_delivered),
            None => {
                let row = rows.add(content, key);
                Found::Added(Intent {
                    ledger: self.clone(),
                    row: Some(row),
                    is_sending: false,
                    errand: None,
                    tokens_left: None,
                    is_unnoted: false,
                })
            }
        }
    }
}

/// The ledger's file could not be written, so the request must not be submitted.
#[derive(Debug, thiserror::Error)]
#[error("the ledger's file cannot be written")]
pub struct NotNoted;

/// A row of this replica.
pub(super) struct Known {
    pub(super) row: u64,
    pub(super) was_delivered: bool,
    pub(super) remote: Option<Remote>,
}

enum Found {
    Added(Intent),
    Row(u64, watch::Receiver<State>, bool),
    Conflict,
}

impl Intent {
    /// From now on a task may be made; resolves when that would be known after a crash too.
    pub async fn sending(&mut self) -> Result<(), NotNoted> {
        let Some(row) = self.row else {
            return Err(NotNoted);
        };
        let noted = self.ledger.rows().note(row);
        if let Some(noted) = noted
            && noted.await != Ok(true)
        {
            return Err(NotNoted);
        }
        self.is_sending = true;
        Ok(())
    }

    /// How many tokens are left to its client; `None`: none were taken with it.
    pub fn tokens_left(&self) -> Option<f64> {
        self.tokens_left
    }

    /// Whether a retry that another replica gets would not find it.
    pub fn is_unnoted(&self) -> bool {
        self.is_unnoted
    }

    /// The submit was accepted.
    pub fn bought(mut self, bought: Bought) -> Receipt {
        let row = self.settle(State::Bought(bought));
        let remote = self.errand.take();
        let remote = remote.and_then(|errand| self.ledger.remote(row, errand, self.is_unnoted));
        Receipt {
            ledger: self.ledger.clone(),
            row: Some(row),
            was_delivered: false,
            remote,
        }
    }

    /// Nothing was accepted, for sure.
    pub fn refused(mut self) {
        self.is_sending = false;
    }

    /// Something may have been accepted.
    pub fn ambiguous(mut self) {
        self.settle(State::Ambiguous);
    }

    fn settle(&mut self, state: State) -> u64 {
        // It is only ever taken here and when it is dropped, which is later.
        let row = self.row.take().unwrap_or_default();
        self.ledger.rows().set(row, state);
        self.tell(row);
        row
    }

    /// Has the fleet know what has become of it.
    fn tell(&self, row: u64) {
        let Some(errand) = &self.errand else { return };
        let effect = self.ledger.rows().get(row).and_then(|row_known| {
            let place = row_known.shared.as_ref()?.place.clone();
            let fate = row_known.fate().unwrap_or(Fate::Remove);
            Some(Effect::Row(place, errand.fleet().row_id(row), fate))
        });
        if let Some(effect) = effect {
            errand.note(effect);
        }
    }
}

impl Drop for Intent {
    fn drop(&mut self) {
        let Some(row) = self.row.take() else {
            return;
        };
        let state = match self.is_sending {
            true => State::Ambiguous,
            // Whoever waits for it is told before it is gone.
            false => State::Refused,
        };
        self.ledger.rows().set(row, state);
        self.tell(row);
        if !self.is_sending {
            self.ledger.rows().remove(row);
        }
    }
}

impl Receipt {
    /// Whether the request would find its task if it came again after this long, and was marked as a repetition.
    pub fn is_good_for(&self, time: Duration) -> bool {
        match (&self.remote, self.row) {
            (Some(remote), _) => remote.is_good_for(time),
            (None, Some(row)) => self.ledger.rows().knows(row, time),
            (None, None) => false,
        }
    }

    /// Whether the answer had been delivered when the request came again.
    pub fn was_delivered(&self) -> bool {
        self.was_delivered
    }

    /// The client has its whole answer. Where a retry would not find it any more, that can be undone.
    pub fn delivered(self) -> Option<Delivered> {
        let row = self.row.and_then(|id| {
            let row = self.ledger.rows().delivered(id)?;
            Some((id, row))
        });
        let remote = self.remote.and_then(Remote::delivered);
        if row.is_none() && remote.is_none() {
            return None;
        }
        Some(Delivered {
            ledger: self.ledger,
            row,
            remote,
        })
    }
}

/// An answer that was handed over, for whoever gets to know that its client has not taken it.
pub struct Delivered {
    ledger: Ledger,
    /// What this replica knew of it.
    row: Option<(u64, Row)>,
    remote: Option<Handed>,
}

impl Delivered {
    /// A retry finds the task all the same, whose tokens have been taken account of.
    pub fn undo(self) {
        let mut known = None;
        if let Some((id, row)) = self.row {
            let mut rows = self.ledger.rows();
            rows.take_back(id, row);
            known = rows.get(id).and_then(|row| row.fate());
        }
        if let Some(remote) = self.remote {
            remote.take_back(known);
        }
    }
}

impl std::fmt::Debug for Intent {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Intent({:?})", self.row)
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Receipt({:?})", self.row)
    }
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
