//! Every scripted fault and twist of a stream.

use std::time::{Duration, Instant};

use foxbridge::simulator::{Settings, Simulator};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::wire::*;

async fn instant() -> Simulator {
    Simulator::start(Settings::instant()).await.unwrap()
}

/// Submits four words, which are six chunks, with this marker, and follows the stream.
async fn marked(simulator: &Simulator, marker: &str) -> (Value, Reply) {
    let task = submit(simulator, &streaming(&format!("[[fox: words=4 {marker}]]"))).await;
    let reply = follow(simulator, &task).await;
    (task, reply)
}

/// The names of a stream's events, `chunk` counted.
fn outline(reply: &Reply) -> String {
    let events = reply.events();
    let chunks = chunks(&events).len();
    let others: Vec<String> = events
        .iter()
        .filter(|event| {
            !(matches!(&*event.event, "chunk" | "message") && event.data.starts_with('{'))
        })
        .map(|event| format!("{} {}", event.event, event.data))
        .collect();
    format!("{chunks}; {}; {:?}", others.join("; "), reply.end)
}

#[tokio::test]
async fn a_stream_breaks_where_it_is_told_to() {
    let simulator = instant().await;
    let whole = "6; done {\"total_chunks\":6}; Proper";
    for (marker, first, second) in [
        ("", whole, whole),
        ("stream=cut@0", "0; ; Cut", whole),
        ("stream=cut@3", "3; ; Cut", whole),
        ("stream=cut@3x2", "3; ; Cut", "3; ; Cut"),
        ("stream=cut@6", "6; ; Cut", whole),
        ("stream=cut@99x*", "6; ; Cut", "6; ; Cut"),
        ("stream=ok,reset@2", whole, "2; ; Reset"),
        ("stream=end@2,end@6", "2; ; Proper", "6; ; Proper"),
        (
            "stream=error@1,error@6",
            "1; error {\"message\":\"The provider closed the stream.\"}; Proper",
            "6; error {\"message\":\"The provider closed the stream.\"}; Proper",
        ),
        (
            "stream=error@0 stream-error=oops",
            "0; error {\"message\":\"oops\"}; Proper",
            whole,
        ),
        ("stream=stall@2:50ms", whole, whole),
        (
            "stream=lose@2,lose@9",
            "5; done {\"total_chunks\":6}; Proper",
            whole,
        ),
        ("done=none", "6; ; Proper", "6; ; Proper"),
        (
            "done=marker",
            "6; message [DONE]; Proper",
            "6; message [DONE]; Proper",
        ),
        (
            "done=both total=9",
            "6; done {\"total_chunks\":9}; message [DONE]; Proper",
            "6; done {\"total_chunks\":9}; message [DONE]; Proper",
        ),
        (
            "task=failed fail-after=2 error-message=no",
            "2; error {\"message\":\"no\"}; Proper",
            "2; error {\"message\":\"no\"}; Proper",
        ),
        (
            "task=cancelled",
            "0; error {\"message\":\"The task was cancelled.\"}; Proper",
            "0; error {\"message\":\"The task was cancelled.\"}; Proper",
        ),
    ] {
        let (task, reply) = marked(&simulator, marker).await;
        assert_eq!(outline(&reply), first, "{marker}");
        assert_eq!(
            outline(&follow(&simulator, &task).await),
            second,
            "{marker}"
        );
    }
}

#[tokio::test]
async fn a_stream_is_cut_inside_an_event() {
    let simulator = instant().await;
    let (task, cut) = marked(&simulator, "stream=cut@2+30").await;
    let whole = follow(&simulator, &task).await;
    assert_eq!((cut.end, whole.end), (End::Cut, End::Proper));
    let before = whole.text().match_indices("event: chunk").nth(2).unwrap().0;
    assert_eq!(cut.body, whole.body[..before + 30]);
}

#[tokio::test]
async fn a_stream_falls_silent() {
    let simulator = instant().await;
    for (marker, count) in [
        ("stream=stall@3", 3),
        ("task=stuck", 6),
        ("task=stuck fail-after=1", 1),
    ] {
        let task = submit(
            &simulator,
            &streaming(&format!("[[fox: words=4 {marker}]]")),
        )
        .await;
        let mut body = stream_of(&task).open(&simulator).await.unwrap().into_body();
        let mut text = Vec::new();
        while text.windows(2).filter(|end| end == b"\n\n").count() < count {
            let frame = body.frame().await.unwrap().unwrap();
            text.extend_from_slice(frame.data_ref().unwrap());
        }
        let more = tokio::time::timeout(Duration::from_millis(100), body.frame()).await;
        assert!(more.is_err(), "{marker}: {more:?}");
        assert_eq!(simulator.journal().open_streams, 1);
        drop(body);
        simulator
            .journal_when(|journal| journal.open_streams == 0)
            .await;
    }
}

