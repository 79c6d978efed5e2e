use super::*;
use crate::translate::{Chunk, Identity};
use proptest::prelude::*;

fn told(chunks: &[String]) -> Transcript {
    let mut transcript = Transcript::new(&Identity {
        model: "served".into(),
        ..Identity::example()
    });
    for chunk in chunks {
        transcript.add(&Chunk::parse(&Bytes::copy_from_slice(chunk.as_bytes())).unwrap());
    }
    transcript
}

fn chunk(delta: &str, reason: &str) -> String {
    format!(
        r#"{{"id":"c1","created":5,"model":"served","choices":[{{"index":0,"delta":{{{delta}}},"finish_reason":{reason}}}]}}"#
    )
}

fn result(message: &str) -> Bytes {
    Bytes::from(format!(
        r#"{{"id":"c2","object":"chat.completion","created":7,"model":"served","choices":[{{"index":0,"message":{{{message}}},"finish_reason":"stop"}}],"usage":{{"total_tokens":3}}}}"#
    ))
}

fn check(chunks: &[String], message: &str, include_usage: bool, expected: &[&str]) {
    let tail = tail(&told(chunks), &result(message), include_usage).unwrap();
    assert_eq!(tail, expected);
}

#[test]
fn the_rest_goes_on_under_the_same_id() {
    check(
        &[chunk(r#""role":"assistant","content":"Hel""#, "null")],
        r#""role":"assistant","content":"Hello""#,
        true,
        &[
            r#"{"id":"c1","object":"chat.completion.chunk","created":5,"model":"served","choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":null}]}"#,
            r#"{"id":"c1","object":"chat.completion.chunk","created":5,"model":"served","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"id":"c1","object":"chat.completion.chunk","created":5,"model":"served","choices":[],"usage":{"total_tokens":3}}"#,
        ],
    );
}

#[test]
fn a_whole_answer_becomes_a_stream_with_everything_in_it() {
    check(
        &[],
        r#""role":"assistant","content":null,"x":1e400,"tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}]"#,
        false,
        &[
            r#"{"id":"c2","object":"chat.completion.chunk","created":7,"model":"served","choices":[{"index":0,"delta":{"role":"assistant","content":null,"x":1e400,"tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{}"},"index":0}]},"finish_reason":null}]}"#,
            r#"{"id":"c2","object":"chat.completion.chunk","created":7,"model":"served","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        ],
    );
}

#[test]
fn a_plain_answer_becomes_a_stream() {
    check(
        &[],
        r#""role":"assistant","content":"Hello""#,
        false,
        &[
            r#"{"id":"c2","object":"chat.completion.chunk","created":7,"model":"served","choices":[{"index":0,"delta":{"role":"assistant","content":"Hello"},"finish_reason":null}]}"#,
            r#"{"id":"c2","object":"chat.completion.chunk","created":7,"model":"served","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        ],
    );
}

#[test]
fn nothing_is_owed_behind_a_finished_choice() {
    let whole = [chunk(r#""role":"assistant","content":"Hello""#, "\"stop\"")];
    check(&whole, r#""content":"Hello""#, false, &[]);
}

#[test]
fn tool_calls_go_on_in_the_middle_of_their_arguments() {
    let begun = chunk(
        r#""role":"assistant","tool_calls":[{"index":0,"id":"t","function":{"name":"f","arguments":"{\"a\":"}}]"#,
        "null",
    );
    let calls = r#""content":null,"tool_calls":[{"id":"t","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"u","function":{"name":"g","arguments":""}}]"#;
    let tail = tail(&told(&[begun]), &result(calls), false).unwrap();
    assert!(
        tail[0].contains(
            r#""delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}},{"id":"u","function":{"name":"g","arguments":""},"index":1}]}"#
        ),
        "{}",
        tail[0]
    );
}

#[test]
fn what_does_not_go_on_from_what_was_told_is_an_error() {
    let begun = [chunk(r#""role":"assistant","content":"Hel""#, "null")];
    let finished = [chunk(r#""role":"assistant","content":"Hel""#, "\"stop\"")];
    let calling = [chunk(
        r#""tool_calls":[{"index":0,"function":{"name":"f","arguments":"{"}}]"#,
        "null",
    )];
    for (chunks, message) in [
        (&begun[..], r#""content":"Other""#),
        (&begun, r#""content":"""#),
        (&begun, r#""content":null"#),
        (&finished, r#""content":"Hello""#),
        (&calling, r#""content":null"#),
        (
            &calling,
            r#""tool_calls":[{"function":{"name":"g","arguments":"{}"}}]"#,
        ),
    ] {
        assert!(
            tail(&told(chunks), &result(message), false).is_err(),
            "{message}"
        );
    }
    for other in [
        "{}",
        r#"{"choices":[]}"#,
        r#"{"choices":[{"index":1,"message":{"content":"x"}}]}"#,
    ] {
        let result = Bytes::copy_from_slice(other.as_bytes());
        assert!(tail(&told(&begun), &result, false).is_err(), "{other}");
    }
}

proptest! {
    /// Wherever the stream is cut, what was told and its tail make the whole text.
    #[test]
    fn told_and_tail_make_the_whole(text in ".{0,40}", cut in 0usize..41) {
        let at = text.char_indices().nth(cut).map_or(text.len(), |(at, _)| at);
        let begun = [chunk(&format!(r#""role":"assistant","content":{}"#, quote(&text[..at])), "null")];
        let tail = tail(&told(&begun), &result(&format!(r#""content":{}"#, quote(&text))), false).unwrap();
        let all: Vec<String> = begun.into_iter().chain(tail).collect();
        let transcript = told(&all);
        prop_assert_eq!(&transcript.choices[0].content, &text);
        prop_assert!(transcript.is_finished());
    }
}
