use super::*;

fn raw(text: &str) -> Raw<'_> {
    Raw::parse(text).unwrap()
}

/// One user message whose content is the array of these parts.
fn message(parts: &str) -> String {
    format!(r#"[{{"x":1e400,"role":"user","content":[{parts}],"name" : "n"}}]"#)
}

/// `becomes` is the parts as the upstream gets them, a hole being `URL0`, `URL1`, …
fn check(parts: &str, becomes: &str, inline_max: usize, uploads: usize) {
    let text = message(parts);
    let holed = media(raw(&text), inline_max)
        .unwrap()
        .expect("it is changed");
    assert_eq!(holed.uploads().len(), uploads);
    let urls: Vec<String> = (0..uploads).map(|at| format!("URL{at}")).collect();
    let expected = format!(r#"[{{"x":1e400,"role":"user","content":[{becomes}],"name":"n"}}]"#);
    assert_eq!(holed.fill(&urls), expected);
}

#[test]
fn what_the_upstream_understands_is_not_touched() {
    for parts in [
        r#"{"type":"text","text":"x"}"#,
        r#"{"type":"image_url","image_url":{"url":"https://e/x.png","detail":"low"}}"#,
        r#"{"type":"video_url","video_url":{"url":"data:video/mp4;base64,AA"}},{"type":"new_thing","x":[1]}"#,
    ] {
        assert!(
            media(raw(&message(parts)), 100).unwrap().is_none(),
            "{parts}"
        );
    }
    assert!(
        media(
            raw(r#"[{"role":"user","content":"x"},{"role":"assistant","content":null}]"#),
            0
        )
        .unwrap()
        .is_none()
    );
}

#[test]
fn openais_parts_become_the_upstreams() {
    for (part, becomes) in [
        (
            r#"{"type":"input_audio","input_audio":{"data":"QUJD","format":"wav"}}"#,
            r#"{"type":"audio_url","audio_url":{"url":"data:audio/wav;base64,QUJD"}}"#,
        ),
        (
            r#"{"type":"input_audio","input_audio":{"format":"mp3","data":"QUJD"}}"#,
            r#"{"type":"audio_url","audio_url":{"url":"data:audio/mpeg;base64,QUJD"}}"#,
        ),
        (
            r#"{"type":"file","file":{"file_data":"data:application/pdf;base64,QUJD","filename":"a.pdf"}}"#,
            r#"{"type":"file_url","file_url":{"url":"data:application/pdf;base64,QUJD"}}"#,
        ),
        (
            r#"{"type":"file","file":{"file_data":"QUJD","filename":"notes.txt"}}"#,
            r#"{"type":"file_url","file_url":{"url":"data:text/plain;base64,QUJD"}}"#,
        ),
        (
            r#"{"type":"refusal","refusal":"no \"way\""}"#,
            r#"{"type":"text","text":"no \"way\""}"#,
        ),
    ] {
        let text = r#"{"type":"text", "text":"é"}"#;
        check(
            &format!("{text},{part}"),
            &format!("{text},{becomes}"),
            1000,
            0,
        );
    }
}

#[test]
fn long_inline_data_is_uploaded() {
    check(
        r#"{"type":"image_url","x":1,"image_url":{"detail":"high","url":"data:image/jpeg;base64,QUJDREVG"}}"#,
        r#"{"type":"image_url","x":1,"image_url":{"url":"URL0","detail":"high"}}"#,
        10,
        1,
    );
    check(
        r#"{"type":"input_audio","input_audio":{"data":"QUJDREVG","format":"wav"}},{"type":"file_url","file_url":{"url":"data:a/b,CCCCCCCCCC"}}"#,
        r#"{"type":"audio_url","audio_url":{"url":"URL0"}},{"type":"file_url","file_url":{"url":"URL1"}}"#,
        10,
        2,
    );
    let long =
        message(r#"{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,QUJDREVG"}}"#);
    let holed = media(raw(&long), 10).unwrap().unwrap();
    assert_eq!(
        holed.uploads(),
        [Upload {
            data: "data:image/jpeg;base64,QUJDREVG".into(),
            file_name: "media.jpg".into(),
            param: "messages[0].content[0]".into(),
        }]
    );
    let linked = message(
        r#"{"type":"image_url","image_url":{"url":"https://example.com/a-long-path.png"}}"#,
    );
    assert!(media(raw(&linked), 10).unwrap().is_none());
}

#[test]
fn faults_name_their_place() {
    for (part, param) in [
        (
            r#"{"type":"image_url"}"#,
            "messages[0].content[0].image_url",
        ),
        (
            r#"{"type":"image_url","image_url":"https://x"}"#,
            "messages[0].content[0].image_url",
        ),
        (
            r#"{"type":"image_url","image_url":{}}"#,
            "messages[0].content[0].image_url.url",
        ),
        (
            r#"{"type":"file","file":{"file_id":"file-1"}}"#,
            "messages[0].content[0].file.file_id",
        ),
        (
            r#"{"type":"file","file":{}}"#,
            "messages[0].content[0].file.file_data",
        ),
        (
            r#"{"type":"input_audio","input_audio":{"data":"x"}}"#,
            "messages[0].content[0].input_audio.format",
        ),
        (
            r#"{"type":"input_audio","input_audio":{"data":"x","format":"midi"}}"#,
            "messages[0].content[0].input_audio.format",
        ),
        (
            r#"{"type":"input_audio","input_audio":{"data":7,"format":"wav"}}"#,
            "messages[0].content[0].input_audio.data",
        ),
    ] {
        let fault = media(raw(&message(part)), 100).expect_err(part);
        assert_eq!(fault.param.as_deref(), Some(param), "{}", fault.message);
    }
}

#[test]
fn the_part_that_was_refused() {
    let text = message(
        r#"{"type":"text"},{"type":"image_url","image_url":{}},{"type":"input_audio","input_audio":{}},{"type":"video_url"}"#,
    );
    let path = |message: &str| suspect(raw(&text), message);
    assert_eq!(
        path("model does not support video_url").as_deref(),
        Some("messages[0].content[3]")
    );
    assert_eq!(
        path("no audio here").as_deref(),
        Some("messages[0].content[2]")
    );
    assert_eq!(
        path("unsupported").as_deref(),
        Some("messages[0].content[1]")
    );
    assert_eq!(
        suspect(raw(r#"[{"role":"user","content":"x"}]"#), "image"),
        None
    );
}
