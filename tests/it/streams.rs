//! Streams on the wire: headers, framing, immediacy, resumption, and a truthful end.

use std::time::Duration;

use crate::{
    events::{Events, joined},
    harness::{Bridge, scripted},
    http::Ending,
};

/// The text that the simulator's answer to this script has when nothing goes wrong.
async fn whole_text(bridge: &Bridge, script: &str) -> String {
    let answer = bridge.ask(&scripted(script, false)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let content = &answer.json()["choices"][0]["message"]["content"];
    content.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_headers_are_those_that_openai_sends() {
    let bridge = Bridge::start().await;
    let answer = bridge.ask(&scripted("words=3", true)).await;
    assert_eq!(answer.status(), 200);
    for (name, value) in [
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-cache"),
        ("x-accel-buffering", "no"),
        ("transfer-encoding", "chunked"),
    ] {
        assert_eq!(answer.head.header(name), Some(value));
    }
    assert!(answer.head.header("x-request-id").is_some());
    assert_eq!(answer.head.header("content-length"), None);
}

#[tokio::test]
async fn however_the_upstream_writes_the_client_reads_the_same() {
    let bridge = Bridge::start().await;
    let whole = whole_text(&bridge, "words=8").await;
    for manner in [
        "frame=crlf",
        "frame=cr",
        "frame=bom",
        "frame=bare",
        "frame=bare done=marker",
        "frame=multiline",
        "frame=comments",
        "frame=heartbeats",
        "frame=unknown",
        "frame=ids",
        "frame=malformed",
        "frame=noise",
        "frame=one-write",
        "frame=split:1",
        "frame=crlf,bom,noise,split:3",
        "done=marker",
        "done=both",
        "done=none",
        "total=5",
        "total=500",
        "usage-chunk=on",
    ] {
        let answer = bridge
            .ask(&scripted(&format!("words=8 {manner}"), true))
            .await;
        let chunks = Events::chunks(&answer);
        assert_eq!(joined(&chunks), whole, "{manner}");
        let reasons: Vec<_> = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["finish_reason"].as_str())
            .collect();
        assert_eq!(reasons, ["stop"], "{manner}");
    }
}

#[tokio::test]
async fn a_chunk_read_is_a_chunk_written() {
    let bridge = Bridge::start().await;
    for held in [1, 2, 5] {
        let script = format!("words=12 stream=stall@{held}x*");
        let mut connection = bridge.open().await;
        connection.send(&scripted(&script, true).to_bytes()).await;
        assert_eq!(connection.head().await.status, 200);
        // The upstream writes nothing more, and all that it has written is here.
        let early = connection
            .read_until(|text| text.matches("data: ").count() >= held)
            .await;
        assert!(!early.contains("[DONE]"), "{early}");
        assert_eq!(bridge.journal().open_streams, 1);
        drop(connection);
        bridge
            .until("the stream is closed", |journal| journal.open_streams == 0)
            .await;
    }
}

#[tokio::test]
async fn the_status_line_waits_for_the_task_and_for_nothing_else() {
    let bridge = Bridge::start().await;
    let mut connection = bridge.open().await;
    let request = scripted("words=3 stream=stall@0x*", true);
    connection.send(&request.to_bytes()).await;
    assert_eq!(connection.head().await.status, 200);
    assert_eq!(bridge.journal().accepted, 1);
}

#[tokio::test]
async fn no_chunk_is_lost_and_none_repeated_wherever_it_is_cut() {
    let bridge = Bridge::start().await;
    let whole = whole_text(&bridge, "words=6").await;
    for fault in ["cut", "reset", "end"] {
        for at in 0..9 {
            for rest in ["", " replay=new-ids"] {
                let script = format!("words=6 stream={fault}@{at}x2{rest}");
                let answer = bridge.ask(&scripted(&script, true)).await;
                assert_eq!(joined(&Events::chunks(&answer)), whole, "{script}");
            }
        }
    }
    for bytes in [1, 7, 20, 60] {
        let script = format!("words=6 stream=cut@3+{bytes}");
        let answer = bridge.ask(&scripted(&script, true)).await;
        assert_eq!(joined(&Events::chunks(&answer)), whole, "{script}");
    }
}

#[tokio::test]
async fn what_the_stream_never_brings_the_task_does() {
    let bridge = Bridge::with(|config| config.stream.idle = Duration::from_millis(200)).await;
    let whole = whole_text(&bridge, "words=6").await;
    for script in [
        "words=6 stream=cut@3x*",
        "words=6 stream=stall@3x*",
        "words=6 stream=stall@0x*",
        "words=6 stream=error@3x*",
        "words=6 open=503x*",
        "words=6 open=404x*",
        "words=6 open=resetx*",
        "words=6 stream-url=null",
    ] {
        let answer = bridge.ask(&scripted(script, true)).await;
        let chunks = Events::chunks(&answer);
        assert_eq!(joined(&chunks), whole, "{script}");
        let last = chunks.iter().rfind(|chunk| chunk["choices"][0].is_object());
        assert_eq!(
            last.unwrap()["choices"][0]["finish_reason"],
            "stop",
            "{script}"
        );
        let ids: std::collections::BTreeSet<_> =
            chunks.iter().map(|chunk| chunk["id"].to_string()).collect();
        assert_eq!(ids.len(), 1, "{script}: {ids:?}");
    }
}

#[tokio::test]
async fn a_task_that_fails_in_mid_stream_ends_with_its_error() {
    let bridge = Bridge::start().await;
    for script in [
        r#"words=9 task=failed fail-after=4 error-code=provider_error error-message="the model fell over""#,
        r#"words=9 task=failed fail-after=4 error-code=provider_error error-message="the model fell over" done=none"#,
    ] {
        let answer = bridge.ask(&scripted(script, true)).await;
        let (chunks, failure) = Events::failure(&answer);
        assert!(!joined(&chunks).is_empty(), "{script}");
        assert_eq!(failure.code.as_deref(), Some("provider_error"), "{script}");
        assert!(
            failure.message.contains("the model fell over"),
            "{failure:?}"
        );
        assert!(!answer.text().contains("[DONE]"), "{script}");
    }
    assert_eq!(bridge.journal().accepted, 2);
}

#[tokio::test]
async fn silence_is_broken_by_comments() {
    let bridge = Bridge::with(|config| config.stream.keepalive = Duration::from_millis(30)).await;
    for held in [0, 3] {
        let mut connection = bridge.open().await;
        let script = format!("words=9 stream=stall@{held}:400ms");
        connection.send(&scripted(&script, true).to_bytes()).await;
        assert_eq!(connection.head().await.status, 200);
        let early = connection
            .read_until(|text| text.matches("\n: ").count() + text.matches("data: ").count() > held)
            .await;
        let (rest, ending) = connection.rest().await;
        assert_eq!(ending, Ending::Whole);
        let body = early + std::str::from_utf8(&rest).unwrap();
        let events = Events::read(&body);
        assert!(events.comments > 0, "{body}");
        assert_eq!(events.payloads.last().map(String::as_str), Some("[DONE]"));
    }
}

/// For clients that count parsed chunks: every third sign of life is a chunk, which says nothing.
#[tokio::test]
async fn a_long_silence_is_broken_by_chunks_too() {
    let bridge = Bridge::with(|config| config.stream.keepalive = Duration::from_millis(30)).await;
    for (held, first) in [
        (0, r#""delta":{"role":"assistant","content":""}"#),
        (3, r#""delta":{}"#),
    ] {
        let mut connection = bridge.open().await;
        let script = format!("words=9 stream=stall@{held}x*");
        connection.send(&scripted(&script, true).to_bytes()).await;
        assert_eq!(connection.head().await.status, 200);
        let body = connection
            .read_until(|text| text.matches("data: ").count() > held && text.ends_with("\n\n"))
            .await;
        let silent = body.rsplit("data: ").next().unwrap();
        assert!(
            silent.contains(first) && silent.contains(r#""finish_reason":null"#),
            "{body}"
        );
        // Before that, a busy machine may have been silent for a moment too.
        let silence = body.splitn(held + 1, "data: ").last().unwrap();
        assert_eq!(silence.matches(": keep-alive\n").count(), 2, "{body}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_also_in_silence() {
    let bridge = Bridge::start().await;
    for script in ["words=9 stream=stall@0x*", "words=9 stream=stall@4x*"] {
        let mut connection = bridge.open().await;
        connection.send(&scripted(script, true).to_bytes()).await;
        assert_eq!(connection.head().await.status, 200);
        bridge
            .until("the stream is followed", |journal| {
                journal.open_streams == 1
            })
            .await;
        drop(connection);
        bridge
            .until("the stream is closed", |journal| journal.open_streams == 0)
            .await;
    }
}
