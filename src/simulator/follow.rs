//! A task's stream (CONTRACT.md, section 3), replayed from its first chunk on every connection, with scripted faults.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Response,
    body::Frame,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use serde_json::json;
use tokio::time::Instant;

use super::{
    chunks::{self, Wording},
    connection::Fate,
    plan::StreamFaultKind,
    reply::{Body, Hangup, set},
    script::{Done, Ending, Replay},
    service::Service,
    task::Task,
};

/// How many tokens a chunk of a rechunked replay has.
const REPLAY_GRAIN: usize = 3;

/// Starts one more connection of the task's stream.
pub(super) fn follow(service: Arc<Service>, task: &Task, fate: Arc<Fate>) -> Response<Body> {
    let moves = Choreography::new(task).moves();
    service
        .journalist
        .count(|journal| journal.open_streams += 1);
    let performance = Performance {
        moves: moves.into(),
        fate,
        _open: OpenStream(service),
    };
    let frames = stream::unfold(performance, Performance::next);
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    set(&mut response, CONTENT_TYPE, "text/event-stream");
    set(&mut response, CACHE_CONTROL, "no-cache");
    response
}

/// One thing that a stream does next.
#[derive(Debug)]
enum Move {
    Until(Instant),
    Pause(Duration),
    Write(Bytes),
    /// The same write again and again, so far apart, for ever.
    Beat(Duration, Bytes),
    /// Silence for ever.
    Hang,
    /// The connection is closed although the body is not at its end.
    Cut,
    Reset,
}

/// Does one move after the other until the body ends.
struct Performance {
    moves: VecDeque<Move>,
    fate: Arc<Fate>,
    _open: OpenStream,
}

/// Counts as an open stream while it lives.
struct OpenStream(Arc<Service>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.journalist.count(|journal| journal.open_streams -= 1);
    }
}

impl Performance {
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Hangup>, Self)> {
        loop {
            // Letting the connection run between two moves makes every write one of its own, and lets it reach the
            // socket before whatever comes next.
            tokio::task::yield_now().await;
            match self.moves.pop_front()? {
                Move::Until(moment) => tokio::time::sleep_until(moment).await,
                Move::Pause(time) => tokio::time::sleep(time).await,
                Move::Write(bytes) => return Some((Ok(Frame::data(bytes)), self)),
                Move::Beat(every, bytes) => {
                    tokio::time::sleep(every).await;
                    self.moves.push_front(Move::Beat(every, bytes.clone()));
                    return Some((Ok(Frame::data(bytes)), self));
                }
                Move::Hang => std::future::pending().await,
                Move::Cut => return Some((Err(Hangup), self)),
                Move::Reset => {
                    self.fate.reset();
                    return Some((Err(Hangup), self));
                }
            }
        }
    }
}

/// Works out the moves of one connection.
struct Choreography<'a> {
    task: &'a Task,
    /// Number of the connection, counted from 0.
    connection: u64,
    moves: Vec<Move>,
}

impl<'a> Choreography<'a> {
    fn new(task: &'a Task) -> Self {
        Self {
            task,
            connection: task.connections.next(),
            moves: Vec::new(),
        }
    }

    fn moves(mut self) -> Vec<Move> {
        self.compose();
        let dialect = &self.task.script.dialect;
        let mut moves = self.moves;
        if dialect.bom {
            moves.insert(0, Move::Write(Bytes::from_static("\u{feff}".as_bytes())));
        }
        if dialect.one_write {
            moves = joined(moves);
        }
        match dialect.split {
            Some(size) => split(moves, size),
            None => moves,
        }
    }

    fn compose(&mut self) {
        let task = self.task;
        let timeline = &task.timeline;
        let replayed = match self.connection {
            0 => Replay::Same,
            _ => task.script.replay,
        };
        let grain = match replayed {
            Replay::Rechunk => REPLAY_GRAIN,
            Replay::Same | Replay::NewIds | Replay::OtherText => 1,
        };
        let wording = Wording {
            answer: &task.answer,
            id: match replayed {
                Replay::Same | Replay::OtherText => task.answer.id.clone(),
                Replay::NewIds | Replay::Rechunk => {
                    format!("{}-replay{}", task.answer.id, self.connection)
                }
            },
            with_usage: task.usage_chunk,
        };
        let mut chunks = chunks::cut(&task.answer, grain, task.usage_chunk);
        if replayed == Replay::OtherText {
            chunks = chunks::reworded(chunks);
        }
        // Chunks of another size are there when the last usual chunk inside them is.
        let usual = |nth: usize| nth * timeline.all_chunks / chunks.len().max(1);
        let made = timeline.chunks * chunks.len() / timeline.all_chunks.max(1);
        let fault = task.script.stream.at(self.connection);
        let dialect = &task.script.dialect;
        for (nth, chunk) in chunks.iter().take(made).enumerate() {
            let text = dialect.chunk(&wording.chunk(chunk));
            let at = timeline.chunk(usual(nth));
            if let Some(fault) = fault.filter(|fault| fault.after == nth) {
                if fault.kind == StreamFaultKind::Lose {
                    continue;
                }
                if !self.survives(&fault.kind, &text, at) {
                    return;
                }
            }
            self.until(at);
            self.write(dialect.noise(nth) + &text);
        }
        if let Some(fault) = fault.filter(|fault| fault.after >= made)
            && !self.survives(&fault.kind, "", timeline.last_chunk())
        {
            return;
        }
        self.finish(chunks.len());
    }

