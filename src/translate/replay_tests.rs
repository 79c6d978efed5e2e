use super::*;
use crate::translate::Identity;
use bytes::Bytes;
use proptest::prelude::*;

fn chunk(id: &str, content: &str, reason: &str) -> Bytes {
    Bytes::from(format!(
        r#"{{"id":"{id}","object":"chat.completion.chunk","created":5,"model":"m","choices":[{{"index":0,"delta":{{"role":"assistant","content":{}}},"finish_reason":{reason}}}]}}"#,
        quote(content)
    ))
}

fn told(pieces: &[&str]) -> Transcript {
    let mut transcript = Transcript::new(&Identity::example());
    for piece in pieces {
        transcript.add(&Chunk::parse(&chunk("a", piece, "null")).unwrap());
    }
    transcript
}

/// What the client is told of a replay after `before`, joined; `None` when it differs.
fn follow(before: &[&str], replay: &[&str]) -> Option<String> {
    let mut transcript = told(before);
    let mut following = (!transcript.is_empty()).then(|| Replay::of(&transcript));
    let mut text = String::new();
    for piece in replay {
        let data = chunk("b", piece, "null");
        let chunk = Chunk::parse(&data).unwrap();
        match following.take() {
            None => text.push_str(piece),
            Some(mut replay) => match replay.meet(&transcript, &chunk) {
                Met::Known => {
                    following = (!replay.has_caught_up(&transcript)).then_some(replay);
                    continue;
                }
                Met::New => text.push_str(piece),
                Met::Rest(chunks) => {
                    for rest in chunks {
                        let rest: serde_json::Value = serde_json::from_str(&rest).unwrap();
                        assert_eq!(rest["id"], "a");
                        text.push_str(
                            rest["choices"][0]["delta"]["content"]
                                .as_str()
                                .unwrap_or_default(),
                        );
                    }
                    transcript = replay.into_transcript();
                    continue;
                }
                Met::Different => return None,
            },
        }
        transcript.add(&chunk);
    }
    Some(text)
}

#[test]
fn a_replay_goes_on_where_the_client_was_left() {
    for (before, replay, rest) in [
        (&["a", "b"][..], &["a", "b", "c"][..], Some("c")),
        (&["a", "b"], &["ab", "c"], Some("c")),
        (&["a", "b"], &["abc", "d"], Some("cd")),
        (&["ab"], &["a", "bc", "d"], Some("cd")),
        (&["a", ""], &["a", "", "b"], Some("b")),
        (&["", "a"], &["a", "b"], Some("b")),
        (&["a", "b"], &["a"], Some("")),
        (&["a", "b"], &["a", "X"], None),
        (&["a", "b"], &["X"], None),
        (&["ab"], &["aX", "c"], None),
    ] {
        assert_eq!(
            follow(before, replay).as_deref(),
            rest,
            "{before:?} then {replay:?}"
        );
    }
}

#[test]
fn tool_calls_reasoning_and_reasons_count_too() {
    let parse = |choice: &str| {
        Bytes::from(format!(
            r#"{{"id":"a","created":5,"model":"m","choices":[{choice}]}}"#
        ))
    };
    let mut before = Transcript::new(&Identity::example());
    let begun = parse(
        r#"{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"t","function":{"name":"f","arguments":"{\"a\""}}]}}"#,
    );
    before.add(&Chunk::parse(&begun).unwrap());
    let whole = parse(
        r#"{"index":0,"delta":{"reasoning_content":"r","tool_calls":[{"index":0,"id":"t2","function":{"name":"f","arguments":"{\"a\":1}"}},{"index":1,"id":"u","function":{"name":"g","arguments":""}}]},"finish_reason":"tool_calls"}"#,
    );
    let met = Replay::of(&before).meet(&before, &Chunk::parse(&whole).unwrap());
    let Met::Rest(chunks) = met else {
        panic!("{met:?}")
    };
    assert!(
        chunks[0].contains(
            r#""delta":{"reasoning_content":"r","tool_calls":[{"index":0,"function":{"arguments":":1}"}},{"index":1,"id":"u","type":"function","function":{"name":"g","arguments":""}}]},"finish_reason":"tool_calls""#
        ),
        "{}",
        chunks[0]
    );
    let other = parse(
        r#"{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"g","arguments":"{\"a\""}}]}}"#,
    );
    assert_eq!(
        Replay::of(&before).meet(&before, &Chunk::parse(&other).unwrap()),
        Met::Different
    );
}

#[test]
fn a_choice_that_a_replay_has_not_reached_keeps_its_role() {
    let choice = |index: u64, words: &str| {
        Bytes::from(format!(
            r#"{{"choices":[{{"index":{index},"delta":{{{words}}}}}]}}"#
        ))
    };
    let (silent, other) = (choice(0, ""), choice(1, r#""content":"a""#));
    let mut told = Transcript::new(&Identity::example());
    told.add(&Chunk::parse(&silent).unwrap());
    let mut replay = Replay::of(&told);
    let met = replay.meet(&told, &Chunk::parse(&other).unwrap());
    assert!(matches!(met, Met::Rest(_)), "{met:?}");
    let told = replay.into_transcript();
    let begun = choice(0, r#""role":"assistant","content":"b""#);
    let sent = Chunk::parse(&begun).unwrap().for_client(&told, false);
    let sent = String::from_utf8(sent.unwrap().to_vec()).unwrap();
    assert!(sent.contains(r#""delta":{"content":"b"}"#), "{sent}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// However the first stream and its replay were cut into chunks, the client has the whole text once.
    #[test]
    fn any_boundaries_add_up(text in "[ab é🦊]{1,12}", one in proptest::collection::vec(0usize..12, 0..6), other in proptest::collection::vec(0usize..12, 0..6), cut in 0usize..7) {
        let pieces = |places: &[usize]| {
            let mut ends: Vec<usize> = places.iter().map(|place| text.char_indices().nth(*place).map_or(text.len(), |(at, _)| at)).collect();
            ends.push(0);
            ends.push(text.len());
            ends.sort_unstable();
            ends.windows(2).map(|ends| text[ends[0]..ends[1]].to_owned()).collect::<Vec<_>>()
        };
        let (one, other) = (pieces(&one), pieces(&other));
        let before: Vec<&str> = one.iter().take(cut).map(String::as_str).collect();
        let replay: Vec<&str> = other.iter().map(String::as_str).collect();
        let rest = follow(&before, &replay).expect("the same text");
        prop_assert_eq!(before.concat() + &rest, text);
    }
}
