//! The simulated tokenizer: a token is a word with the white space before it, or a piece of a long word.

use serde_json::{Value, json};

/// Longer words are several tokens, so that JSON without white space streams too.
const LONGEST: usize = 16;

/// Splits a text; the tokens concatenated are the text.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    let mut length = 0;
    for character in text.chars() {
        let begins = match (in_word, character.is_whitespace()) {
            (true, true) => true,
            (true, false) => length == LONGEST,
            (false, _) => false,
        };
        in_word = !character.is_whitespace();
        match tokens.last_mut() {
            Some(token) if !begins => {
                token.push(character);
                length = if in_word { length + 1 } else { 0 };
            }
            _ => {
                tokens.push(character.into());
                length = usize::from(in_word);
            }
        }
    }
    tokens
}

/// The first `count` numbered words: `word1 word2 …`.
pub(super) fn numbered(word: &str, count: usize) -> String {
    let words: Vec<_> = (1..=count).map(|nth| format!("{word}{nth}")).collect();
    words.join(" ")
}

/// The `logprobs` object of these tokens, each with `top` alternatives.
pub(super) fn logprobs(tokens: &[String], top: usize) -> Value {
    let entry = |token: &String| {
        let mut entry = scored(token, 0);
        let alternatives = (0..top).map(|nth| match nth {
            0 => scored(token, 0),
            nth => scored(&format!("{token}~{nth}"), nth),
        });
        entry["top_logprobs"] = alternatives.collect();
        entry
    };
    let content: Vec<_> = tokens.iter().map(entry).collect();
    json!({"content": content, "refusal": null})
}

/// A token with a log probability that looks plausible and is exact in every float format.
fn scored(token: &str, rank: usize) -> Value {
    let logprob = -0.125 * (token.len() % 8) as f64 - rank as f64;
    json!({"token": token, "logprob": logprob, "bytes": token.as_bytes()})
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_keep_the_space_before_them() {
        assert_eq!(split(" a  bc\nd "), [" a", "  bc", "\nd", " "]);
        assert_eq!(
            split("0123456789abcdefXY z"),
            ["0123456789abcdef", "XY", " z"]
        );
        assert_eq!(split(""), Vec::<String>::new());
        assert_eq!(numbered("w", 2), "w1 w2");
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "\\PC{0,60}") {
            prop_assert_eq!(split(&text).concat(), text);
        }
    }
}
