use proptest::prelude::*;

use super::*;

fn responder(summarizes: bool, outcome: &Outcome) -> Responder {
    Responder {
        begun: r#"{"id":"resp_t","status":"queued"}"#.to_owned(),
        task: "t".to_owned(),
        summarizes,
        wants_logprobs: false,
        customs: vec!["patch".to_owned()],
        outcome: outcome.clone(),
    }
}

fn chunk(delta: &str) -> Bytes {
    format!(r#"{{"choices":[{{"index":0,"delta":{{{delta}}},"finish_reason":null}}]}}"#).into()
}

fn last(reason: &str) -> Bytes {
    format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#).into()
}

fn call(index: u64, id: &str, name: &str, arguments: &str) -> Bytes {
    let (id, name) = match id {
        "" => (String::new(), String::new()),
        id => (format!(r#""id":"{id}","#), format!(r#""name":"{name}","#)),
    };
    let arguments = quote(arguments);
    chunk(&format!(
        r#""tool_calls":[{{"index":{index},{id}"type":"function","function":{{{name}"arguments":{arguments}}}}}]"#
    ))
}

/// Each event as its number and a word: its name, and what it adds.
fn listed(stream: &[u8]) -> Vec<(u64, String)> {
    let text = std::str::from_utf8(stream).unwrap();
    let frames = text.split("\n\n").filter(|frame| !frame.is_empty());
    frames
        .map(|frame| {
            let (name, data) = frame.split_once("\ndata: ").unwrap();
            let data: serde_json::Value = serde_json::from_str(data).unwrap();
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
            let kind = data["type"].as_str().unwrap().replace("response.", "");
            let said = ["delta", "text", "refusal", "arguments", "input"]
                .iter()
                .find_map(|name| data[name].as_str());
            let said = said.map_or(String::new(), |said| format!(" {said}"));
            let place = data["output_index"].as_u64();
            let place = place.map_or(String::new(), |place| format!("{place} "));
            let number = data["sequence_number"].as_u64().unwrap();
            (number, format!("{place}{kind}{said}"))
        })
        .collect()
}

fn told(events: Events, chunks: &[Bytes]) -> Vec<u8> {
    let mut events = events;
    let mut out = BytesMut::new();
    events.begin(&mut out);
    for chunk in chunks {
        events.hear(chunk, &mut out);
    }
    events.finish(7, &mut out);
    out.to_vec()
}

fn again(events: Events, outcome: &str) -> Vec<u8> {
    events.told(outcome).flatten().collect()
}

fn names(stream: &[u8]) -> Vec<String> {
    let listed = listed(stream);
    for (at, (number, _)) in listed.iter().enumerate() {
        assert_eq!(*number, at as u64);
    }
    listed.into_iter().map(|(_, name)| name).collect()
}

#[test]
fn what_is_opened_is_closed_before_the_next() {
    let chunks = [
        chunk(r#""role":"assistant","content":"""#),
        chunk(r#""reasoning_content":"hm""#),
        chunk(r#""content":"a","refusal":null"#),
        chunk(r#""content":"b""#),
        call(0, "c0", "f", ""),
        call(0, "", "", r#"{"x":1}"#),
        call(1, "c1", "g", ""),
        last("tool_calls"),
    ];
    let outcome = Outcome::default();
    let stream = told(responder(false, &outcome).events(), &chunks);
    let expected = [
        "created",
        "in_progress",
        "0 output_item.added",
        "0 content_part.added",
        "0 reasoning_text.delta hm",
        "0 reasoning_text.done hm",
        "0 content_part.done",
        "0 output_item.done",
        "1 output_item.added",
        "1 content_part.added",
        "1 output_text.delta a",
        "1 output_text.delta b",
        "1 output_text.done ab",
        "1 content_part.done",
        "1 output_item.done",
        "2 output_item.added",
        r#"2 function_call_arguments.delta {"x":1}"#,
        r#"2 function_call_arguments.done {"x":1}"#,
        "2 output_item.done",
        "3 output_item.added",
        "3 function_call_arguments.done ",
        "3 output_item.done",
        "completed",
    ];
    assert_eq!(names(&stream), expected);
    let outcome = outcome.get().unwrap();
    assert!(outcome.starts_with(br#"{"status":"completed","completed_at":7,"#));
}

#[test]
fn calls_that_take_turns_stay_open() {
    let chunks = [
        call(0, "c0", "f", r#"{"x""#),
        call(1, "c1", "g", r#"{"y""#),
        call(0, "", "", ":1}"),
        call(1, "", "", ":2}"),
        last("tool_calls"),
    ];
    let stream = told(responder(false, &Outcome::default()).events(), &chunks);
    let names = names(&stream);
    let done = |name: &str| names.iter().position(|other| other == name).unwrap();
    assert!(done("0 output_item.done") < done("completed"));
    assert!(names.contains(&r#"0 function_call_arguments.done {"x":1}"#.to_owned()));
    assert!(names.contains(&r#"1 function_call_arguments.done {"y":2}"#.to_owned()));
    assert_eq!(
        names
            .iter()
            .filter(|name| name.ends_with("item.done"))
            .count(),
        2
    );
}

#[test]
fn plain_text_for_a_tool_is_taken_out_of_its_arguments() {
    let chunks = [
        call(0, "c0", "patch", r#"{"inp"#),
        call(0, "", "", r#"ut":"a\nb"}"#),
        last("tool_calls"),
    ];
    let outcome = Outcome::default();
    let stream = told(responder(false, &outcome).events(), &chunks);
    let expected = [
        "created",
        "in_progress",
        "0 output_item.added",
        "0 custom_tool_call_input.delta a\nb",
        "0 custom_tool_call_input.done a\nb",
        "0 output_item.done",
        "completed",
    ];
    assert_eq!(names(&stream), expected);
    let outcome = std::str::from_utf8(outcome.get().unwrap()).unwrap();
    let item = r#"{"id":"ctc_t_0","type":"custom_tool_call","status":"completed","call_id":"c0","name":"patch","input":"a\nb"}"#;
    assert!(outcome.contains(item), "{outcome}");
}

#[test]
fn an_answer_that_was_cut_says_so() {
    for (reason, told_reason) in [
        ("length", "max_output_tokens"),
        ("content_filter", "content_filter"),
    ] {
        let outcome = Outcome::default();
        let chunks = [chunk(r#""content":"a""#), last(reason)];
        let stream = told(responder(true, &outcome).events(), &chunks);
        assert_eq!(names(&stream).last().unwrap(), "incomplete");
        let outcome = std::str::from_utf8(outcome.get().unwrap()).unwrap();
        assert!(outcome.contains(&format!(r#"{{"reason":"{told_reason}"}}"#)));
        assert!(outcome.contains(r#""type":"message","status":"incomplete""#));
    }
}

#[test]
fn no_words_at_all_are_an_empty_message() {
    let stream = told(
        responder(false, &Outcome::default()).events(),
        &[last("stop")],
    );
    assert!(names(&stream).contains(&"0 output_text.done ".to_owned()));
}

#[test]
fn a_failure_is_told_and_only_a_final_one_is_what_it_came_to() {
    let error = ApiError::new(504, "server_error", "task_deadline_exceeded", "Too late.");
    for (is_even, is_final, name) in [
        (false, false, "failed"),
        (false, true, "failed"),
        (true, true, "failed"),
        (true, false, "error"),
    ] {
        let outcome = Outcome::default();
        let mut events = responder(false, &outcome).events();
        if is_even {
            events = events.evenly(None);
        }
        let mut out = BytesMut::new();
        events.begin(&mut out);
        events.hear(&chunk(r#""content":"a b""#), &mut out);
        events.fail(&error, is_final, &mut out);
        let listed = listed(&out);
        let (number, last) = listed.last().unwrap();
        assert_eq!(last, name);
        assert_eq!(outcome.get().is_some(), is_final);
        // An error is no event of the response, so that whoever goes on behind it misses none.
        let before = listed[listed.len() - 2].0;
        assert_eq!(*number, if name == "error" { before } else { before + 1 });
    }
}

#[test]
fn silence_is_broken_where_events_may_differ() {
    let mut out = BytesMut::new();
    let mut events = responder(false, &Outcome::default()).events();
    events.begin(&mut out);
    assert!(events.break_silence(&mut out));
    events.hear(&chunk(r#""content":"a""#), &mut out);
    assert!(events.break_silence(&mut out));
    let names = names(&out);
    assert_eq!(names[2], "in_progress");
    assert_eq!(names.last().unwrap(), "0 output_text.delta ");
    let mut even = responder(false, &Outcome::default()).even_events(None);
    assert!(!even.break_silence(&mut out));
}

/// An answer, cut into chunks at random.
fn answer() -> impl Strategy<Value = (Vec<Bytes>, Vec<Bytes>)> {
    let piece = (0..4_u8, "[a-c \n中🦊]{1,30}");
    let pieces = prop::collection::vec(piece, 0..5);
    (
        pieces,
        prop::collection::vec(1..8_usize, 40),
        prop::collection::vec(1..8_usize, 40),
    )
        .prop_map(|(pieces, one, other)| (cut(&pieces, &one), cut(&pieces, &other)))
}

fn cut(pieces: &[(u8, String)], lengths: &[usize]) -> Vec<Bytes> {
    let mut lengths = lengths.iter().cycle();
    let mut chunks = Vec::new();
    for (at, (kind, text)) in pieces.iter().enumerate() {
        let mut rest: Vec<char> = text.chars().collect();
        if *kind == 3 {
            chunks.push(call(at as u64, &format!("c{at}"), "f", "{\"x\":\""));
        }
        while !rest.is_empty() {
            let length = (*lengths.next().unwrap()).min(rest.len());
            let said: String = rest.drain(..length).collect();
            let said_json = quote(&said);
            chunks.push(match kind {
                0 => chunk(&format!(r#""reasoning_content":{said_json}"#)),
                1 => chunk(&format!(r#""content":{said_json}"#)),
                2 => chunk(&format!(r#""refusal":{said_json}"#)),
                _ => call(at as u64, "", "", said_json.trim_matches('"')),
            });
        }
        if *kind == 3 {
            chunks.push(call(at as u64, "", "", "\"}"));
        }
    }
    chunks.push(last("stop"));
    chunks
}

proptest! {
    /// However an answer is cut, and whether it is told while it comes or afterwards, its events are the same; so a client can go
    /// on behind any of them on another connection.
    #[test]
    fn every_stream_of_a_background_response_is_the_same((one, other) in answer(), summarizes: bool, after in 0..80_u64) {
        let outcome = Outcome::default();
        let first = told(responder(summarizes, &outcome).even_events(None), &one);
        let second = told(responder(summarizes, &Outcome::default()).even_events(None), &other);
        prop_assert_eq!(std::str::from_utf8(&first), std::str::from_utf8(&second));
        let known = std::str::from_utf8(outcome.get().unwrap()).unwrap().to_owned();
        let afterwards = again(responder(summarizes, &outcome).even_events(None), &known);
        prop_assert_eq!(std::str::from_utf8(&first), std::str::from_utf8(&afterwards));
        let all = listed(&first);
        for rest in [
            told(responder(summarizes, &Outcome::default()).even_events(Some(after)), &other),
            again(responder(summarizes, &outcome).even_events(Some(after)), &known),
        ] {
            let missing: Vec<_> = all.iter().filter(|(number, _)| *number > after).cloned().collect();
            prop_assert_eq!(listed(&rest), missing);
        }
    }

    /// A stream of another kind says the same, in pieces of its own.
    #[test]
    fn every_stream_adds_up_to_the_same_answer((one, other) in answer()) {
        let (even, natural) = (Outcome::default(), Outcome::default());
        told(responder(false, &even).even_events(None), &one);
        told(responder(false, &natural).events(), &other);
        prop_assert_eq!(even.get(), natural.get());
    }
}

#[test]
fn a_long_answer_is_told_a_little_at_a_time() {
    let text = "many words 中 ".repeat(20_000);
    let outcome = Outcome::default();
    let chunks = [
        chunk(&format!(r#""content":{}"#, quote(&text))),
        last("stop"),
    ];
    let live = told(responder(false, &outcome).even_events(None), &chunks);
    let known = std::str::from_utf8(outcome.get().unwrap()).unwrap();
    let mut most = 0;
    let mut all = Vec::new();
    for piece in responder(false, &outcome).even_events(None).told(known) {
        most = most.max(piece.len());
        all.extend_from_slice(&piece);
    }
    assert!(all == live, "the same events");
    // The last ones have the whole text in them.
    assert!(most < 8 * text.len() && most < live.len() / 10, "{most}");
    let rest = responder(false, &outcome)
        .even_events(Some(1 << 40))
        .told(known);
    assert_eq!(rest.count(), 0);
}
