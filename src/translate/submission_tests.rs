use super::*;
use crate::json::RawObject;
use crate::translate::{ByModel, Pattern};
use proptest::prelude::*;

pub(in crate::translate) fn settings() -> Settings {
    Settings {
        claude_max_tokens: 4096,
        gpt_min_tokens: 16,
        aliases: ByModel::new(vec![
            (Pattern::new("gpt-4o").unwrap(), "gpt-5.5".into()),
            (Pattern::new("fox/*").unwrap(), "*".into()),
        ]),
        fallbacks: ByModel::default(),
        wait: ByModel::new(vec![(Pattern::new("kimi-*").unwrap(), Wait::Stream)]),
        inline_max: 20,
    }
}

fn translate(body: &str) -> (String, Vec<String>) {
    let bytes = Bytes::copy_from_slice(body.as_bytes());
    let request = ChatRequest::parse(&bytes).unwrap();
    let draft = draft(&request, &bytes, &settings()).unwrap();
    let adjustments = draft.adjustments.clone();
    let urls = vec!["https://u/0".to_string(); draft.uploads().len()];
    let text = String::from_utf8(draft.submission(&urls).body().to_vec()).unwrap();
    (text, adjustments)
}

fn body(model: &str, rest: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"x"}}]{rest}}}"#)
}

#[test]
fn what_needs_no_change_is_not_touched() {
    for (model, rest) in [
        ("gpt-5.5", ""),
        (
            "gpt-5.5",
            r#" , "max_tokens": 16, "x": 1e400, "y" :[1,  2]"#,
        ),
        ("claude-opus-4-7", r#","max_tokens":1"#),
        ("gemini-3-pro-preview", r#","max_tokens":1"#),
        ("gpt", r#","max_tokens":1"#),
        ("kimi-k2.6", r#","max_tokens":null,"stream":true"#),
    ] {
        let text = body(model, rest);
        assert_eq!(translate(&text), (text.clone(), vec![]));
    }
}

#[test]
fn family_rules() {
    for (model, rest, becomes, adjusted) in [
        (
            "claude-opus-4-7",
            "",
            r#","max_tokens":4096"#,
            Some("set to 4096"),
        ),
        (
            "Claude-Opus-4-7",
            r#","max_tokens":null"#,
            r#","max_tokens":4096"#,
            Some("set to 4096"),
        ),
        (
            "gpt-5.5",
            r#","max_tokens":5,"n":1"#,
            r#","max_tokens":16,"n":1"#,
            Some("raised from 5 to 16"),
        ),
        (
            "gpt-5.5",
            r#","max_completion_tokens":1"#,
            r#","max_tokens":16"#,
            Some("raised from 1 to 16"),
        ),
        (
            "gpt-5.5",
            r#","max_completion_tokens":99"#,
            r#","max_tokens":99"#,
            None,
        ),
        ("gpt-5.5", r#","max_completion_tokens":null"#, "", None),
        (
            "claude-opus-4-7",
            r#","max_completion_tokens":7"#,
            r#","max_tokens":7"#,
            None,
        ),
        (
            "gpt-5.5",
            r#","max_tokens":null,"max_completion_tokens":70"#,
            r#","max_tokens":70"#,
            None,
        ),
        ("gpt-5.5", r#","stream":null"#, "", None),
        (
            "gpt-5.5",
            r#","max_tokens":99999999999999999999999"#,
            r#","max_tokens":99999999999999999999999"#,
            None,
        ),
    ] {
        let (text, adjustments) = translate(&body(model, rest));
        assert_eq!(text, body(model, becomes));
        assert_eq!(
            adjustments.is_empty(),
            adjusted.is_none(),
            "{adjustments:?}"
        );
        if let Some(part) = adjusted {
            assert!(adjustments[0].contains(part), "{adjustments:?}");
            assert!(adjustments[0].is_ascii());
        }
    }
}

#[test]
fn names_follow_their_aliases_and_the_rules_of_what_they_become() {
    for (model, rest, becomes, rest_becomes) in [
        (
            "gpt-4o",
            r#","max_tokens":3"#,
            "gpt-5.5",
            r#","max_tokens":16"#,
        ),
        (
            "fox/claude-opus-4-7",
            "",
            "claude-opus-4-7",
            r#","max_tokens":4096"#,
        ),
        ("gpt-4o-mini", "", "gpt-4o-mini", ""),
    ] {
        assert_eq!(translate(&body(model, rest)).0, body(becomes, rest_becomes));
    }
}

#[test]
fn thinking_models_are_waited_for_by_stream() {
    for (model, rest, becomes) in [
        ("kimi-k2.6", r#","x":1"#, r#","x":1,"stream":true"#),
        ("kimi-k2.6", r#","stream":false"#, r#","stream":true"#),
        (
            "gpt-5.5",
            r#","reasoning_effort":"low""#,
            r#","reasoning_effort":"low","stream":true"#,
        ),
        (
            "gpt-5.5",
            r#","reasoning_effort":"none""#,
            r#","reasoning_effort":"none""#,
        ),
    ] {
        assert_eq!(translate(&body(model, rest)).0, body(model, becomes));
    }
}

#[test]
fn uploads_take_their_place() {
    let with = |url: &str| {
        format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"{url}"}}}}]}}],"n":1}}"#
        )
    };
    let (text, _) = translate(&with("data:image/png;base64,AAAAAAAA"));
    assert_eq!(text, with("https://u/0"));
}

