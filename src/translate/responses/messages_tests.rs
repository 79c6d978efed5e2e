use super::*;

fn read(items: &[&str]) -> Result<(String, Vec<String>), RequestFault> {
    let mut messages = Messages::default();
    for (at, item) in items.iter().enumerate() {
        messages.add(&format!("input[{at}]"), Raw::parse(item).unwrap())?;
    }
    Ok(messages.finish())
}

#[test]
fn what_the_model_says_and_calls_is_one_message() {
    let call = |id: &str| {
        format!(r#"{{"type":"function_call","call_id":"{id}","name":"f","arguments":"{{}}"}}"#)
    };
    let output =
        |id: &str| format!(r#"{{"type":"function_call_output","call_id":"{id}","output":""}}"#);
    let said = r#"{"role":"assistant","content":"hm"}"#;
    let roles = |items: &[&str]| {
        let (json, places) = read(items).unwrap();
        let messages: Vec<RawObject> = Raw::parse(&json)
            .unwrap()
            .elements()
            .filter_map(RawObject::of)
            .collect();
        assert_eq!(messages.len(), places.len());
        let shown = messages.iter().map(|message| {
            let calls = message.get("tool_calls").and_then(Raw::array);
            let calls = calls.map_or(0, |calls| calls.len());
            format!("{} {calls}", message.string("role").unwrap())
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    for (items, expected) in [
        (
            vec![said, &call("1"), &call("2"), &output("1"), &output("2")],
            "assistant 2, tool 0, tool 0",
        ),
        (
            vec![&call("1"), &output("1"), &call("2"), &output("2")],
            "assistant 1, tool 0, assistant 1, tool 0",
        ),
        (vec![&call("1"), said], "assistant 1"),
        (
            vec![said, r#"{"type":"reasoning"}"#, &call("1")],
            "assistant 1",
        ),
        (
            vec![&call("1"), said, &call("2"), said, &output("1"), said],
            "assistant 2, tool 0, assistant 0",
        ),
        (vec![said, said], "assistant 0, assistant 0"),
    ] {
        assert_eq!(roles(&items), expected);
    }
}

#[test]
fn content_is_a_text_where_it_is_only_one() {
    let content = |role: &str, content: &str| {
        let item = format!(r#"{{"role":"{role}","content":{content}}}"#);
        let (json, _) = read(&[&item]).unwrap();
        let message = Raw::parse(&json)
            .unwrap()
            .elements()
            .next()
            .and_then(RawObject::of);
        message.unwrap().get("content").unwrap().get().to_owned()
    };
    let two = r#"[{"type":"input_text","text":"a"},{"type":"input_text","text":"\u0062"}]"#;
    for (role, given, expected) in [
        ("user", r#""\u0061""#, r#""\u0061""#),
        (
            "user",
            r#"[{"type":"input_text","text":"\u0061"}]"#,
            r#""\u0061""#,
        ),
        (
            "user",
            two,
            r#"[{"type":"text","text":"a"},{"type":"text","text":"\u0062"}]"#,
        ),
        ("system", two, r#""ab""#),
        (
            "assistant",
            r#"[{"type":"output_text","text":"a"},{"type":"refusal","refusal":"b"}]"#,
            r#""ab""#,
        ),
        ("user", "[]", r#""""#),
        // A chat's own parts, and what nobody here knows, are the upstream's to judge.
        (
            "user",
            r#"[{"type":"video_url","video_url":{"url":"https://x"}}]"#,
            r#"[{"type":"video_url","video_url":{"url":"https://x"}}]"#,
        ),
        (
            "user",
            r#"[{"type":"input_file","file_data":"AA","filename":"a.pdf"}]"#,
            r#"[{"type":"file","file":{"file_data":"AA","filename":"a.pdf"}}]"#,
        ),
    ] {
        assert_eq!(content(role, given), expected, "{role} {given}");
    }
}

#[test]
fn what_is_wrong_is_named_by_its_place() {
    for (item, param) in [
        ("5", "input[0]"),
        ("{}", "input[0].type"),
        (r#"{"type":5}"#, "input[0].type"),
        (r#"{"type":"message"}"#, "input[0].role"),
        (r#"{"role":"user"}"#, "input[0].content"),
        (r#"{"role":"user","content":5}"#, "input[0].content"),
        (r#"{"role":"judge","content":"x"}"#, "input[0].role"),
        (r#"{"role":"user","content":[5]}"#, "input[0].content[0]"),
        (
            r#"{"role":"user","content":[{}]}"#,
            "input[0].content[0].type",
        ),
        (
            r#"{"role":"user","content":[{"type":"input_text"}]}"#,
            "input[0].content[0].text",
        ),
        (
            r#"{"role":"user","content":[{"type":"input_image"}]}"#,
            "input[0].content[0].image_url",
        ),
        (
            r#"{"role":"user","content":[{"type":"input_image","file_id":"f"}]}"#,
            "input[0].content[0].file_id",
        ),
        (
            r#"{"role":"user","content":[{"type":"input_file"}]}"#,
            "input[0].content[0].file_data",
        ),
        (
            r#"{"type":"function_call","name":"f","arguments":"{}"}"#,
            "input[0].call_id",
        ),
        (
            r#"{"type":"function_call","call_id":"1","name":"f","arguments":{}}"#,
            "input[0].arguments",
        ),
        (
            r#"{"type":"function_call_output","call_id":"1"}"#,
            "input[0].output",
        ),
        (
            r#"{"type":"function_call_output","call_id":"1","output":[{"type":"input_text","text":5}]}"#,
            "input[0].output[0].text",
        ),
        (
            r#"{"type":"custom_tool_call","call_id":"1","name":"f"}"#,
            "input[0].input",
        ),
        (r#"{"type":"web_search_call","id":"ws"}"#, "input[0].type"),
    ] {
        let fault = read(&[item]).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some(param), "{item}: {fault}");
    }
}

#[test]
fn what_is_said_between_calls_is_not_lost() {
    let call = r#"{"type":"function_call","call_id":"1","name":"f","arguments":"{}"}"#;
    let one = r#"{"role":"assistant","content":"a"}"#;
    let part = r#"{"role":"assistant","content":[{"type":"audio","x":1}]}"#;
    for (items, content) in [
        (vec![one, call, one], r#""a\na""#),
        (
            vec![one, call, part],
            r#"[{"type":"text","text":"a"},{"type":"audio","x":1}]"#,
        ),
        (
            vec![call, part, part],
            r#"[{"type":"audio","x":1},{"type":"audio","x":1}]"#,
        ),
    ] {
        let (json, _) = read(&items).unwrap();
        assert!(
            json.contains(&format!(r#""content":{content},"tool_calls""#)),
            "{json}"
        );
    }
}
