use bytes::Bytes;

use super::Transcript;
use crate::json::{Raw, RawObject};

/// How many tokens a whole answer says that it used: a `chat.completion`, its chunk behind all choices, a text completion
/// or a response. `None` where it does not say.
pub fn tokens_used(answer: &[u8]) -> Option<u64> {
    let answer = RawObject::parse(std::str::from_utf8(answer).ok()?).ok()?;
    total(answer.present("usage")?)
}

/// The same of an answer that was streamed, from what was told, or from the task's result where that was asked for.
pub fn tokens_streamed(told: &Transcript, result: Option<&Bytes>) -> Option<u64> {
    let of_result = result.and_then(|result| tokens_used(result));
    let of_chunk = || tokens_used(told.usage_chunk.as_ref()?);
    let on_the_way = || total(Raw::parse(told.usage.as_deref()?).ok()?);
    of_result.or_else(of_chunk).or_else(on_the_way)
}

/// OpenAI's APIs call the parts differently and their sum alike.
fn total(usage: Raw) -> Option<u64> {
    let usage = RawObject::of(usage)?;
    let count = |name| usage.get(name)?.get().parse::<u64>().ok();
    let sum = |prompt, answer| Some(count(prompt)?.saturating_add(count(answer)?));
    count("total_tokens")
        .or_else(|| sum("prompt_tokens", "completion_tokens"))
        .or_else(|| sum("input_tokens", "output_tokens"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::{Chunk, Identity};

    #[test]
    fn every_api_says_what_it_used() {
        for (answer, tokens) in [
            (
                r#"{"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
                Some(3),
            ),
            (
                r#"{"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
                Some(3),
            ),
            (
                r#"{"usage":{"input_tokens":4,"output_tokens":5,"total_tokens":9}}"#,
                Some(9),
            ),
            (r#"{"usage":{"input_tokens":4,"output_tokens":5}}"#, Some(9)),
            (r#"{"usage":{"total_tokens":"3"}}"#, None),
            (r#"{"usage":{"total_tokens":-3}}"#, None),
            (r#"{"usage":null}"#, None),
            (r#"{}"#, None),
            ("[", None),
        ] {
            assert_eq!(tokens_used(answer.as_bytes()), tokens, "{answer}");
        }
    }

    #[test]
    fn a_stream_says_it_last_or_on_the_way() {
        let mut told = Transcript::new(&Identity::example());
        let mut hear = |text: &str| {
            let data = Bytes::from(text.to_owned());
            told.add(&Chunk::parse(&data).unwrap());
            (tokens_streamed(&told, None), told.length())
        };
        let said = hear(r#"{"choices":[{"index":0,"delta":{"content":"four"}}]}"#);
        assert_eq!(said, (None, 4));
        let said = hear(
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"total_tokens":5}}"#,
        );
        assert_eq!(said, (Some(5), 4));
        let said = hear(r#"{"choices":[],"usage":{"total_tokens":7}}"#);
        assert_eq!(said, (Some(7), 4));
        let result = Bytes::from_static(br#"{"usage":{"total_tokens":8}}"#);
        assert_eq!(tokens_streamed(&told, Some(&result)), Some(8));
    }
}
