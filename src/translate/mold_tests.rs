use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::translate::Identity;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn chunk(delta: &str, rest: &str) -> String {
    format!(r#"{{"id":"c-7","created":1,"choices":[{{"index":0,"delta":{{{delta}}}{rest}}}]}}"#)
}

/// The mold of the second chunk of a stream.
fn mold(second: &str) -> Option<Mold> {
    let mut told = Transcript::new(&Identity::example());
    let mut last = None;
    for text in [&chunk(r#""role":"assistant","content":"""#, ""), second] {
        let data = bytes(text);
        let chunk = Chunk::parse(&data).expect("a chunk");
        told.add(&chunk);
        last = Mold::of(&chunk, &told);
    }
    last
}

#[test]
fn only_chunks_that_add_text_and_nothing_else_have_one() {
    for (delta, rest, has_one) in [
        (r#""content":"a""#, "", true),
        (
            r#""content":"a\n\u00e9""#,
            r#","finish_reason":null,"logprobs":{"x":["content"]}"#,
            true,
        ),
        (r#""reasoning_content":"a","content":null"#, "", true),
        (r#""content":"a","reasoning_content":"b""#, "", false),
        (r#""content":"a","role":"assistant""#, "", false),
        (r#""content":"a","refusal":"no""#, "", false),
        (r#""content":"a","tool_calls":[]"#, "", false),
        (r#""content":"a""#, r#","finish_reason":"stop""#, false),
        (r#""content":["a"]"#, "", false),
        (r#""content":"\ud800""#, "", false),
        ("", "", false),
    ] {
        assert_eq!(
            mold(&chunk(delta, rest)).is_some(),
            has_one,
            "{delta} {rest}"
        );
    }
    let two = r#"{"id":"c","created":1,"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{}}]}"#;
    assert!(mold(two).is_none());
    let usage =
        r#"{"id":"c","created":1,"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{}}"#;
    assert!(mold(usage).is_none());
}

#[test]
fn what_fits_is_a_string_and_the_same_around_it() {
    let rest = r#","finish_reason":null"#;
    let mold = mold(&chunk(r#""content":"a""#, rest)).expect("a mold");
    let text = |delta: &str| {
        let data = chunk(delta, rest);
        mold.text(data.as_bytes()).map(|text| text.get().to_owned())
    };
    assert_eq!(text(r#""content":"b""#).as_deref(), Some(r#""b""#));
    assert_eq!(text(r#""content":"""#).as_deref(), Some(r#""""#));
    assert_eq!(text(r#""content":"\"\\é""#).as_deref(), Some(r#""\"\\é""#));
    for other in [
        r#""content":"b","role":"x""#,
        r#""content":"b","content":"c""#,
        r#""content":"b\""#,
        r#""content":"\x""#,
        "\"content\":\"\n\"",
        r#""content": "b""#,
        r#""content":null"#,
        r#""content":"#,
        "",
    ] {
        assert_eq!(text(other), None, "{other}");
    }
    for cut in 0..mold.before.len() + mold.behind.len() {
        let both = [&mold.before[..], &mold.behind].concat();
        assert!(mold.text(&both[..cut]).is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is put into the place of a chunk's text: if it fits, a parser reads the same of it.
    #[test]
    fn what_fits_is_read_as_a_parser_reads_it(
        instead in r#"[a-z"\\,:{}u0-9 é\n]{0,16}"#,
        is_reasoning: bool,
        rest in prop::sample::select(vec!["", r#","finish_reason":null"#, r#","x":"}]""#]),
    ) {
        let name = if is_reasoning { "reasoning_content" } else { "content" };
        let with = |text: &str| chunk(&format!(r#""{name}":"{text}""#), rest);
        let mold = mold(&with("a")).expect("a mold");
        let data = bytes(&with(&instead));
        let Some(text) = mold.text(&data) else {
            // It is looked at closely, which is never wrong.
            return Ok(());
        };
        let parsed = Chunk::parse(&data).expect("it fits");
        let plain = bytes(&with("a"));
        let plain = Chunk::parse(&plain).expect("a chunk");
        let [choice] = parsed.view.choices.as_deref().expect("choices") else { panic!("one choice") };
        let delta = choice.delta.as_ref().expect("a delta");
        let found = if is_reasoning { delta.reasoning_content } else { delta.content };
        prop_assert_eq!(found, Some(text));
        // All but the text is as it was.
        let without = |view: &crate::translate::view::View| format!("{view:?}");
        prop_assert_eq!(without(&parsed.view).replacen(&format!("{text:?}"), "", 1), without(&plain.view).replacen("Raw(\"\\\"a\\\"\")", "", 1));
    }
}
