use std::time::Instant;

use bytes::Bytes;

/// Something that Redis is to be told. All of it may be told twice, but for [`Effect::Give`].
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// What has become of the row with this id, in this place.
    Row(String, String, Fate),
    /// Tokens that come back, of a limit of so many a minute; a negative number was used beyond what was taken.
    Give { limit: u32, amount: f64 },
    /// This place among those of a client is free.
    Leave(String),
    /// Tokens that a kept response has used, of which account is taken once.
    Charge {
        kept: String,
        limit: u32,
        amount: f64,
    },
    /// A response is kept from now on.
    Keep(Keep),
    /// What a kept response has come to, unless that is known, and for how long it is kept then in ms.
    Settle {
        kept: String,
        outcome: Bytes,
        age: u64,
    },
}

/// A response that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Keep {
    /// How its key ends.
    pub kept: String,
    pub record: String,
    /// How long, in ms.
    pub age: u64,
    /// The id of the one that it goes on from, or nothing.
    pub previous: String,
}

/// What has become of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    Put {
        /// As Redis has it: `s` for a submit under way, `b` for bought, `d` for delivered, `u` for delivered and not taken, `a`
        /// for ambiguous.
        state: char,
        since: Instant,
        content: String,
        bought: String,
    },
    /// Its answer is with the client.
    Deliver,
    /// It is not: the client has gone without it.
    Undeliver,
    Remove,
}

impl Fate {
    /// What is to be told of a row of which this was, and is, to be told.
    pub(super) fn becomes(&mut self, newer: Self) {
        match (self, newer) {
            (Self::Put { state, .. }, Self::Deliver) => *state = 'd',
            (Self::Put { state, .. }, Self::Undeliver) => *state = 'u',
            (Self::Remove, _) => {}
            (known, mut newer) => {
                if let (Self::Deliver, Self::Put { state, .. }) = (&*known, &mut newer)
                    && *state != 'u'
                {
                    *state = 'd';
                }
                *known = newer;
            }
        }
    }
}

/// How the keys of a caller end: its rows by age, its anchor, what is left of its limits, and its requests under way.
pub const ORDER: &str = "o";
pub const ANCHOR: &str = "a";
pub const REQUESTS: &str = "r";
pub const TOKENS: &str = "t";
pub const PLACES: &str = "n";
