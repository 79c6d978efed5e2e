use super::*;

fn translated(body: &str, earlier: &[Cow<str>]) -> Result<Chat, RequestFault> {
    let request = ResponseRequest::parse(body.as_bytes()).unwrap();
    let items = input_items(&request, 100, |id| {
        (id == "msg_known").then(|| r#"{"role":"assistant","content":"found"}"#.to_owned())
    })?;
    chat(&request, earlier, &items)
}

#[test]
fn a_reference_is_what_it_refers_to() {
    for reference in [
        r#"{"type":"item_reference","id":"msg_known"}"#,
        r#"{"id":"msg_known"}"#,
    ] {
        let body =
            format!(r#"{{"model":"m","input":[{reference},{{"role":"user","content":"x"}}]}}"#);
        let chat = translated(&body, &[]).unwrap();
        let expected = r#"{"model":"m","messages":[{"role":"assistant","content":"found"},{"role":"user","content":"x"}]}"#;
        assert_eq!(chat.body, expected);
    }
    let twice = r#"{"model":"m","input":[{"id":"msg_known"},{"id":"msg_known"}]}"#;
    let fault = translated(twice, &[]).unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("input[1].id"));
    let request = ResponseRequest::parse(twice.as_bytes()).unwrap();
    let fault = input_items(&request, 9, |_| Some("x".repeat(10))).unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("input[0].id"));
    assert!(fault.message.contains("longer than 9 bytes"), "{fault}");
    let body = r#"{"model":"m","input":[{"type":"item_reference","id":"msg_other"}]}"#;
    let fault = translated(body, &[]).unwrap_err();
    assert_eq!(
        (fault.param.as_deref(), fault.code),
        (Some("input[0].id"), Some("item_not_found"))
    );
}

#[test]
fn a_conversation_comes_before_the_input_and_behind_the_instructions() {
    let earlier = [
        Cow::Borrowed(r#"[{"role":"user","content":"1"}]"#),
        Cow::Borrowed(
            r#"[{"type":"reasoning","id":"rs_1","summary":[]},{"role":"assistant","content":"2"}]"#,
        ),
    ];
    let body = r#"{"model":"m","instructions":"0","input":"3","previous_response_id":"resp_1"}"#;
    let expected = r#"{"model":"m","messages":[{"role":"system","content":"0"},{"role":"user","content":"1"},{"role":"assistant","content":"2"},{"role":"user","content":"3"}]}"#;
    assert_eq!(translated(body, &earlier).unwrap().body, expected);
}

#[test]
fn places_are_named_in_the_clients_words() {
    let body = r#"{"model":"m","instructions":"i","input":[{"role":"developer","content":"x"},
        {"type":"function_call","call_id":"1","name":"f","arguments":"{}"},
        {"type":"function_call_output","call_id":"1","output":"y"},{"role":"user","content":"z"}]}"#;
    let chat = translated(body, &[]).unwrap();
    for (param, own) in [
        ("messages[0].content", "instructions"),
        ("messages[1].content", "input[0].content"),
        ("messages[3].content[2].text", "input[2].output[2].text"),
        (
            "messages[4].content[1].file.file_data",
            "input[3].content[1].file_data",
        ),
        ("messages[9].content", "messages[9].content"),
        ("messages", "input"),
        ("max_completion_tokens", "max_output_tokens"),
        ("reasoning_effort", "reasoning.effort"),
        ("temperature", "temperature"),
    ] {
        assert_eq!(chat.own_name(param), own, "{param}");
    }
    assert_eq!(
        chat.own_words("messages[4].content[0]: no. Is 'max_tokens' in messages[0]?"),
        "input[3].content[0]: no. Is 'max_output_tokens' in instructions?"
    );
}

#[test]
fn what_cannot_be_asked_is_refused() {
    for (members, param) in [
        (r#""input":[]"#, "input"),
        (
            r#""input":[{"type":"reasoning","id":"rs","summary":[]}]"#,
            "input",
        ),
        (r#""input":"x","text":{"format":"json"}"#, "text.format"),
        (r#""input":"x","text":{"format":{}}"#, "text.format.type"),
        (r#""input":"x","tools":[{"type":"web_search"}]"#, "tools[0]"),
        (r#""input":"x","tools":5"#, "tools"),
    ] {
        let fault = translated(&format!(r#"{{"model":"m",{members}}}"#), &[]).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some(param), "{members}: {fault}");
    }
}