/// Any JSON text, with the numbers and escapes that a value tree would not keep.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_string()),
        Just("true".into()),
        Just("1e400".into()),
        Just("-0".into()),
        "[1-9][0-9]{0,40}".prop_map(|digits| digits),
        "[0-9]\\.[0-9]{1,5}[eE][+-]?[0-9]{1,3}".prop_map(|number| number),
        r#"([a-z é]|\\n|\\u00e9|\\ud83e\\udd8a|\\\\|\\")*"#
            .prop_map(|inside| format!("\"{inside}\"")),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let space = "[ \n\t]{0,2}";
        let array = (proptest::collection::vec(inner.clone(), 0..5), space)
            .prop_map(|(items, space)| format!("[{space}{}]", items.join(&format!(",{space}"))));
        let object = (
            proptest::collection::btree_map("[a-z]{1,6}", inner, 0..5),
            space,
        )
            .prop_map(|(members, space)| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| format!("\"{name}\":{space}{value}"))
                    .collect();
                format!("{{{}}}", members.join(&format!("{space},")))
            });
        prop_oneof![array, object]
    })
}

proptest! {
    /// Whatever a client says that is not translated reaches the upstream byte for byte and in order.
    #[test]
    fn an_arbitrary_request_survives(
        members in proptest::collection::btree_map("x_[a-z]{1,8}", json_text(), 0..8),
        model in prop_oneof![
            Just("gpt-5.5"), Just("gpt-4o"), Just("claude-opus-4-7"), Just("kimi-k2.6"), Just("fox/m")
        ],
        limit in prop_oneof![Just(""), Just(r#","max_tokens":3"#), Just(r#","max_completion_tokens":70"#)],
    ) {
        let rest: String = members.iter().map(|(name, value)| format!(",\"{name}\":{value}")).collect();
        let body = body(model, &format!("{rest}{limit}"));
        let (text, _) = translate(&body);
        let object = RawObject::parse(&text).unwrap();
        let sent = object
            .members()
            .map(|(name, value)| (name.get().to_owned(), value.get()))
            .filter(|(name, _)| name.starts_with("\"x_"));
        let said = members.iter().map(|(name, value)| (format!("\"{name}\""), value.as_str()));
        prop_assert!(said.eq(sent), "{}", text);
        prop_assert_eq!(object.get("messages").unwrap().get(), r#"[{"role":"user","content":"x"}]"#);
    }
}
