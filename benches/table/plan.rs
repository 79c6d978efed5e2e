//! What a task is to do, as its prompt tells the fake upstream.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::Fault;

/// The life of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) enum Plan {
    /// Completed when it is first asked about.
    Instant,
    /// Running until all held tasks are released.
    Held,
    /// Completed so long after the submit.
    After(Duration),
    /// A stream of so many chunks, as fast as they are taken.
    Burst { chunks: u32 },
    /// A stream of so many chunks, one every `gap`.
    Paced { chunks: u32, gap: Duration },
}

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instant => write!(out, "instant"),
            Self::Held => write!(out, "held"),
            Self::After(time) => write!(out, "after-{}", time.as_millis()),
            Self::Burst { chunks } => write!(out, "burst-{chunks}"),
            Self::Paced { chunks, gap } => write!(out, "paced-{chunks}-{}", gap.as_millis()),
        }
    }
}

impl FromStr for Plan {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let mut words = text.split('-');
        let name = words.next().unwrap_or_default();
        let mut number = || -> Result<u32, Fault> {
            let word = words
                .next()
                .ok_or_else(|| format!("{text}: a number is missing"))?;
            Ok(word.parse()?)
        };
        let milliseconds = |number: u32| Duration::from_millis(number.into());
        Ok(match name {
            "instant" => Self::Instant,
            "held" => Self::Held,
            "after" => Self::After(milliseconds(number()?)),
            "burst" => Self::Burst { chunks: number()? },
            "paced" => Self::Paced {
                chunks: number()?,
                gap: milliseconds(number()?),
            },
            _ => return Err(format!("no plan is called {text}").into()),
        })
    }
}

impl From<Plan> for String {
    fn from(plan: Plan) -> Self {
        plan.to_string()
    }
}

impl TryFrom<String> for Plan {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        text.parse()
    }
}
