use std::{pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    Context,
    alarm::Alarm,
    perform::{Done, LONGEST_EVENT, Ongoing, Target, perform},
};
use crate::{
    fox::{Failure, Frame, State, Task},
    sse::{Item, write_data},
    task::{Ending, Event, Lifecycle, Report, Step},
    translate::{Chunk, Dialect, Identity, Met, NotAChunk, Replay, Transcript},
    upstream::NotOpened,
};

/// One accepted task on its way to its end: the state machine, with the I/O that it asks for.
///
/// [`Pursuit::advance`] may be dropped at any await and called again; nothing is lost by that.
pub struct Pursuit {
    target: Target,
    ongoing: Ongoing,
    machine: Lifecycle,
    step: Step,
    accepted: Instant,
    /// When the silence of the open stream becomes suspicious.
    silent_at: Instant,
    /// When the silence towards the client must be broken.
    quiet_at: Instant,
    alarm: Alarm,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    purpose: Purpose,
    dialect: Dialect,
    transcript: Transcript,
    /// While a stream that was opened again repeats what the client knows.
    replay: Option<Replay>,
    /// Whether this stream had something that could not be read: only its own count can prove it whole.
    has_hole: bool,
    /// Frames for the client that have not been taken yet.
    out: BytesMut,
}

/// What the answer is pursued for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An answer in one piece, which is the task's result.
    Whole,
    /// A stream, with or without a usage chunk at its end.
    Live { include_usage: bool },
}

/// How far [`Pursuit::advance`] came.
#[derive(Debug)]
pub(super) enum Progress {
    /// There are frames to take.
    Wrote,
    /// Nothing happened for `stream.keepalive`.
    Quiet,
    Ended(Ending),
}

impl Pursuit {
    /// Takes up a task that was just accepted. `follows`: it was submitted with `stream: true`.
    pub fn new(
        context: Context,
        task: Task,
        follows: bool,
        identity: &Identity,
        purpose: Purpose,
    ) -> Self {
        let now = Instant::now();
        let stream_uri = if follows {
            // Polling brings the same answer, only later: better than an error for a task that is paid for.
            let uri = context.upstream.stream_uri(&task);
            uri.inspect_err(|error| {
                tracing::error!(task = task.id, "{error}; it is polled instead")
            })
            .ok()
        } else {
            None
        };
        let mut machine = Lifecycle::new(context.patience.clone(), stream_uri.is_some());
        let mut on_report = |report| machine.on(Duration::ZERO, Event::Queried(report));
        let step = match task.state {
            State::Running => machine.start(),
            State::Completed(result) => on_report(Report::Completed(result)),
            State::Failed(failure) => on_report(Report::Failed(failure)),
        };
        let quiet_at = now + context.stream.keepalive;
        let mut pursuit = Self {
            ongoing: Ongoing::default(),
            machine,
            step,
            accepted: now,
            silent_at: now,
            quiet_at,
            alarm: Alarm::new(context.deadline.min(quiet_at)),
            stopped: Box::pin(context.stop.clone().cancelled_owned()),
            purpose,
            dialect: Dialect::Chat,
            transcript: Transcript::new(identity),
            replay: None,
            has_hole: false,
            out: BytesMut::new(),
            target: Target {
                context,
                task: task.id,
                stream_uri,
            },
        };
        pursuit.listen_anew();
        pursuit
    }

