use super::*;

#[test]
fn what_is_understood() {
    let body = br#"{"model":"gpt-5.5","messages":[{"role":"user","content":[{"type":"text","text":"x"}]},
        {"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","content":"1"}],"stream":true,
        "stream_options":{"include_usage":true},"max_completion_tokens":5,"max_tokens":null,"x":1e400}"#;
    let request = ChatRequest::parse(body).unwrap();
    assert_eq!(request.model, "gpt-5.5");
    assert!(request.stream && request.include_usage);
    assert_eq!(
        request.max_completion_tokens,
        Some(TokenLimit {
            text: "5",
            value: 5
        })
    );
    assert_eq!(request.max_tokens, None);
    assert!(!request.asks_for_reasoning);
}

#[test]
fn who_asks_for_reasoning() {
    for (member, asks) in [
        (r#""reasoning_effort":"low""#, true),
        (r#""reasoning":{"effort":"high"}"#, true),
        (r#""reasoning_effort":"none""#, false),
        (r#""reasoning_effort":null"#, false),
    ] {
        let body =
            format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{member}}}"#);
        assert_eq!(
            ChatRequest::parse(body.as_bytes())
                .unwrap()
                .asks_for_reasoning,
            asks,
            "{member}"
        );
    }
}

/// `rest` follows `"model":"m"` unless it names a model of its own.
fn fault(body: &str) -> (Option<String>, Option<&'static str>, String) {
    let fault = ChatRequest::parse(body.as_bytes()).expect_err(body);
    (fault.param, fault.code, fault.message)
}

#[test]
fn what_is_refused() {
    let with = |member: &str| {
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{member}}}"#)
    };
    let messages = |messages: &str| format!(r#"{{"model":"m","messages":{messages}}}"#);
    for (body, param, code) in [
        (
            r#"{"messages":[]}"#.to_string(),
            Some("model"),
            Some("missing_required_parameter"),
        ),
        (
            r#"{"model":7,"messages":[]}"#.into(),
            Some("model"),
            Some("invalid_type"),
        ),
        (
            r#"{"model":" ","messages":[]}"#.into(),
            Some("model"),
            Some("invalid_value"),
        ),
        (
            r#"{"model":"m"}"#.into(),
            Some("messages"),
            Some("missing_required_parameter"),
        ),
        (messages("{}"), Some("messages"), Some("invalid_type")),
        (messages("\"hi\""), Some("messages"), Some("invalid_type")),
        (messages("[]"), Some("messages"), Some("empty_array")),
        (messages("[1]"), Some("messages[0]"), Some("invalid_type")),
        (
            messages("[{}]"),
            Some("messages[0].role"),
            Some("missing_required_parameter"),
        ),
        (
            messages(r#"[{"role":1}]"#),
            Some("messages[0].role"),
            Some("invalid_type"),
        ),
        (
            messages(r#"[{"role":"user"}]"#),
            Some("messages[0].content"),
            Some("invalid_type"),
        ),
        (
            messages(r#"[{"role":"user","content":3}]"#),
            Some("messages[0].content"),
            Some("invalid_type"),
        ),
        (
            messages(r#"[{"role":"user","content":[3]}]"#),
            Some("messages[0].content[0]"),
            Some("invalid_type"),
        ),
        (
            messages(r#"[{"role":"user","content":[{"text":"x"}]}]"#),
            Some("messages[0].content[0].type"),
            Some("missing_required_parameter"),
        ),
        (
            with(r#""stream":"yes""#),
            Some("stream"),
            Some("invalid_type"),
        ),
        (
            with(r#""stream_options":{}"#),
            Some("stream_options"),
            Some("invalid_value"),
        ),
        (
            with(r#""stream":true,"stream_options":[]"#),
            Some("stream_options"),
            Some("invalid_type"),
        ),
        (
            with(r#""max_tokens":0"#),
            Some("max_tokens"),
            Some("integer_below_min_value"),
        ),
        (
            with(r#""max_tokens":"5""#),
            Some("max_tokens"),
            Some("invalid_type"),
        ),
        (
            with(r#""max_completion_tokens":1.5"#),
            Some("max_completion_tokens"),
            Some("invalid_type"),
        ),
        (
            with(r#""max_tokens":1,"max_completion_tokens":1"#),
            Some("max_tokens"),
            Some("invalid_value"),
        ),
        (with(r#""a":{"b":1,"b":2}"#), None, None),
        (
            with(&format!(
                r#""a":{}{}"#,
                "[".repeat(10_000),
                "]".repeat(10_000)
            )),
            None,
            None,
        ),
        ("{\"model\":".into(), None, None),
        ("[]".into(), None, None),
        (String::new(), None, None),
    ] {
        let (got_param, got_code, message) = fault(&body);
        assert_eq!((got_param.as_deref(), got_code), (param, code), "{message}");
        assert!(message.len() < 300, "{message}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let fault = ChatRequest::parse(b"{\"model\":\"\xff\"}").expect_err("not UTF-8");
    assert!(
        fault.message.contains("UTF-8 (byte 10)"),
        "{}",
        fault.message
    );
}