    /// Brings a fault about; `next` is the event that it comes before, and `at` when that is due. False when nothing
    /// can follow.
    fn survives(&mut self, kind: &StreamFaultKind, next: &str, at: Duration) -> bool {
        match kind {
            StreamFaultKind::Cut { bytes } => {
                let begun = next.as_bytes().get(..*bytes).unwrap_or(next.as_bytes());
                if !begun.is_empty() {
                    self.until(at);
                    self.moves.push(Move::Write(Bytes::copy_from_slice(begun)));
                }
                self.moves.push(Move::Cut);
            }
            StreamFaultKind::Reset => self.moves.push(Move::Reset),
            StreamFaultKind::Stall(None) => self.moves.push(Move::Hang),
            StreamFaultKind::Stall(Some(time)) => {
                self.moves.push(Move::Pause(*time));
                return true;
            }
            StreamFaultKind::Error => self.error("The provider closed the stream."),
            StreamFaultKind::End => {}
            StreamFaultKind::Beat(every) => {
                let heartbeat = Bytes::from(self.task.script.dialect.heartbeat());
                self.moves.push(Move::Beat(*every, heartbeat));
            }
            // There is no chunk left to lose.
            StreamFaultKind::Lose => return true,
        }
        false
    }

    fn finish(&mut self, chunks: usize) {
        let task = self.task;
        match task.script.ending {
            Ending::Completed => {}
            Ending::Stuck => return self.moves.push(Move::Hang),
            Ending::Failed | Ending::Cancelled => {
                self.until(task.timeline.end());
                return self.error(task.failure_message());
            }
        }
        self.until(task.timeline.last_chunk());
        let dialect = &task.script.dialect;
        let done = task.script.done;
        if matches!(done, Done::Named | Done::Both) {
            let total = task.script.total.unwrap_or(chunks as u64);
            self.write(dialect.named("done", &json!({ "total_chunks": total })));
        }
        if matches!(done, Done::Marker | Done::Both) {
            self.write(dialect.marker());
        }
    }

    fn error(&mut self, usual: &str) {
        let script = &self.task.script;
        let message = script.stream_error.as_deref().unwrap_or(usual);
        self.write(
            script
                .dialect
                .named("error", &json!({ "message": message })),
        );
    }

    fn until(&mut self, elapsed: Duration) {
        let due = self.task.moment(elapsed);
        // A moment beyond the clock never comes.
        self.moves.push(due.map_or(Move::Hang, Move::Until));
    }

    fn write(&mut self, text: String) {
        self.moves.push(Move::Write(Bytes::from(text)));
    }
}

/// All writes up to the next fault as one.
fn joined(moves: Vec<Move>) -> Vec<Move> {
    let mut joined = Vec::new();
    let mut together = Vec::new();
    let write = |together: &mut Vec<u8>, joined: &mut Vec<Move>| {
        if !together.is_empty() {
            joined.push(Move::Write(Bytes::from(std::mem::take(together))));
        }
    };
    for step in moves {
        match step {
            Move::Write(bytes) => together.extend_from_slice(&bytes),
            Move::Until(moment) => joined.push(Move::Until(moment)),
            fault => {
                write(&mut together, &mut joined);
                joined.push(fault);
            }
        }
    }
    write(&mut together, &mut joined);
    joined
}

/// No write longer than `size` bytes.
fn split(moves: Vec<Move>, size: usize) -> Vec<Move> {
    let mut pieces = Vec::new();
    for step in moves {
        match step {
            Move::Write(mut bytes) => {
                while !bytes.is_empty() {
                    let piece = bytes.split_to(size.min(bytes.len()));
                    pieces.push(Move::Write(piece));
                }
            }
            other => pieces.push(other),
        }
    }
    pieces
}
