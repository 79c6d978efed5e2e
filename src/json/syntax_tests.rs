use super::*;
use proptest::prelude::*;

fn serde_json_takes(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// serde_json keeps its own count of levels, which does not concern values that are skipped.
fn agree(text: &str) {
    assert_eq!(
        is_plainly_valid(text.as_bytes()),
        serde_json_takes(text),
        "{text}"
    );
}

#[test]
fn it_agrees_with_serde_json_on_every_corner() {
    for text in [
        "",
        " ",
        "null",
        " null ",
        "nul",
        "nulll",
        "true",
        "tru",
        "false",
        "falsey",
        "True",
        "0",
        "-0",
        "-",
        "--1",
        "+1",
        "01",
        "-01",
        "1.",
        "1.0",
        ".5",
        "1.e1",
        "1e",
        "1e+",
        "1e+5",
        "1E-05",
        "1e400",
        "0x1",
        "1_0",
        "NaN",
        "Infinity",
        "1 2",
        "\u{feff}1",
        r#""""#,
        r#"""#,
        r#""a"#,
        r#""\""#,
        r#""\"""#,
        r#""\\""#,
        r#""\\\""#,
        r#""\x""#,
        r#""\u12""#,
        r#""\u12g4""#,
        r#""\u1234""#,
        r#""\ud800""#,
        "\"\u{1}\"",
        "\"\t\"",
        "\"\u{7f}\"",
        r#""\/\b\f\n\r\t""#,
        r#"'a'"#,
        r#""0123456789abcdef\"#,
        r#""0123456789abcde\""#,
        r#""0123456789abcde\"""#,
        r#""0123456789abcdefg\u00zz""#,
        "[]",
        "[ ]",
        "[,]",
        "[1,]",
        "[1 2]",
        "[1,2]",
        "[",
        "]",
        "[1",
        "[1,",
        "[}",
        "[[]]",
        "[[],[]]",
        "[]]",
        "{}",
        "{ }",
        "{,}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1}"#,
        r#"{"a":1,}"#,
        r#"{"a" : 1 , "b":[]}"#,
        r#"{a:1}"#,
        r#"{"a":1 "b":2}"#,
        r#"{1:2}"#,
        "{",
        "}",
        r#"{"a""#,
        r#"{"a":"#,
        "{]",
        r#"{"a":{}}"#,
        r#"{"a":1]"#,
        r#"[{"a":[{"b":[]}]}]"#,
        "/**/1",
        "1//",
        "[1,/**/2]",
    ] {
        agree(text);
    }
}

#[test]
fn deep_nesting_is_left_to_serde_json() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(is_plainly_valid(nested(DEEPEST as usize).as_bytes()));
    assert!(!is_plainly_valid(nested(DEEPEST as usize + 1).as_bytes()));
    assert!(validate(&nested(DEEPEST as usize + 1)).is_ok());
    assert!(validate(&nested(100_000)).is_ok());
}

#[test]
fn members_are_told_as_they_are_read() {
    let text = r#" { "a" : [ { "b" : 1 } ] , "c\"" :2,"d":{ } ,"e":[]} "#;
    let found = members(text, 10).expect("members");
    assert_eq!(
        found,
        [
            ("\"a\"", r#"[ { "b" : 1 } ]"#),
            (r#""c\"""#, "2"),
            ("\"d\"", "{ }"),
            ("\"e\"", "[]")
        ]
    );
    assert_eq!(members("{}", 0), Some(Vec::new()));
    assert_eq!(members(text, 3), None);
    for text in ["[]", "{", r#"{"a":1}}"#, r#"{"a":1,}"#, "1", ""] {
        assert_eq!(members(text, 10), None, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn it_agrees_with_serde_json(text in r#"[\[\]{},:"\\a0-9eE.+\-tu\n \u{1}é]{0,24}"#) {
        agree(&text);
    }

    #[test]
    fn it_agrees_with_serde_json_on_texts_that_are_nearly_right(
        at in 0usize..200,
        instead in r#"[\[\]{},:"\\a0-9e.\-tu\n ]{0,2}"#,
        cut in 0usize..3,
    ) {
        let text = r#"{"model":"gpt-5.5","messages":[{"role":"user","content":"a \"quoted\" w\u00f6rd\n"}],"n":-1.5e+3,"stop":null,"stream":true,"deep":[[],{},[{"x":[false,0]}]]}"#;
        let at = at.min(text.len());
        let behind = (at + cut).min(text.len());
        let changed = format!("{}{instead}{}", &text[..at], &text[behind..]);
        agree(&changed);
    }
}
