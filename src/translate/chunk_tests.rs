use super::*;
use crate::json::quote;
use crate::translate::Identity;
use crate::{
    fox::Frame,
    sse::{Decoder, Item},
};
use proptest::prelude::*;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// What the client gets of each chunk of a stream; the model asked for is `m`.
fn stream(chunks: &[&str], include_usage: bool) -> Vec<Option<String>> {
    let mut told = Transcript::new(&Identity::example());
    let mut sent = Vec::new();
    for chunk in chunks {
        let data = bytes(chunk);
        let chunk = Chunk::parse(&data).unwrap();
        let client = chunk.for_client(&told, include_usage);
        sent.push(client.map(|json| String::from_utf8(json.to_vec()).unwrap()));
        told.add(&chunk);
    }
    sent
}

const FIRST: &str = r#"{"id":"c","object":"chat.completion.chunk","created":5,"model":"m","x":1e400,"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}"#;

fn later(choice: &str, rest: &str) -> String {
    format!(
        r#"{{"id":"c","object":"chat.completion.chunk","created":5,"model":"m","choices":[{choice}]{rest}}}"#
    )
}

#[test]
fn a_proper_stream_is_not_touched() {
    let text = later(
        r#"{"index":0,"delta":{"content":"a","reasoning_content":"r"},"finish_reason":null}"#,
        "",
    );
    let call = later(
        r#"{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}"#,
        r#","usage":null"#,
    );
    let end = later(
        r#"{"index":0,"delta":{},"finish_reason":"stop"}"#,
        r#","y":[ 1 ]"#,
    );
    let chunks = [FIRST, &text, &call, &end];
    let sent = stream(&chunks, false);
    assert_eq!(sent, chunks.map(|chunk| Some(chunk.to_string())));
}