#[tokio::test]
async fn a_stream_only_beats() {
    let simulator = instant().await;
    let marker = "[[fox: words=4 stream=beat@1:10ms]]";
    let task = submit(&simulator, &streaming(marker)).await;
    let mut body = stream_of(&task).open(&simulator).await.unwrap().into_body();
    let mut text = String::new();
    while text.matches("event: heartbeat\ndata: {}\n\n").count() < 3 {
        let frame = body.frame().await.unwrap().unwrap();
        text.push_str(str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    assert_eq!(text.matches("event: chunk").count(), 1);
    assert_eq!(query(&simulator, &task).await["status"], "completed");
}

#[tokio::test]
async fn stream_and_result_can_disagree() {
    let simulator = instant().await;
    let said = |reply: &Reply| -> String {
        let chunks = chunks(&reply.events());
        let texts = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
        texts.collect()
    };
    let (task, first) = marked(&simulator, "replay=other-text result-text=else").await;
    assert_eq!(said(&first), "word1 word2 word3 word4");
    assert_eq!(
        said(&follow(&simulator, &task).await),
        "WORD1 WORD2 WORD3 WORD4"
    );
    let task = query(&simulator, &task).await;
    assert_eq!(
        task["results"][0]["choices"][0]["message"]["content"],
        "else"
    );
}

#[tokio::test]
async fn twists_of_writing_change_no_chunk() {
    let simulator = instant().await;
    let (_, plain) = marked(&simulator, "").await;
    let texts = |reply: &Reply| -> Vec<Value> {
        let chunks = chunks(&reply.events());
        chunks
            .iter()
            .map(|chunk| chunk["choices"].clone())
            .collect()
    };
    for (frame, sign) in [
        ("crlf", "\r\n\r\n"),
        ("cr", "\r\r"),
        ("bom", "\u{feff}event: chunk"),
        ("multiline", "\ndata:   \"choices\""),
        ("comments", ": still here\n\n"),
        ("heartbeats", "event: heartbeat\n"),
        ("unknown", "event: weather\n"),
        ("ids", "id: 3\nretry: 3000\n"),
        ("malformed", "data: {\"choices\":[{\"delta\":\n"),
        ("noise,crlf,bom", ": still here\r\n"),
        ("one-write", "event: done"),
        ("split:1", "event: done"),
        (
            "noise,malformed,multiline,crlf,bom,split:7",
            "\u{feff}: still here\r\n",
        ),
    ] {
        let (_, reply) = marked(&simulator, &format!("frame={frame}")).await;
        assert!(reply.text().contains(sign), "{frame}: {}", reply.text());
        assert_eq!(texts(&reply), texts(&plain), "{frame}");
        assert_eq!(reply.end, End::Proper);
    }
    let (_, bare) = marked(&simulator, "frame=bare").await;
    assert!(!bare.text().contains("event: chunk") && bare.text().contains("event: done"));
    assert_eq!(texts(&bare), texts(&plain));
}

#[tokio::test]
async fn writes_are_split_and_joined() {
    let simulator = instant().await;
    for (frame, check) in [
        (
            "split:7",
            (|sizes| sizes.iter().all(|size| *size <= 7)) as fn(&[usize]) -> bool,
        ),
        ("one-write", |sizes| sizes.len() == 1),
        ("crlf", |sizes| sizes.len() == 7),
    ] {
        let task = submit(
            &simulator,
            &streaming(&format!("[[fox: words=4 frame={frame}]]")),
        )
        .await;
        let path = task["stream"]["url"].as_str().unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\r\n"
        );
        let reply = raw(&simulator, &request).await;
        let sizes = transfer_chunks(reply.split_once("\r\n\r\n").unwrap().1);
        assert!(check(&sizes), "{frame}: {sizes:?}");
    }
}

/// The sizes of the pieces of a chunked body, without the last, empty one.
fn transfer_chunks(mut body: &str) -> Vec<usize> {
    let mut sizes = Vec::new();
    loop {
        let (size, rest) = body.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return sizes;
        }
        sizes.push(size);
        body = rest[size..].strip_prefix("\r\n").unwrap();
    }
}

#[tokio::test]
async fn chunks_come_while_the_task_runs() {
    let simulator = instant().await;
    let marker =
        "[[fox: words=8 queue=50ms first-chunk=50ms chunk-interval=50ms completion-lag=1h]]";
    let begun = Instant::now();
    let task = submit(&simulator, &streaming(marker)).await;
    let mut body = stream_of(&task).open(&simulator).await.unwrap().into_body();
    let mut arrivals = Vec::new();
    while let Some(frame) = body.frame().await {
        frame.unwrap();
        arrivals.push(begun.elapsed());
    }
    // Ten chunks and `done`: however busy the machine is, none can come before its time.
    assert!(arrivals[0] >= Duration::from_millis(100), "{arrivals:?}");
    assert!(
        *arrivals.last().unwrap() >= Duration::from_millis(550),
        "{arrivals:?}"
    );
    assert!(arrivals.len() > 3, "{arrivals:?}");
    assert_eq!(query(&simulator, &task).await["status"], "processing");

    // A second connection gets at once what is there already.
    let begun = Instant::now();
    assert_eq!(follow(&simulator, &task).await.events().len(), 11);
    assert!(begun.elapsed() < Duration::from_millis(450));
}

#[tokio::test]
async fn a_dead_stream_leaves_the_task_alone() {
    let simulator = instant().await;
    for marker in ["stream=cut@1x*", "stream=error@1x*", "open=500x*"] {
        let (task, _) = marked(&simulator, marker).await;
        let task = query(&simulator, &task).await;
        assert_eq!(task["status"], "completed");
        let message = &task["results"][0]["choices"][0]["message"];
        assert_eq!(message["content"], json!("word1 word2 word3 word4"));
        assert_eq!(
            task["data"]["choices"][0]["message"]["content"],
            message["content"]
        );
    }
}
