//! Claims where Redis has the rows, so that other replicas find them.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    Bought, Hash, Ledger,
    claim::{Claimed, Intent, Known, Receipt, Take},
    claim_asked::{Attempt, Found, Said, ask},
    rows::Shared,
};
use crate::fleet::{Away, Effect, Errand, Fate, Fleet, Later};

/// How often it is asked what has become of another replica's submit: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What a request can be found by.
#[derive(Clone, Copy)]
pub(super) struct Identity {
    pub(super) content: Hash,
    pub(super) key: Option<Hash>,
    pub(super) is_retry: bool,
}

impl Identity {
    /// How the key of its row ends.
    fn place(&self) -> String {
        match self.key {
            Some(key) => format!("k{key}"),
            None => format!("c{}", self.content),
        }
    }

    /// Whether it may be a request that came before.
    pub(super) fn may_be_known(&self) -> bool {
        self.key.is_some() || self.is_retry
    }
}

/// A row of the fleet's, for whoever delivers its answer.
#[derive(Clone)]
pub(super) struct Remote {
    errand: Errand,
    place: String,
    id: String,
    /// Until when a retry finds it, whichever replica gets it.
    good_until: Option<Instant>,
}

impl Remote {
    pub(super) fn is_good_for(&self, time: Duration) -> bool {
        self.good_until
            .is_some_and(|until| Instant::now() + time <= until)
    }

    /// The answer is with the client, which can be taken back where nobody would find it any more.
    pub(super) fn delivered(self) -> Option<Handed> {
        let handed = self.place.starts_with('c').then(|| Handed {
            place: self.place.clone(),
            id: self.id.clone(),
            errand: self.errand.later(),
        });
        let delivered = Effect::Row(self.place, self.id, Fate::Deliver);
        self.errand.note_at_end(delivered);
        handed
    }
}

/// A row of the fleet's whose answer was handed over.
pub(super) struct Handed {
    place: String,
    id: String,
    errand: Later,
}

impl Handed {
    /// `known`: what this replica knows of it, where Redis may have forgotten it.
    pub(super) fn take_back(self, known: Option<Fate>) {
        let fate = known.unwrap_or(Fate::Undeliver);
        self.errand.note(Effect::Row(self.place, self.id, fate));
    }
}

