use std::{borrow::Cow, collections::HashSet};

use crate::json::{Raw, RawObject};

/// The legacy `logprobs` of a choice, as JSON text: parallel lists instead of one list of tokens.
///
/// `text_offset` counts characters (Unicode scalar values) from the beginning of the choice's text; `offset` is where
/// the first of these tokens begins. `null` where there are no tokens.
pub(super) fn logprobs(choice: &RawObject, offset: usize) -> String {
    tokens(choice)
        .and_then(|tokens| lists(&tokens, offset))
        .unwrap_or_else(|| "null".into())
}

/// A refusal's tokens stand in for those of the content that it replaces.
fn tokens<'a>(choice: &RawObject<'a>) -> Option<Vec<Raw<'a>>> {
    let logprobs = choice.object("logprobs")?;
    ["content", "refusal"]
        .into_iter()
        .filter_map(|name| logprobs.get(name).and_then(Raw::array))
        .find(|tokens| !tokens.is_empty())
}

fn lists(entries: &[Raw<'_>], mut offset: usize) -> Option<String> {
    let mut tokens = Vec::with_capacity(entries.len());
    let mut own = Vec::with_capacity(entries.len());
    let mut top = Vec::with_capacity(entries.len());
    let mut offsets = Vec::with_capacity(entries.len());
    let mut has_alternatives = false;
    for entry in entries {
        let entry = RawObject::of(*entry)?;
        let token = entry.get("token")?;
        let length = Raw::string(token)?.chars().count();
        let alternatives = entry
            .get("top_logprobs")
            .and_then(Raw::array)
            .unwrap_or_default();
        has_alternatives |= !alternatives.is_empty();
        tokens.push(token.get());
        own.push(entry.get("logprob").map_or("null", Raw::get));
        top.push(by_token(&alternatives));
        offsets.push(offset.to_string());
        offset += length;
    }
    let top = if has_alternatives {
        format!("[{}]", top.join(","))
    } else {
        "null".into()
    };
    Some(format!(
        r#"{{"tokens":[{}],"token_logprobs":[{}],"top_logprobs":{top},"text_offset":[{}]}}"#,
        tokens.join(","),
        own.join(","),
        offsets.join(",")
    ))
}

/// Alternatives as an object. Tokens that are parts of one character can be written alike; of these the first, which
/// is the likeliest, stays.
fn by_token(alternatives: &[Raw]) -> String {
    let mut seen: HashSet<Cow<str>> = HashSet::new();
    let members: Vec<String> = alternatives
        .iter()
        .filter_map(|alternative| {
            let alternative = RawObject::of(*alternative)?;
            let token = alternative.get("token")?;
            let logprob = alternative.get("logprob")?;
            seen.insert(Raw::string(token)?)
                .then(|| format!("{}:{}", token.get(), logprob.get()))
        })
        .collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_run_in_parallel() {
        for (choice, legacy) in [
            (r#"{}"#, "null"),
            (r#"{"logprobs":null}"#, "null"),
            (r#"{"logprobs":{"content":null,"refusal":null}}"#, "null"),
            (r#"{"logprobs":{"content":[]}}"#, "null"),
            (r#"{"logprobs":{"content":[{"logprob":-1}]}}"#, "null"),
            (
                r#"{"logprobs":{"content":[{"token":"h\u00e9","logprob":-0.10,"bytes":[1],"top_logprobs":[]},
                    {"token":"!","logprob":-9999.0,"top_logprobs":[]}]}}"#,
                r#"{"tokens":["h\u00e9","!"],"token_logprobs":[-0.10,-9999.0],"top_logprobs":null,"text_offset":[7,9]}"#,
            ),
            (
                r#"{"logprobs":{"content":[{"token":"a","logprob":-1,"top_logprobs":[{"token":"a","logprob":-1},
                    {"token":"b","logprob":-2},{"token":"\u0061","logprob":-3}]},{"token":"c","logprob":-4}]}}"#,
                r#"{"tokens":["a","c"],"token_logprobs":[-1,-4],"top_logprobs":[{"a":-1,"b":-2},{}],"text_offset":[7,8]}"#,
            ),
            (
                r#"{"logprobs":{"content":null,"refusal":[{"token":"No","logprob":0}]}}"#,
                r#"{"tokens":["No"],"token_logprobs":[0],"top_logprobs":null,"text_offset":[7]}"#,
            ),
        ] {
            assert_eq!(logprobs(&RawObject::parse(choice).unwrap(), 7), legacy);
        }
    }
}
