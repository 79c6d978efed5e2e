use std::{fmt::Write, time::Duration};

use crate::api_error::{ApiError, Retry};

/// When whoever has too many requests at once should come again. Answers take seconds, and the official SDKs come again
/// only twice.
const COME_AGAIN: Duration = Duration::from_secs(5);

/// The limits that a client can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Requests,
    Tokens,
    Concurrency,
}

/// A request that a limit does not allow just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) limit: Limit,
    pub(super) allowed: u32,
    pub(super) left: u64,
    pub(super) asked: u64,
    /// How long until it would be allowed.
    pub(super) wait: Duration,
}

impl Refusal {
    pub(super) fn at_once(allowed: u32) -> Self {
        Self {
            limit: Limit::Concurrency,
            allowed,
            left: 0,
            asked: 1,
            wait: COME_AGAIN,
        }
    }

    /// As OpenAI says it, to the client of this name.
    pub(super) fn told(&self, name: &str) -> ApiError {
        let Self {
            allowed,
            left,
            asked,
            wait,
            ..
        } = self;
        let (kind, what) = match self.limit {
            Limit::Requests => (
                "requests",
                format!("requests per minute: limit {allowed}, all of them used"),
            ),
            Limit::Tokens => (
                "tokens",
                format!(
                    "tokens per minute: limit {allowed}, left {left}, and this request may use {asked}"
                ),
            ),
            Limit::Concurrency => (
                "requests",
                format!("requests at the same time: limit {allowed}, all of them being answered"),
            ),
        };
        let again = shown(*wait);
        let message = format!(
            "Rate limit reached for key '{name}' on {what}. Nothing was bought. Try again in {again}, or have the operator \
             raise the limit."
        );
        ApiError::new(429, kind, "rate_limit_exceeded", message).with_retry(Retry::After(*wait))
    }
}

/// A time as OpenAI's `x-ratelimit-reset-*` headers have it, in whole milliseconds, rounded up: `17ms`, `1.2s`, `6m0s`.
pub fn shown(time: Duration) -> String {
    let milliseconds = time.as_nanos().div_ceil(1_000_000);
    if milliseconds < 1000 {
        return match milliseconds {
            0 => "0s".to_owned(),
            some => format!("{some}ms"),
        };
    }
    let (minutes, rest) = (milliseconds / 60_000, milliseconds % 60_000);
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = match (minutes / 60, minutes % 60) {
        (0, 0) => Ok(()),
        (0, minutes) => write!(text, "{minutes}m"),
        (hours, minutes) => write!(text, "{hours}h{minutes}m"),
    };
    let seconds = format!("{}.{:03}", rest / 1000, rest % 1000);
    text.push_str(seconds.trim_end_matches('0').trim_end_matches('.'));
    text.push('s');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_openai_shows_them() {
        for (milliseconds, text) in [
            (0, "0s"),
            (17, "17ms"),
            (999, "999ms"),
            (1000, "1s"),
            (1250, "1.25s"),
            (10_000, "10s"),
            (59_999, "59.999s"),
            (60_000, "1m0s"),
            (360_000, "6m0s"),
            (90_500, "1m30.5s"),
            (3_600_000, "1h0m0s"),
            (7_261_001, "2h1m1.001s"),
        ] {
            assert_eq!(shown(Duration::from_millis(milliseconds)), text);
        }
        assert_eq!(shown(Duration::from_nanos(1)), "1ms", "never too early");
        assert_eq!(shown(Duration::from_nanos(999_000_001)), "1s");
    }
}
