//! Streams that say nothing, or nothing that counts: the task is asked, and what it says decides.

use std::time::Duration;

use serde_json::json;

use crate::{
    events::{Events, joined},
    raw_upstream::*,
};

const BEAT: &str = ": beat\n\n";

async fn streamed(script: Script, idle: Duration, deadline: Duration) -> crate::http::Answer {
    let stage = Stage::with(script, |config| {
        config.stream.idle = idle;
        config.task.deadline = deadline;
    })
    .await;
    stage.ask(&question(true, json!({}))).await
}

#[tokio::test]
async fn a_stream_that_only_beats_is_silent() {
    let idle = Duration::from_millis(200);
    for open in [
        endless(&text("a"), BEAT),
        endless("", "event: ping\ndata: {}\n\n"),
        silent_after(&text("a")),
        hang(),
    ] {
        let script = Script {
            open: vec![open.clone()],
            ..Script::default()
        };
        let answer = streamed(script, idle, Duration::from_secs(50)).await;
        assert_eq!(joined(&Events::chunks(&answer)), "abc");

        let script = Script {
            open: vec![open],
            query: vec![running()],
            ..Script::default()
        };
        let answer = streamed(script, idle, Duration::from_secs(1)).await;
        let (_, failure) = Events::failure(&answer);
        assert_eq!(failure.code.as_deref(), Some("task_deadline_exceeded"));
    }
}

#[tokio::test]
async fn a_dead_stream_of_a_running_task_is_replaced() {
    for dead in [silent_after(&text("a")), endless(&text("a"), BEAT), hang()] {
        let script = Script {
            open: vec![dead, events(&whole(&["a", "b", "c"]))],
            query: vec![running()],
            ..Script::default()
        };
        let idle = Duration::from_millis(150);
        let answer = streamed(script, idle, Duration::from_secs(50)).await;
        assert_eq!(joined(&Events::chunks(&answer)), "abc");
    }
}

#[tokio::test]
async fn the_silence_of_a_stream_begins_with_the_stream() {
    // Together the two are silent for longer than is allowed, and each of them is not.
    let pause = Duration::from_millis(1200);
    let thought = |text: &str| delta(json!({ "reasoning_content": text }));
    let late = thought("one") + &thought("two") + &text("abc") + &finish("stop") + &done(4);
    let script = Script {
        open: vec![
            events(&thought("one")).after(pause),
            events(&late).after(pause),
        ],
        ..Script::default()
    };
    let answer = streamed(script, pause.mul_f64(1.7), Duration::from_secs(50)).await;
    let chunks = Events::chunks(&answer);
    let thoughts: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["reasoning_content"].as_str())
        .collect();
    assert_eq!(thoughts, "onetwo");
    assert_eq!(joined(&chunks), "abc");
}
