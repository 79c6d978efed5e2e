use crate::json::{Raw, RawObject};

/// More tokens than these no answer takes: whoever says so is wrong, and would spoil every sum.
const MOST: u64 = 1_000_000_000;

/// Tokens that were used, as a chat's `usage` tells them. What it leaves out counts as none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
    /// Of the input, what the provider had in its cache.
    pub cached: u64,
    /// Of the output, what the model thought.
    pub reasoning: u64,
}

impl Usage {
    /// `None` for what is no object.
    pub fn of(usage: Raw) -> Option<Self> {
        let usage = RawObject::of(usage)?;
        let count = |object: &RawObject, name: &str| {
            let count = object.get(name).and_then(|count| count.get().parse().ok());
            count.filter(|count| *count <= MOST).unwrap_or(0)
        };
        let detail = |details: &str, name: &str| {
            let details = usage.object(details);
            details.map_or(0, |details| count(&details, name))
        };
        Some(Self {
            input: count(&usage, "prompt_tokens"),
            output: count(&usage, "completion_tokens"),
            cached: detail("prompt_tokens_details", "cached_tokens"),
            reasoning: detail("completion_tokens_details", "reasoning_tokens"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_where_they_are() {
        for (text, expected) in [
            ("null", None),
            ("{}", Some([0, 0, 0, 0])),
            (
                r#"{"prompt_tokens":3,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":2},"completion_tokens_details":{"reasoning_tokens":1}}"#,
                Some([3, 4, 2, 1]),
            ),
            (
                r#"{"prompt_tokens":-1,"completion_tokens":"4","prompt_tokens_details":null}"#,
                Some([0, 0, 0, 0]),
            ),
        ] {
            let usage = Usage::of(Raw::parse(text).unwrap());
            let counts =
                usage.map(|usage| [usage.input, usage.output, usage.cached, usage.reasoning]);
            assert_eq!(counts, expected, "{text}");
        }
    }
}
