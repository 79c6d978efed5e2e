//! Whether a client has taken the last answer on its connection.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper::header::HeaderValue;
use tokio::time::Instant;

use crate::ledger::{Delivered, Receipt};

/// How long after an answer it is heard whether its client's machine refuses it: the way there and back. The official SDKs
/// come again after 375 ms at the earliest (WIRE.md, "Retries and time-outs").
const HEARING: Duration = Duration::from_millis(300);
/// How long after an answer a connection that is reset says that nobody has read it: whoever has given up has done so before it
/// came. Some balancers reset every connection in the end.
const UNREAD: Duration = Duration::from_secs(1);

/// The last answer on a connection over HTTP/1, until its client goes on or has gone. Cheap to clone; all clones are one.
///
/// A client that gives up in the moment in which its answer is written does not get to see it, and asks again for what it has
/// bought. Its machine says so: it refuses what comes for a socket that is closed, and resets the connection of one that is
/// closed with something unread in it.
#[derive(Clone, Default)]
pub(super) struct LastAnswer(Arc<Mutex<Option<Given>>>);

struct Given {
    at: Instant,
    request_id: HeaderValue,
    delivered: Delivered,
}

impl LastAnswer {
    /// Its client goes on, or has gone with it.
    pub(super) fn taken(&self) {
        *self.given() = None;
    }

    /// Its client has gone without it: whoever asks for it again is to find it.
    pub(super) fn lost(&self) {
        let given = self.given().take();
        if let Some(given) = given {
            let id = given.request_id.to_str().unwrap_or_default();
            tracing::info!(
                id,
                "the client left without its answer, which a retry finds"
            );
            given.delivered.undo();
        }
    }

    /// More of it is written than could be at once.
    pub(super) fn goes_on(&self) {
        if let Some(given) = &mut *self.given() {
            given.at = Instant::now();
        }
    }

    /// Whether it is yet to be known whether its client has taken it.
    pub(super) fn is_open(&self) -> bool {
        self.given().is_some()
    }

    /// The connection has ended. Notes what has become of the answer, and says whether that is known by now.
    pub(super) fn settle(&self, is_refused: bool) -> bool {
        let since = self.given().as_ref().map(|given| given.at.elapsed());
        match since {
            None => true,
            Some(since) if is_refused && since < UNREAD => {
                self.lost();
                true
            }
            Some(since) if is_refused || since >= HEARING => {
                self.taken();
                true
            }
            Some(_) => false,
        }
    }

    fn given(&self) -> MutexGuard<'_, Option<Given>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a connection has failed in a way that says that what was written to it was refused.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

/// What an answer is reported with when it is handed over.
pub(super) struct Handover {
    receipt: Receipt,
    /// Where it is noted, and as whose, if it can be heard that it was not taken.
    last: Option<(LastAnswer, HeaderValue)>,
}

impl Handover {
    pub(super) fn new(receipt: Receipt, last: Option<(LastAnswer, HeaderValue)>) -> Self {
        Self { receipt, last }
    }

    /// Whether the request would find its task if it came again after this long, and was marked as a repetition.
    pub(super) fn is_good_for(&self, time: Duration) -> bool {
        self.receipt.is_good_for(time)
    }

    /// All of the answer is being written.
    pub(super) fn delivered(self) {
        if let (Some(delivered), Some((last, request_id))) = (self.receipt.delivered(), self.last) {
            *last.given() = Some(Given {
                at: Instant::now(),
                request_id,
                delivered,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Caller, Claim, Claimed, IfDamaged, Keeping, Ledger, Settings, Store};

    const CLAIM: Claim = Claim {
        caller: Caller(b"sk-a"),
        key: None,
        is_retry: false,
        content: [b"/", b"{}"],
    };

    async fn finds(ledger: &Ledger) -> bool {
        let claim = Claim {
            is_retry: true,
            ..CLAIM
        };
        matches!(ledger.claim(claim).await, Claimed::Bought(..))
    }

    /// An answer that has just been handed over.
    async fn given() -> (Ledger, LastAnswer) {
        let keeping = Keeping {
            max_age: Duration::from_secs(3600),
            max_size: 1 << 20,
        };
        let settings = Settings {
            store: Store::Memory,
            if_damaged: IfDamaged::Refuse,
            max_age: Duration::from_secs(3600),
            max_entries: 10,
            responses: keeping,
        };
        let ledger = Ledger::open(settings).unwrap();
        let Claimed::New(intent) = ledger.claim(CLAIM).await else {
            panic!("it is known");
        };
        let receipt = intent.bought(serde_json::from_str(r#"{"task":"t","created":1}"#).unwrap());
        let last = LastAnswer::default();
        let id = HeaderValue::from_static("req_1");
        Handover::new(receipt, Some((last.clone(), id))).delivered();
        assert!(last.is_open() && !finds(&ledger).await);
        (ledger, last)
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_lost_when_the_client_refuses_it_and_taken_when_nobody_says_so() {
        let (ledger, last) = given().await;
        assert!(!last.settle(false));
        assert!(last.settle(true) && finds(&ledger).await);

        let (ledger, last) = given().await;
        tokio::time::advance(HEARING).await;
        assert!(last.settle(false) && !last.is_open() && !finds(&ledger).await);
        // Nothing that happens afterwards changes that.
        assert!(last.settle(true) && !finds(&ledger).await);

        // A connection that is reset when it was idle for long says nothing.
        let (ledger, last) = given().await;
        tokio::time::advance(UNREAD).await;
        assert!(last.settle(true) && !finds(&ledger).await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_long_in_being_written_counts_from_its_end() {
        let (ledger, last) = given().await;
        tokio::time::advance(2 * UNREAD).await;
        last.goes_on();
        assert!(!last.settle(false));
        assert!(last.settle(true) && finds(&ledger).await);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_goes_on_has_taken_it() {
        let (ledger, last) = given().await;
        last.taken();
        last.lost();
        assert!(!finds(&ledger).await);
    }
}
