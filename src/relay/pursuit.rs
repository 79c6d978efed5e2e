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
    fox::{Frame, State, Task},
    sse::{Item, write_data},
    task::{Ending, Event, Lifecycle, Report, Step},
    translate::{Chunk, Dialect, Identity, NotAChunk, Transcript},
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
            out: BytesMut::new(),
            target: Target {
                context,
                task: task.id,
                stream_uri,
            },
        };
        pursuit.limit_silence();
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
            tokio::select! {
                biased;
                done = perform(&self.step, &self.target, &mut self.ongoing) => self.on_done(done),
                () = &mut self.stopped => self.happened(Event::Stop),
                () = self.alarm.rings() => {
                    if self.look_at_limits() {
                        return Progress::Quiet;
                    }
                }
            }
        }
    }

    fn happened(&mut self, event: Event) {
        self.step = self.machine.on(self.accepted.elapsed(), event);
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Read(Some(bytes)) => {
                if let Some(stream) = &mut self.ongoing.stream {
                    stream.decoder.push(bytes);
                }
            }
            Done::Read(None) => {
                self.ongoing.stream = None;
                self.happened(Event::Cut);
            }
            Done::Queried(report) => self.happened(Event::Queried(report)),
            Done::Opened => self.happened(Event::Opened),
            Done::NotOpened(NotOpened { retry_after, cause }) => {
                tracing::debug!(
                    task = self.task(),
                    cause,
                    "the task's stream could not be opened"
                );
                self.happened(Event::NotOpened { retry_after });
            }
        }
        self.limit_silence();
    }

    /// While the stream is opened or read, silence has its limit. The head of a stream may well come only with the
    /// first chunk, so opening it has no other limit.
    fn limit_silence(&mut self) {
        if matches!(self.step, Step::Read | Step::Open { .. }) {
            let now = Instant::now();
            if self.silent_at <= now {
                self.silent_at = now + self.target.context.stream.idle;
            }
            self.alarm.no_later_than(self.silent_at);
        }
    }

    /// Works off what has been read, until the machine wants something else than to read on.
    fn use_up_read(&mut self) {
        let now = self.accepted.elapsed();
        while let Some(item) = self.next_item() {
            let step = match item {
                Item::Event(event) => self.on_frame(now, Frame::read(&event.name, event.data)),
                Item::Oversized => {
                    tracing::warn!(
                        task = self.task(),
                        "an event over {LONGEST_EVENT} bytes was skipped"
                    );
                    None
                }
            };
            if let Some(step) = step {
                // A stream that speaks makes the query needless that asked about its silence.
                self.ongoing.forget_query();
                self.step = step;
            }
        }
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
                let done = Event::Done {
                    total,
                    finished: self.transcript.is_finished(),
                    owes: self.owes(),
                };
                Some(self.on_last_word(now, done))
            }
            Frame::Error(failure) => Some(self.on_last_word(now, Event::StreamError(failure))),
            Frame::Beat => None,
        }
    }

    /// Whether the client still needs what only the task's result has.
    pub(super) fn owes(&self) -> bool {
        match self.purpose {
            Purpose::Whole => true,
            Purpose::Live { include_usage } => include_usage && !self.transcript.has_usage(),
        }
    }

    /// Behind its last word a stream has nothing more to say, whether it is believed or not.
    fn on_last_word(&mut self, now: Duration, event: Event) -> Step {
        self.ongoing.stream = None;
        self.machine.on(now, event)
    }

    fn on_chunk(&mut self, now: Duration, data: &Bytes) -> Option<Step> {
        let chunk = match Chunk::parse(data) {
            Ok(chunk) => chunk,
            Err(NotAChunk::Error(failure)) => {
                return Some(self.on_last_word(now, Event::StreamError(failure)));
            }
            Err(error @ NotAChunk::Malformed(_)) => {
                tracing::warn!(task = self.task(), "{error}; it was skipped");
                return None;
            }
        };
        self.silent_at = self.accepted + now + self.target.context.stream.idle;
        let step = self.machine.on(now, Event::Chunk);
        if step != Step::Forward {
            return Some(step);
        }
        if let Purpose::Live { include_usage } = self.purpose
            && let Some(json) = chunk.for_client(&self.transcript, include_usage)
        {
            let json = self.in_dialect(json);
            write_data(&mut self.out, &json);
        }
        self.transcript.add(&chunk);
        Some(Step::Read)
    }

    /// Sees which limits have been reached, and sets the alarm for the next. `true`: the client's silence has.
    fn look_at_limits(&mut self) -> bool {
        let now = Instant::now();
        let deadline = self.target.context.deadline;
        if now >= deadline {
            self.happened(Event::Deadline);
        } else if matches!(self.step, Step::Read | Step::Open { .. }) && now >= self.silent_at {
            self.happened(Event::Silent);
        }
        let is_quiet = now >= self.quiet_at;
        if is_quiet {
            self.quiet_at = now + self.target.context.stream.keepalive;
        }
        self.alarm.set(deadline.min(self.quiet_at));
        self.limit_silence();
        is_quiet
    }
}
