//! The one question of a claim to Redis, and its answer.

use std::time::Duration;

use super::claim_shared::Identity;
use crate::fleet::{ANCHOR, Away, Effect, Errand, Fate, ORDER, TOKENS, script};

/// The most requests of one content that wait to be delivered; of more, the oldest are forgotten.
const MOST_OF_CONTENT: &str = "32";

/// A claim that Redis may have noted although nobody has heard so: dropped, it is taken back.
pub(super) struct Attempt<'a> {
    pub(super) errand: &'a Errand,
    pub(super) place: &'a str,
    pub(super) number: u64,
    pub(super) is_open: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.is_open {
            let id = self.errand.fleet().row_id(self.number);
            self.errand
                .note(Effect::Row(self.place.to_owned(), id, Fate::Remove));
        }
    }
}

/// What Redis says of a claim.
pub(super) enum Said {
    New {
        anchor: String,
        left: f64,
    },
    /// Redis knows nothing of a caller who was here before: it may have been emptied.
    Unsure {
        anchor: String,
    },
    Row(Found),
    Conflict,
    Limited(f64),
}

/// A row that some replica has added.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) state: char,
    pub(super) age: Duration,
    pub(super) bought: String,
}

/// Asks Redis whether a request has bought a task before, and adds its row if it has not.
pub(super) async fn ask(
    attempt: &Attempt<'_>,
    identity: &Identity,
    tokens: Option<(u32, u64)>,
    awaited: &str,
) -> Result<Said, Away> {
    let (errand, fleet) = (attempt.errand, attempt.errand.fleet());
    let keys = [attempt.place, ORDER, ANCHOR, TOKENS].map(|end| errand.tag().key(end));
    let settings = fleet.settings();
    let flag = |is_so: bool| if is_so { "1" } else { "0" }.to_owned();
    let (limit, amount) = tokens.unwrap_or_default();
    let arguments = [
        fleet.row_id(attempt.number),
        identity.content.to_string(),
        flag(identity.may_be_known()),
        settings.max_age.as_millis().to_string(),
        format!("{:016x}", fastrand::u64(..)),
        MOST_OF_CONTENT.to_owned(),
        settings.max_rows.to_string(),
        limit.to_string(),
        amount.to_string(),
        awaited.to_owned(),
        flag(identity.is_retry),
    ];
    let keys = keys.each_ref().map(String::as_str);
    let arguments = arguments.each_ref().map(String::as_str);
    let said = fleet.run(&script::CLAIM, &keys, &arguments).await?;
    let mut said = said.into_iter();
    let mut next = || said.next().unwrap_or_default();
    let (what, anchor, left) = (next(), next(), next().parse().unwrap_or_default());
    Ok(match what.as_str() {
        "new" => Said::New { anchor, left },
        "unsure" => Said::Unsure { anchor },
        "conflict" => Said::Conflict,
        "tokens" => Said::Limited(left),
        _ => Said::Row(Found {
            id: next(),
            state: next().chars().next().unwrap_or('a'),
            age: Duration::from_millis(next().parse().unwrap_or_default()),
            bought: next(),
        }),
    })
}
