use std::collections::BTreeMap;

use super::*;
use crate::translate::Identity;
use bytes::Bytes;
use proptest::prelude::*;

/// Where a replay stands when everything is compared from its beginning, as the one who wrote it down first would.
fn from_the_beginning(told: &Transcript, replay: &Transcript) -> Position {
    let nothing = Told::default();
    let mut texts = Vec::new();
    for one in &told.choices {
        compare(
            one,
            replay.choice(one.index).unwrap_or(&nothing),
            &mut texts,
        );
    }
    let is_new = |one: &&Told| told.choice(one.index).is_none();
    for one in replay.choices.iter().filter(is_new) {
        compare(&nothing, one, &mut texts);
    }
    let wanted = [Position::Different, Position::Behind, Position::Ahead];
    let mut found = wanted.into_iter().filter(|wanted| texts.contains(wanted));
    found.next().unwrap_or(Position::Level)
}

fn compare(told: &Told, replay: &Told, texts: &mut Vec<Position>) {
    texts.push(text(&told.content, &replay.content));
    texts.push(text(&told.reasoning, &replay.reasoning));
    texts.push(text(&told.refusal, &replay.refusal));
    texts.push(text(reason(told), reason(replay)));
    let nothing = ToldCall::default();
    let of = |calls: &[ToldCall], index| calls.iter().find(|call| call.index == index).cloned();
    for call in &told.tool_calls {
        let other = of(&replay.tool_calls, call.index).unwrap_or_default();
        texts.push(text(&call.name, &other.name));
        texts.push(text(&call.arguments, &other.arguments));
    }
    for call in &replay.tool_calls {
        if of(&told.tool_calls, call.index).is_none() {
            texts.push(text(&nothing.id, &call.id));
            texts.push(text(&nothing.name, &call.name));
            texts.push(text(&nothing.arguments, &call.arguments));
        }
    }
}

fn text(told: &str, replay: &str) -> Position {
    if told == replay {
        Position::Level
    } else if told.starts_with(replay) {
        Position::Behind
    } else if replay.starts_with(told) {
        Position::Ahead
    } else {
        Position::Different
    }
}

/// Chunks of few letters, so that two lists of them often agree for a while.
fn chunks() -> impl Strategy<Value = Vec<String>> {
    let letters = || prop_oneof![4 => Just("a"), 1 => Just("b"), 1 => Just("aé"), 1 => Just("")];
    let words = prop_oneof![
        3 => letters().prop_map(|text| format!(r#""content":"{text}""#)),
        1 => letters().prop_map(|text| format!(r#""reasoning_content":"{text}""#)),
        1 => letters().prop_map(|text| format!(r#""refusal":"{text}""#)),
        3 => (0..3, letters(), letters(), letters()).prop_map(|(index, id, name, arguments)| format!(
            r#""tool_calls":[{{"index":{index},"id":"{id}","function":{{"name":"{name}","arguments":"{arguments}"}}}}]"#
        )),
    ];
    let reason = prop_oneof![8 => Just("null"), 1 => Just("\"stop\""), 1 => Just("\"length\"")];
    let choice = (0..3, words, reason).prop_map(|(index, words, reason)| {
        let choice = format!(r#"{{"index":{index},"delta":{{{words}}},"finish_reason":{reason}}}"#);
        (index, choice)
    });
    // A chunk tells a choice once.
    let chunk = proptest::collection::vec(choice, 0..3).prop_map(|choices| {
        let choices: BTreeMap<i32, String> = choices.into_iter().collect();
        let choices: Vec<String> = choices.into_values().collect();
        format!(r#"{{"choices":[{}]}}"#, choices.join(","))
    });
    proptest::collection::vec(chunk, 0..6)
}

fn add(transcript: &mut Transcript, chunk: &str) {
    let data = Bytes::copy_from_slice(chunk.as_bytes());
    transcript.add(&Chunk::parse(&data).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Comparing only what is new comes to what comparing everything comes to.
    #[test]
    fn nothing_need_be_compared_twice(before in chunks(), other in chunks(), repeated in 0usize..6) {
        let mut told = Transcript::new(&Identity::example());
        before.iter().for_each(|chunk| add(&mut told, chunk));
        let mut replay = told.without_words();
        let mut distance = Distance::to(&told);
        prop_assert_eq!(distance.position(), from_the_beginning(&told, &replay));
        for chunk in before.iter().take(repeated).chain(&other) {
            add(&mut replay, chunk);
            let data = Bytes::copy_from_slice(chunk.as_bytes());
            distance.update(&told, &replay, &Chunk::parse(&data).unwrap());
            prop_assert_eq!(distance.position(), from_the_beginning(&told, &replay));
        }
    }
}
