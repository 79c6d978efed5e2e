use std::time::Duration;

use tokio::sync::watch;

use super::{Bought, Hash, Ledger, rows::State};

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
}

/// The right and the duty to submit a request once. Dropped before [`Intent::sending`], it leaves nothing behind;
/// dropped after it without a word, its outcome is ambiguous.
pub struct Intent {
    ledger: Ledger,
    row: Option<u64>,
    is_sending: bool,
}

/// What an answer that has been delivered is reported with.
pub struct Receipt {
    ledger: Ledger,
    row: u64,
    was_delivered: bool,
}

impl Ledger {
    /// Finds the task that a request has bought before, waiting for a submit that is still under way.
    ///
    /// Found are requests of the same caller with the same `Idempotency-Key`; and, if the client says that it is sending
    /// again, with the same body, as long as the answer was not delivered. Equal requests that nobody calls a repetition
    /// are never taken for one: two identical samplings are legitimate.
    pub async fn claim(&self, claim: Claim<'_>) -> Claimed {
        let Claim {
            caller: Caller(caller),
            key,
            is_retry,
            content,
        } = claim;
        let [endpoint, body] = content;
        let content = self.hash(&[b"content", caller, endpoint, body]);
        let key = key.map(|key| self.hash(&[b"key", caller, key.as_bytes()]));
        loop {
            let (row, mut state, was_delivered) = match self.find_or_add(content, key, is_retry) {
                Found::Added(intent) => return Claimed::New(intent),
                Found::Conflict => return Claimed::Conflict,
                Found::Row(row, state, was_delivered) => (row, state, was_delivered),
            };
            let settled = state.wait_for(|state| *state != State::Submitting).await;
            match settled.map(|state| state.clone()) {
                Ok(State::Bought(bought)) => {
                    let ledger = self.clone();
                    let receipt = Receipt {
                        ledger,
                        row,
                        was_delivered,
                    };
                    return Claimed::Bought(bought, receipt);
                }
                Ok(State::Ambiguous) => return Claimed::Ambiguous,
                // It bought nothing, so somebody may submit it now.
                Ok(State::Refused | State::Submitting) | Err(_) => {}
            }
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
                })
            }
        }
    }
}

/// The ledger's file could not be written, so the request must not be submitted.
#[derive(Debug, thiserror::Error)]
#[error("the ledger's file cannot be written")]
pub struct NotNoted;

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

    /// The submit was accepted.
    pub fn bought(mut self, bought: Bought) -> Receipt {
        let row = self.settle(State::Bought(bought));
        Receipt {
            ledger: self.ledger.clone(),
            row,
            was_delivered: false,
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
        row
    }
}

impl Drop for Intent {
    fn drop(&mut self) {
        let Some(row) = self.row.take() else {
            return;
        };
        let mut rows = self.ledger.rows();
        if self.is_sending {
            rows.set(row, State::Ambiguous);
        } else {
            // Whoever waits for it is told before it is gone.
            rows.set(row, State::Refused);
            rows.remove(row);
        }
    }
}

impl Receipt {
    /// Whether the request would find its task if it came again after this long, and was marked as a repetition.
    pub fn is_good_for(&self, time: Duration) -> bool {
        self.ledger.rows().knows(self.row, time)
    }

    /// Whether the answer had been delivered when the request came again.
    pub fn was_delivered(&self) -> bool {
        self.was_delivered
    }

    /// The client has its whole answer.
    pub fn delivered(self) {
        self.ledger.rows().delivered(self.row);
    }
}

impl std::fmt::Debug for Intent {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Intent({:?})", self.row)
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Receipt({})", self.row)
    }
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