#[test]
fn usage_is_for_those_who_asked() {
    let both = later(
        r#"{"index":0,"delta":{},"finish_reason":"stop"}"#,
        r#","usage":{"total_tokens":1},"y":2"#,
    );
    let usage = later("", r#","usage":{"total_tokens":1}"#);
    let empty = later("", r#","prompt_filter_results":[]"#);
    assert_eq!(
        stream(&[FIRST, &both, &usage, &empty], false)[1..],
        [
            Some(later(
                r#"{"index":0,"delta":{},"finish_reason":"stop"}"#,
                r#","y":2"#
            )),
            None,
            None
        ]
    );
    assert_eq!(
        stream(&[FIRST, &both, &usage, &usage, &empty], true)[1..],
        [
            Some(later(
                r#"{"index":0,"delta":{},"finish_reason":"stop"}"#,
                r#","y":2"#
            )),
            Some(usage.clone()),
            None,
            None
        ]
    );
}

#[test]
fn intermediate_usage_is_not_the_usage() {
    let early = later("", r#","usage":{"total_tokens":1}"#);
    let end = later(r#"{"index":0,"delta":{},"finish_reason":"stop"}"#, "");
    let last = later("", r#","usage":{"total_tokens":9}"#);
    assert_eq!(
        stream(&[FIRST, &early, &end, &last], true)[1..],
        [None, Some(end.clone()), Some(last.clone())]
    );
}

#[test]
fn a_role_is_told_once() {
    let again = later(
        r#"{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":null}"#,
        "",
    );
    let once = later(
        r#"{"index":0,"delta":{"content":"a"},"finish_reason":null}"#,
        "",
    );
    assert_eq!(stream(&[FIRST, &again], false)[1], Some(once));
}

#[test]
fn an_error_beside_a_choice_is_an_error() {
    let parse = |members: &str| {
        let chunk = Bytes::from(later(
            r#"{"index":0,"delta":{"content":""},"finish_reason":"error"}"#,
            members,
        ));
        Chunk::parse(&chunk).map(|_| ())
    };
    let Err(NotAChunk::Error(failure)) = parse(r#","error":{"code":502,"message":"gone"}"#) else {
        panic!("no error")
    };
    assert_eq!(failure.message, "gone");
    for harmless in [
        "",
        r#","error":null"#,
        r#","error":"""#,
        r#","error":false"#,
    ] {
        assert_eq!(parse(harmless), Ok(()), "{harmless}");
    }
}

#[test]
fn what_strict_clients_need_is_added() {
    let sent = stream(
        &[
            r#"{"id":"c","created":5,"model":"provider/m-1","choices":[{"delta":{"content":"a"},"z":1}]}"#,
            r#"{"id":"replayed","created":6.5,"model":"m","object":"chat.completion.chunk","choices":[{"index":0,"delta":null}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"id":"t","function":{"name":"f"}}]},"finish_reason":""}]}"#,
            r#"{"id":"c","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"end_turn"}]}"#,
            r#"{"id":"c","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        ],
        false,
    );
    let expected = [
        r#"{"id":"c","created":5,"model":"m","choices":[{"delta":{"content":"a","role":"assistant"},"z":1,"index":0,"finish_reason":null}],"object":"chat.completion.chunk"}"#,
        r#"{"id":"c","created":5,"model":"m","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":null}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"id":"t","function":{"name":"f"},"index":0}]},"finish_reason":null}],"id":"c","object":"chat.completion.chunk","created":5,"model":"m"}"#,
        r#"{"id":"c","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        r#"{"id":"c","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":null}]}"#,
    ];
    assert_eq!(sent, expected.map(|chunk| Some(chunk.to_string())));
}

#[test]
fn tool_calls_without_an_index_are_told_apart_by_their_ids() {
    let calls = |calls: &str| {
        later(
            &format!(r#"{{"index":0,"delta":{{"tool_calls":[{calls}]}}}}"#),
            "",
        )
    };
    let one = calls(r#"{"id":"a","function":{"name":"f","arguments":""}}"#);
    let more = calls(r#"{"function":{"arguments":"{}"}}"#);
    let two = calls(
        r#"{"id":"b","function":{"name":"g"}},{"id":"c","function":{"name":"h"}},{"id":"a"}"#,
    );
    let sent = stream(&[FIRST, &one, &more, &two], false);
    let indexes: Vec<Vec<u64>> = sent[1..]
        .iter()
        .map(|json| {
            let chunk: serde_json::Value = serde_json::from_str(json.as_ref().unwrap()).unwrap();
            let calls = chunk["choices"][0]["delta"]["tool_calls"]
                .as_array()
                .unwrap();
            calls
                .iter()
                .map(|call| call["index"].as_u64().unwrap())
                .collect()
        })
        .collect();
    assert_eq!(indexes, [vec![0], vec![0], vec![1, 2, 0]]);
}

#[test]
fn a_stream_without_ids_gets_one_of_ours() {
    let sent = stream(
        &[r#"{"choices":[{"index":0,"delta":{"role":"assistant"}}]}"#],
        false,
    );
    let id = Identity::example().completion_id();
    assert!(
        sent[0]
            .as_ref()
            .unwrap()
            .contains(&format!(r#""id":"{id}""#)),
        "{sent:?}"
    );
}

#[test]
fn what_is_no_chunk() {
    let parse = |text: &str| Chunk::parse(&bytes(text)).map(|_| ()).unwrap_err();
    assert!(
        matches!(parse(r#"{"error":{"message":"x"}}"#), NotAChunk::Error(failure) if failure.message == "x")
    );
    for malformed in [
        "{",
        "",
        "[]",
        "7",
        "{}",
        r#"{"choices":3}"#,
        r#"{"choices":[{"delta":"x"}]}"#,
        r#"{"choices":[{},{"index":0}]}"#,
        "\u{0}",
    ] {
        assert!(
            matches!(parse(malformed), NotAChunk::Malformed(_)),
            "{malformed}"
        );
    }
}

proptest! {
    /// Whatever an upstream leaves out, what the client gets is a stream as OpenAI's types have it.
    #[test]
    fn every_stream_comes_out_proper(
        chunks in proptest::collection::vec((0u64..3, any::<[bool; 6]>(), 0usize..6, ".{0,4}"), 1..12)
    ) {
        let reasons = ["null", "null", "null", "\"stop\"", "\"tool_use\"", "\"\""];
        let texts: Vec<String> = chunks.iter().map(|(index, has, reason, text)| {
            let member = |present: bool, text: String| if present { text } else { String::new() };
            format!(
                r#"{{{}{}{}{}"choices":[{{"index":{index},{}"finish_reason":{}}}]}}"#,
                member(has[0], r#""id":"c1","#.into()),
                member(has[1], r#""object":"chat.completion.chunk","#.into()),
                member(has[2], r#""created":7,"#.into()),
                member(has[3], r#""model":"m","#.into()),
                member(has[4], format!(r#""delta":{{{}"content":{}}},"#, member(has[5], r#""role":"assistant","#.into()), quote(text))),
                reasons[*reason],
            )
        }).collect();
        let refs: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut ids = std::collections::HashSet::new();
        let mut finished = std::collections::HashSet::new();
        let mut begun = std::collections::HashSet::new();
        for json in stream(&refs, false).into_iter().flatten() {
            let chunk: serde_json::Value = serde_json::from_str(&json).unwrap();
            ids.insert(chunk["id"].as_str().unwrap().to_string());
            prop_assert_eq!(&chunk["object"], "chat.completion.chunk");
            prop_assert_eq!(&chunk["model"], "m");
            prop_assert!(chunk["created"].is_i64());
            let choice = &chunk["choices"][0];
            let index = choice["index"].as_u64().unwrap();
            prop_assert!(choice["delta"].is_object());
            if begun.insert(index) {
                prop_assert_eq!(&choice["delta"]["role"], "assistant");
            }
            if let Some(reason) = choice["finish_reason"].as_str() {
                prop_assert!(["stop", "tool_calls"].contains(&reason));
                prop_assert!(finished.insert(index), "two finish reasons");
            }
        }
        prop_assert!(ids.len() <= 1, "{:?}", ids);
    }
}

proptest! {
    /// However the network cuts an event stream into reads, the client gets the same chunks.
    #[test]
    fn reads_may_fall_anywhere(
        texts in proptest::collection::vec(".{0,20}", 1..8),
        sizes in proptest::collection::vec(1usize..40, 1..20),
        end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
    ) {
        let choice = |at: usize, text: &str| {
            let role = if at == 0 { r#""role":"assistant","# } else { "" };
            let text = quote(text);
            format!(r#"{{"index":0,"delta":{{{role}"content":{text}}},"finish_reason":null}}"#)
        };
        let said: Vec<String> =
            texts.iter().enumerate().map(|(at, text)| later(&choice(at, text), "")).collect();
        let events: String =
            said.iter().map(|json| format!("event: chunk{end}data: {json}{end}{end}: beat{end}{end}")).collect();
        let mut decoder = Decoder::new(1 << 20);
        let mut told = Transcript::new(&Identity::example());
        let mut sent = Vec::new();
        let mut rest = events.as_bytes();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (read, behind) = rest.split_at((*size).min(rest.len()));
            rest = behind;
            decoder.push(Bytes::copy_from_slice(read));
            while let Some(item) = decoder.next() {
                let Item::Event(event) = item else { panic!("nothing is oversized") };
                let Frame::Chunk(data) = Frame::read(&event.name, event.data) else { panic!("every event is a chunk") };
                let chunk = Chunk::parse(&data).unwrap();
                sent.extend(chunk.for_client(&told, false));
                told.add(&chunk);
            }
        }
        let sent: Vec<String> = sent.iter().map(|json| String::from_utf8(json.to_vec()).unwrap()).collect();
        prop_assert_eq!(sent, said);
    }
}