impl Ledger {
    pub(super) async fn claim_shared(
        &self,
        fleet: Fleet,
        caller: &[u8],
        identity: Identity,
        take: Take,
    ) -> Claimed {
        let errand = take.errand.clone();
        let errand = errand.unwrap_or_else(|| Errand::new(&fleet, fleet.tag(credential(caller))));
        let place = identity.place();
        let mut pause = FIRST_PAUSE;
        // The submit that is waited for, if there is one.
        let mut awaited = String::new();
        loop {
            let mut attempt = Attempt {
                errand: &errand,
                place: &place,
                number: self.rows().allot(),
                // Where nobody can ask, nothing is added that would have to be taken back.
                is_open: !fleet.is_away(),
            };
            let said = ask(&attempt, &identity, take.tokens, &awaited).await;
            let found = match said {
                // Whether or not others have Redis again by now: this one is in nobody's ledger.
                Err(Away) if !fleet.settings().buys_unnoted() => return Claimed::Unavailable,
                // Somebody was about to buy it.
                Err(Away) if !awaited.is_empty() => return Claimed::Ambiguous,
                Err(Away) => {
                    let number = attempt.number;
                    let claimed = self.claim_alone(&errand, &place, identity, number).await;
                    // What becomes of it is told later, under the same name.
                    attempt.is_open = !matches!(claimed, Some(Claimed::New(_)));
                    match claimed {
                        Some(claimed) => return claimed,
                        None => continue,
                    }
                }
                Ok(Said::New { anchor, left }) => {
                    if let Some(lost) = self.lost(&errand, identity, &anchor) {
                        drop(attempt);
                        give_back(&errand, take.tokens);
                        match self.outcome_of(lost.0, lost.1).await {
                            Some(claimed) => return claimed,
                            None => continue,
                        }
                    }
                    attempt.is_open = false;
                    let tokens_left = take.tokens.map(|_| left);
                    let number = attempt.number;
                    return Claimed::New(self.intent(
                        &errand,
                        place.clone(),
                        identity,
                        (number, anchor, tokens_left),
                    ));
                }
                Ok(Said::Unsure { anchor }) => {
                    attempt.is_open = false;
                    if let Some(lost) = self.lost(&errand, identity, &anchor)
                        && let Some(claimed) = self.outcome_of(lost.0, lost.1).await
                    {
                        return claimed;
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
                Ok(said) => {
                    attempt.is_open = false;
                    match said {
                        Said::Conflict => return Claimed::Conflict,
                        Said::Limited(left) => return Claimed::Limited(left),
                        Said::New { .. } | Said::Unsure { .. } => continue,
                        Said::Row(found) => found,
                    }
                }
            };
            let (owner, number) = found.id.split_once('.').unwrap_or_default();
            let remote = self.found(&errand, &place, &found);
            if owner == fleet.replica()
                && let Some(known) = number
                    .parse()
                    .ok()
                    .and_then(|row| self.known(row, remote.clone()))
            {
                if let Some(claimed) = self.outcome_of(known.0, known.1).await {
                    return claimed;
                }
            } else {
                match (found.state, serde_json::from_str::<Bought>(&found.bought)) {
                    ('b' | 'd' | 'u', Ok(bought)) => {
                        let receipt = Receipt {
                            ledger: self.clone(),
                            row: None,
                            was_delivered: found.state != 'b',
                            remote: Some(remote),
                        };
                        return Claimed::Bought(bought, receipt);
                    }
                    ('s', _) => match fleet.is_living(owner).await {
                        Ok(true) | Err(Away) => awaited = found.id,
                        // It will never say what it has bought.
                        Ok(false) => return Claimed::Ambiguous,
                    },
                    _ => return Claimed::Ambiguous,
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn intent(
        &self,
        errand: &Errand,
        place: String,
        identity: Identity,
        (number, anchor, tokens_left): (u64, String, Option<f64>),
    ) -> Intent {
        let is_unnoted = anchor.is_empty();
        let shared = Shared {
            tag: errand.tag(),
            place,
            anchor,
        };
        let (content, key) = (identity.content, identity.key);
        self.rows().add_as(number, content, key, Some(shared));
        Intent {
            ledger: self.clone(),
            row: Some(number),
            is_sending: false,
            errand: Some(errand.clone()),
            tokens_left,
            is_unnoted,
        }
    }

    /// Redis cannot be asked: what this replica knows by itself. `None`: to be tried again.
    async fn claim_alone(
        &self,
        errand: &Errand,
        place: &str,
        identity: Identity,
        number: u64,
    ) -> Option<Claimed> {
        let known = self.own(identity).map(|row| (row.0, row.1));
        match known {
            Some((_, content)) if content != identity.content => Some(Claimed::Conflict),
            Some((row, _)) => {
                let remote = self.remote(row, errand.clone(), true)?;
                let (known, state) = self.known(row, remote)?;
                self.outcome_of(known, state).await
            }
            None => {
                errand.fleet().went_on();
                let alone = (number, String::new(), None);
                Some(Claimed::New(self.intent(
                    errand,
                    place.to_owned(),
                    identity,
                    alone,
                )))
            }
        }
    }

    /// The row of this replica that a request may be a repetition of, and its content.
    fn own(&self, identity: Identity) -> Option<(u64, Hash, String)> {
        let mut rows = self.rows();
        let found = match identity.key {
            Some(key) => rows.with_key(key),
            None if identity.is_retry => rows.with_content(identity.content),
            None => None,
        };
        let (id, row) = found?;
        let anchor = row.shared.as_ref().map(|shared| shared.anchor.clone());
        Some((id, row.content, anchor.unwrap_or_default()))
    }

    /// A row of this replica that Redis has lost since, as the anchor shows; it is told again.
    fn lost(
        &self,
        errand: &Errand,
        identity: Identity,
        anchor: &str,
    ) -> Option<(Known, tokio::sync::watch::Receiver<super::rows::State>)> {
        let (row, content, before) = self.own(identity)?;
        if before == anchor || content != identity.content {
            return None;
        }
        {
            let mut rows = self.rows();
            let known = rows.get(row)?;
            let fate = known.fate()?;
            let shared = known.shared.as_mut()?;
            shared.anchor = anchor.to_owned();
            let id = errand.fleet().row_id(row);
            errand.note(Effect::Row(shared.place.clone(), id, fate));
        }
        let remote = self.remote(row, errand.clone(), false)?;
        self.known(row, remote)
    }

    /// A row of this replica, and what becomes of it.
    fn known(
        &self,
        row: u64,
        remote: Remote,
    ) -> Option<(Known, tokio::sync::watch::Receiver<super::rows::State>)> {
        let mut rows = self.rows();
        let known = rows.get(row)?;
        let state = known.states();
        let known = Known {
            row,
            was_delivered: known.is_delivered,
            remote: Some(remote),
        };
        Some((known, state))
    }

    /// The fleet's side of a row that this replica has.
    pub(super) fn remote(&self, row: u64, errand: Errand, is_unnoted: bool) -> Option<Remote> {
        let mut rows = self.rows();
        let known = rows.get(row)?;
        let (age, is_lasting) = (known.age(), known.is_lasting());
        let place = known.shared.as_ref()?.place.clone();
        let left = errand.fleet().settings().max_age.checked_sub(age);
        Some(Remote {
            place,
            id: errand.fleet().row_id(row),
            errand,
            good_until: left
                .filter(|_| is_lasting && !is_unnoted)
                .map(|left| Instant::now() + left),
        })
    }

    fn found(&self, errand: &Errand, place: &str, found: &Found) -> Remote {
        let left = errand.fleet().settings().max_age.checked_sub(found.age);
        let left = left.filter(|_| found.state != 'u');
        Remote {
            errand: errand.clone(),
            place: place.to_owned(),
            id: found.id.clone(),
            good_until: left.map(|left| Instant::now() + left),
        }
    }
}

fn give_back(errand: &Errand, tokens: Option<(u32, u64)>) {
    if let Some((limit, amount)) = tokens {
        errand.note_at_end(Effect::Give {
            limit,
            amount: amount as f64,
        });
    }
}

/// A credential without its scheme: how that is written makes nobody another.
pub(super) fn credential(given: &[u8]) -> &[u8] {
    match given.split_at_checked(7) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(b"bearer ") => key.trim_ascii(),
        _ => given.trim_ascii(),
    }
}