    /// Writes the frames for the client in `dialect` instead of a chat's words.
    pub fn speaking(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// The task's id.
    pub fn task(&self) -> &str {
        &self.target.task
    }

    pub(super) fn into_transcript(self) -> Transcript {
        self.transcript
    }

    pub(super) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    pub(super) fn chunks(&self) -> u64 {
        self.machine.forwarded()
    }

    /// A chat chunk as the client is told it.
    pub(super) fn in_dialect(&mut self, chunk: Bytes) -> Bytes {
        self.dialect.chunk(chunk)
    }

    /// The frames written since the last call, as one piece: what was read at once is written at once.
    pub(super) fn take(&mut self) -> Bytes {
        self.quiet_at = Instant::now() + self.target.context.stream.keepalive;
        self.out.split().freeze()
    }

    /// Goes on until there are frames to take, the client needs a sign of life, or the task has ended.
    pub(super) async fn advance(&mut self) -> Progress {
        loop {
            self.use_up_read();
            if !self.out.is_empty() {
                return Progress::Wrote;
            }
            if let Step::Finish(ending) = &self.step {
                return Progress::Ended(ending.clone());
            }
            // A stream that never pauses must not keep the limits from being looked at, so they come first.
            tokio::select! {
                biased;
                () = &mut self.stopped => self.happened(Event::Stop),
                () = self.alarm.rings() => {
                    if self.look_at_limits() {
                        return Progress::Quiet;
                    }
                }
                done = perform(&self.step, &self.target, &mut self.ongoing) => self.on_done(done),
            }
        }
    }

    fn happened(&mut self, event: Event) {
        let step = self.machine.on(self.accepted.elapsed(), event);
        self.go_on_with(step);
    }

    fn go_on_with(&mut self, step: Step) {
        self.step = step;
        if matches!(self.step, Step::Open { .. }) {
            self.ongoing.forget_stream();
            self.listen_anew();
        }
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Read(Some(bytes)) => {
                if let Some(stream) = &mut self.ongoing.stream {
                    stream.decoder.push(bytes);
                }
            }
            Done::Read(None) => {
                self.ongoing.forget_stream();
                self.happened(Event::Cut);
            }
            Done::Queried(report) => {
                self.happened(Event::Queried(report));
                self.listen_anew();
            }
            Done::Opened => {
                self.replay = (!self.transcript.is_empty()).then(|| Replay::of(&self.transcript));
                self.has_hole = false;
                self.happened(Event::Opened);
                self.listen_anew();
            }
            Done::NotOpened(NotOpened { retry_after, cause }) => {
                tracing::debug!(
                    task = self.task(),
                    cause,
                    "the task's stream could not be opened"
                );
                self.happened(Event::NotOpened { retry_after });
            }
        }
    }

    /// The silence of the stream counts from now. The head of a stream may well come only with its first chunk, so
    /// opening one has the same limit and no other.
    fn listen_anew(&mut self) {
        self.silent_at = Instant::now() + self.target.context.stream.idle;
        if self.is_listening() {
            self.alarm.no_later_than(self.silent_at);
        }
    }

    fn is_listening(&self) -> bool {
        matches!(self.step, Step::Read | Step::Open { .. })
    }

    /// Works off what has been read, until the machine wants something else than to read on.
    fn use_up_read(&mut self) {
        let now = self.accepted.elapsed();
        while let Some(item) = self.next_item() {
            let step = match item {
                Item::Event(event) => self.on_frame(now, Frame::read(&event.name, event.data)),
                Item::Oversized => {
                    self.on_unreadable(&format!("an event is over {LONGEST_EVENT} bytes"))
                }
            };
            if let Some(step) = step {
                // A stream that speaks makes the query needless that asked about its silence.
                self.ongoing.forget_query();
                self.go_on_with(step);
            }
        }
    }

    /// It is skipped; that alone says nothing about the rest of the stream.
    fn on_unreadable(&mut self, cause: &str) -> Option<Step> {
        tracing::warn!(
            task = self.task(),
            cause,
            "an event of the task's stream was skipped"
        );
        self.has_hole = true;
        None
    }

    fn next_item(&mut self) -> Option<Item> {
        match self.step {
            Step::Read | Step::Query { .. } => self.ongoing.stream.as_mut()?.decoder.next(),
            _ => None,
        }
    }

