//! Bodies and routes that no upstream should ever see: refused clearly, bought never, and survived.

use crate::{
    harness::{Bridge, CHAT},
    http::{Answer, Failure, Request},
};

/// Whatever was refused bought nothing, and the server still serves.
pub(crate) async fn refused(bridge: &Bridge, about: &str, answer: &Answer, status: u16) -> Failure {
    assert_eq!(answer.status(), status, "{about}: {}", answer.text());
    let failure = answer.error();
    assert_eq!(
        bridge.journal().requests.len(),
        0,
        "{about}: something went upstream"
    );
    failure
}

async fn check_bodies(rows: &[(&str, Vec<u8>, Option<&str>)]) {
    let bridge = Bridge::start().await;
    for (about, body, param) in rows {
        let answer = bridge.ask(&Request::chat(body.clone())).await;
        let failure = refused(&bridge, about, &answer, 400).await;
        assert_eq!(failure.kind, "invalid_request_error", "{about}");
        assert_eq!(failure.param.as_deref(), *param, "{about}");
        assert!(
            failure.message.len() < 600,
            "{about}: {}",
            failure.message.len()
        );
    }
    bridge.assert_serves().await;
}

#[tokio::test]
async fn bodies_that_are_no_json_object() {
    let deep = |open: &str, close: &str| {
        let (open, close) = (open.repeat(10_000), close.repeat(10_000));
        format!(r#"{{"model":"gpt-5.5","messages":[{{"role":"user","content":"hi"}}],"x":{open}1{close}}}"#)
            .into_bytes()
    };
    let non_utf8 = [
        br#"{"model":"gpt-5.5","messages":[{"role":"user","content":""#.as_slice(),
        &[0xff, 0xfe],
        br#""}]}"#,
    ]
    .concat();
    let utf16: Vec<u8> = CHAT.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check_bodies(&[
        ("nothing", Vec::new(), None),
        ("white space", b"  \n".to_vec(), None),
        ("no JSON", b"hello".to_vec(), None),
        ("cut short", CHAT.as_bytes()[..40].to_vec(), None),
        (
            "something behind it",
            format!("{CHAT} x").into_bytes(),
            None,
        ),
        ("two objects", CHAT.repeat(2).into_bytes(), None),
        (
            "a comma too many",
            CHAT.replace("}]}", "}],}").into_bytes(),
            None,
        ),
        (
            "a lone surrogate",
            CHAT.replace("count", "\\ud800").into_bytes(),
            None,
        ),
        (
            "NaN",
            CHAT.replace("\"messages\"", "\"x\":NaN,\"messages\"")
                .into_bytes(),
            None,
        ),
        ("an array", format!("[{CHAT}]").into_bytes(), None),
        ("a string", b"\"hello\"".to_vec(), None),
        ("null", b"null".to_vec(), None),
        ("not UTF-8", non_utf8, None),
        ("UTF-16", utf16, None),
        ("deep arrays", deep("[", "]"), None),
        ("deep objects", deep("{\"a\":", "}"), None),
        (
            "deep and never closed",
            "[".repeat(10_000).into_bytes(),
            None,
        ),
    ])
    .await;
}

#[tokio::test]
async fn names_that_appear_twice() {
    let with = |members: &str| format!(r#"{{"model":"gpt-5.5",{members}}}"#).into_bytes();
    let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
    check_bodies(&[
        (
            "model",
            with(&format!(r#""model":"claude-opus-4-7",{messages}"#)),
            None,
        ),
        (
            "escaped",
            with(&format!(r#""mod\u0065l":"claude-opus-4-7",{messages}"#)),
            None,
        ),
        ("messages", with(&format!("{messages},{messages}")), None),
        ("unknown", with(&format!(r#"{messages},"x":1,"x":1"#)), None),
        (
            "in a message",
            with(r#""messages":[{"role":"user","role":"system","content":"hi"}]"#),
            None,
        ),
        (
            "far inside",
            with(&format!(
                r#"{messages},"x":[{{"y":{{"z":1,"a":2,"z":3}}}}]"#
            )),
            None,
        ),
    ])
    .await;
}

#[tokio::test]
async fn values_of_the_wrong_type() {
    let ok = r#"[{"role":"user","content":"hi"}]"#;
    let body = |model: &str, messages: &str, rest: &str| {
        format!(r#"{{"model":{model},"messages":{messages}{rest}}}"#).into_bytes()
    };
    let gpt = "\"gpt-5.5\"";
    let mut rows = vec![
        (
            "no model",
            format!(r#"{{"messages":{ok}}}"#).into_bytes(),
            Some("model"),
        ),
        (
            "no messages",
            format!(r#"{{"model":{gpt}}}"#).into_bytes(),
            Some("messages"),
        ),
        ("empty messages", body(gpt, "[]", ""), Some("messages")),
        (
            "a message that is none",
            body(gpt, "[5]", ""),
            Some("messages[0]"),
        ),
        (
            "no role",
            body(gpt, r#"[{"content":"hi"}]"#, ""),
            Some("messages[0].role"),
        ),
        (
            "content of a number",
            body(gpt, r#"[{"role":"user","content":5}]"#, ""),
            Some("messages[0].content"),
        ),
    ];
    for wrong in ["5", "null", "{}", "[]", "true", "\"\""] {
        rows.push(("model", body(wrong, ok, ""), Some("model")));
    }
    for wrong in ["5", "null", "{}", "\"hi\"", "true"] {
        rows.push(("messages", body(gpt, wrong, ""), Some("messages")));
    }
    for wrong in ["\"true\"", "1", "0", "{}", "[]"] {
        rows.push((
            "stream",
            body(gpt, ok, &format!(r#","stream":{wrong}"#)),
            Some("stream"),
        ));
    }
    for wrong in ["\"many\"", "-1", "1.5", "{}", "0"] {
        rows.push((
            "max_tokens",
            body(gpt, ok, &format!(r#","max_tokens":{wrong}"#)),
            Some("max_tokens"),
        ));
    }
    check_bodies(&rows).await;
}

#[tokio::test]
async fn routes_methods_and_content_types() {
    let bridge = Bridge::start().await;
    for (request, status, allow) in [
        (Request::get("/"), 404, None),
        (Request::get("/v1"), 404, None),
        (Request::get("/v1/nowhere"), 404, None),
        (Request::new("POST", "/v1/embeddings", "{}"), 404, None),
        (
            Request::new("POST", "/v1/chat/completions/more", CHAT),
            404,
            None,
        ),
        (Request::get("/v1/../etc/passwd"), 404, None),
        (Request::get("/v1/chat/completions"), 405, Some("POST")),
        (
            Request::new("DELETE", "/v1/chat/completions", ""),
            405,
            Some("POST"),
        ),
        (Request::new("PATCH", "/v1/models", ""), 405, Some("GET")),
        (Request::new("POST", "/v1/models", "{}"), 405, Some("GET")),
        (
            Request::chat(CHAT).with("Content-Type", "text/plain"),
            415,
            None,
        ),
        (
            Request::chat(CHAT).with("Content-Type", "application/x-www-form-urlencoded"),
            415,
            None,
        ),
        (
            Request::chat(CHAT).with("Content-Encoding", "gzip"),
            415,
            None,
        ),
    ] {
        let answer = bridge.ask(&request).await;
        refused(&bridge, &format!("{request:?}"), &answer, status).await;
        if let Some(method) = allow {
            let allowed = answer.head.header("allow").expect("allow");
            assert!(
                allowed.split(", ").any(|other| other == method),
                "{allowed}"
            );
        }
    }
    bridge.assert_serves().await;
    for accepted in ["application/json; charset=utf-8", "APPLICATION/JSON"] {
        let answer = bridge
            .ask(&Request::chat(CHAT).with("Content-Type", accepted))
            .await;
        assert_eq!(answer.status(), 200, "{accepted}: {}", answer.text());
    }
}