    /// `None` for what means nothing to the machine.
    fn on_frame(&mut self, now: Duration, frame: Frame) -> Option<Step> {
        match frame {
            Frame::Chunk(data) => self.on_chunk(now, &data),
            Frame::Done { total } => {
                let is_level = self.replay.is_none();
                let finished = match total {
                    Some(_) => self.transcript.is_finished(),
                    None => self.transcript.has_all_choices() && !self.has_hole,
                };
                let done = Event::Done {
                    total,
                    finished: is_level && finished,
                    owes: self.owes(),
                };
                Some(self.on_last_word(now, done))
            }
            Frame::Error(failure) => Some(self.on_stream_error(now, failure)),
            Frame::Beat => None,
        }
    }

    /// Whether the client still needs what only the task's result has.
    fn owes(&self) -> bool {
        self.purpose == Purpose::Whole || self.owes_usage() && !self.transcript.knows_usage()
    }

    /// Whether the client is still to get a usage chunk.
    pub(super) fn owes_usage(&self) -> bool {
        let asked = Purpose::Live {
            include_usage: true,
        };
        self.purpose == asked && !self.transcript.has_usage()
    }

    /// Behind its last word a stream has nothing more to say, whether it is believed or not.
    fn on_last_word(&mut self, now: Duration, event: Event) -> Step {
        self.ongoing.forget_stream();
        self.machine.on(now, event)
    }

    fn on_stream_error(&mut self, now: Duration, failure: Failure) -> Step {
        let failure = self.target.context.key.redacted(failure);
        self.on_last_word(now, Event::StreamError(failure))
    }

    fn on_chunk(&mut self, now: Duration, data: &Bytes) -> Option<Step> {
        let chunk = match Chunk::parse(data) {
            Ok(chunk) => chunk,
            Err(NotAChunk::Error(failure)) => return Some(self.on_stream_error(now, failure)),
            Err(error @ NotAChunk::Malformed(_)) => return self.on_unreadable(&error.to_string()),
        };
        self.silent_at = self.accepted + now + self.target.context.stream.idle;
        let met = match self.replay.as_mut() {
            Some(replay) => replay.meet(&self.transcript, &chunk),
            None => Met::New,
        };
        let is_new = matches!(met, Met::New | Met::Rest(_));
        let step = match met {
            Met::Different => return Some(self.on_last_word(now, Event::Diverged)),
            _ => self.machine.on(now, Event::Chunk { is_new }),
        };
        match met {
            Met::New => self.tell(&chunk),
            Met::Rest(rest) => self.tell_rest(rest),
            _ => {
                self.replay
                    .take_if(|replay| replay.has_caught_up(&self.transcript));
            }
        }
        // What was to be forwarded has been.
        Some(if step == Step::Forward {
            Step::Read
        } else {
            step
        })
    }

    fn tell(&mut self, chunk: &Chunk) {
        self.replay = None;
        if let Purpose::Live { include_usage } = self.purpose
            && let Some(json) = chunk.for_client(&self.transcript, include_usage)
        {
            self.write(json);
        }
        self.transcript.add(chunk);
    }

    /// Tells what of a replay's chunk was new, and goes on from the replay.
    fn tell_rest(&mut self, rest: Vec<String>) {
        if let Some(replay) = self.replay.take() {
            self.transcript = replay.into_transcript();
        }
        if matches!(self.purpose, Purpose::Live { .. }) {
            for json in rest {
                self.write(Bytes::from(json));
            }
        }
    }

    fn write(&mut self, chunk: Bytes) {
        let json = self.dialect.chunk(chunk);
        write_data(&mut self.out, &json);
    }

    /// Sees which limits have been reached, and sets the alarm for the next. `true`: the client's silence has.
    fn look_at_limits(&mut self) -> bool {
        let now = Instant::now();
        let deadline = self.target.context.deadline;
        if now >= deadline {
            self.happened(Event::Deadline);
        } else if self.is_listening() && now >= self.silent_at {
            self.happened(Event::Silent);
        }
        let is_quiet = now >= self.quiet_at;
        if is_quiet {
            self.quiet_at = now + self.target.context.stream.keepalive;
        }
        let next = deadline.min(self.quiet_at);
        self.alarm.set(if self.is_listening() {
            next.min(self.silent_at)
        } else {
            next
        });
        is_quiet
    }
}
