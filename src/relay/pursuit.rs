use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use tokio::{task::yield_now, time::Instant};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    Attended, Context, Purpose,
    histories::{Histories, Lesson},
    limits::Limits,
    perform::{Done, LONGEST_EVENT, Ongoing, Target, perform},
    telling::{Heard, Telling},
};
use crate::{
    fox::{Failure, Frame, State, Task},
    sse::Item,
    task::{Ending, Event, Lifecycle, Report, Step},
    translate::{Chunk, Dialect, Identity, NotAChunk, Transcript},
    upstream::NotOpened,
};

/// How many bytes may be read before others have their turn: less than a millisecond of work.
const TURN: usize = 64 << 10;

/// One accepted task on its way to its end: the state machine, with the I/O that it asks for.
///
/// `advance` may be dropped at any await and called again; nothing is lost by that.
pub struct Pursuit {
    target: Target,
    ongoing: Ongoing,
    machine: Lifecycle,
    step: Step,
    accepted: Instant,
    limits: Limits,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    telling: Telling,
    /// How many bytes were read since others had their turn.
    turn: usize,
    /// When a query last found the task running, from its acceptance.
    running: Duration,
    /// Where its completion is noted, if queries find it.
    lesson: Option<Lesson>,
}

/// Where a task comes from.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// It was submitted just now, for this model of the upstream's.
    New { model: &'a str },
    /// It was bought some time ago and may be complete, so it is queried at once.
    Found,
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
        origin: Origin<'_>,
    ) -> Self {
        let stream_target = if follows {
            // Polling brings the same answer, only later: better than an error for a task that is paid for.
            let uri = context.upstream.stream_target(&task);
            uri.inspect_err(|error| {
                tracing::error!(
                    task = task.id,
                    error = error.to_string(),
                    "the task's stream cannot be followed; it is polled instead"
                )
            })
            .ok()
        } else {
            None
        };
        let is_polled = stream_target.is_none();
        let (pace, lesson) = match origin {
            Origin::New { model } => (
                context.histories.pace(model),
                is_polled.then(|| context.histories.lesson(model)),
            ),
            Origin::Found => (Histories::pace_of_old(), None),
        };
        let mut machine = Lifecycle::new(context.patience.clone(), !is_polled).at_pace(pace);
        let mut on_report = |report| machine.on(Duration::ZERO, Event::Queried(report));
        let mut step = match task.state {
            State::Running => machine.start(),
            State::Completed(result) => on_report(Report::Completed(result)),
            State::Failed(failure) => on_report(Report::Failed(failure)),
        };
        if let (Origin::Found, Step::Query { after }) = (origin, &mut step) {
            *after = Duration::ZERO;
        }
        let mut pursuit = Self {
            ongoing: Ongoing::default(),
            machine,
            step: Step::Read,
            accepted: Instant::now(),
            limits: Limits::new(&context),
            stopped: Box::pin(context.stop.clone().cancelled_owned()),
            telling: Telling::new(identity, purpose),
            turn: 0,
            running: Duration::ZERO,
            lesson,
            target: Target {
                context,
                task: task.id,
                stream_target,
            },
        };
        pursuit.go_on_with(step);
        pursuit
    }

    /// From here on, somebody waits for it.
    pub fn attended(self) -> Attended {
        scopeguard::guard(Box::new(self), |pursuit| {
            let orphans = pursuit.target.context.orphans.clone();
            orphans.adopt(pursuit);
        })
    }

    /// Writes the frames for the client in `dialect` instead of a chat's words.
    pub fn speak(&mut self, dialect: Dialect) {
        self.telling.set_dialect(dialect);
    }

    /// The task's id.
    pub fn task(&self) -> &str {
        &self.target.task
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.step, Step::Finish(_))
    }

    /// Ends it at `deadline` in place of the one that it began with.
    pub(super) fn end_at(&mut self, deadline: Instant) {
        self.limits.end_at(deadline);
    }

    pub(super) fn telling(&mut self) -> &mut Telling {
        &mut self.telling
    }

    pub(super) fn into_transcript(self) -> Transcript {
        self.telling.into_transcript()
    }

    pub(super) fn chunks(&self) -> u64 {
        self.machine.forwarded()
    }

    /// The frames for the client since the last call.
    pub(super) fn take(&mut self) -> Bytes {
        self.limits.told();
        self.telling.take()
    }

    /// Goes on until there are frames to take, the client needs a sign of life, or the task has ended.
    pub(super) async fn advance(&mut self) -> Progress {
        loop {
            self.use_up_read();
            if self.telling.has_frames() {
                return Progress::Wrote;
            }
            if let Step::Finish(ending) = &self.step {
                return Progress::Ended(ending.clone());
            }
            if self.turn > TURN {
                // A stream that never pauses must hold up neither its own timers nor whoever shares the thread.
                self.turn = 0;
                yield_now().await;
                if let Some(progress) = self.look_at_limits() {
                    return progress;
                }
                continue;
            }
            // What is there is taken first, and timers are looked at when there is nothing more.
            tokio::select! {
                biased;
                done = perform(&self.step, &self.target, &mut self.ongoing) => self.on_done(done),
                () = &mut self.stopped => self.happened(Event::Stop),
                () = self.limits.reached() => {
                    if let Some(progress) = self.look_at_limits() {
                        return progress;
                    }
                }
            }
        }
    }

    /// Does what is due.
    fn look_at_limits(&mut self) -> Option<Progress> {
        let due = self.limits.due();
        if due.deadline {
            self.happened(Event::Deadline);
        } else if due.silence {
            self.happened(Event::Silent);
        }
        (due.quiet && !self.telling.break_silence()).then_some(Progress::Quiet)
    }

    fn happened(&mut self, event: Event) {
        let step = self.machine.on(self.accepted.elapsed(), event);
        self.go_on_with(step);
    }

    fn go_on_with(&mut self, step: Step) {
        self.step = step;
        match self.step {
            Step::Open { .. } => {
                self.ongoing.forget_stream();
                // The head of a stream may well come only with its first chunk, so opening one has no other limit.
                self.limits.listen();
            }
            Step::Read | Step::Forward => self.limits.go_on_listening(),
            Step::Query { .. } | Step::Finish(_) => self.limits.stop_listening(),
        }
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Read(Some(bytes)) => {
                self.turn += bytes.len();
                if let Some(stream) = &mut self.ongoing.stream {
                    stream.decoder.push(bytes);
                }
            }
            Done::Read(None) => {
                self.ongoing.forget_stream();
                self.happened(Event::Cut);
            }
            Done::Queried(report) => {
                self.learn(&report);
                self.happened(Event::Queried(report));
            }
            Done::Opened => {
                self.telling.begin_stream();
                self.happened(Event::Opened);
                self.limits.listen();
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

    /// Takes from a query what it tells about how long tasks take.
    fn learn(&mut self, report: &Report) {
        let now = self.accepted.elapsed();
        match report {
            Report::Running => self.running = now,
            Report::Completed(Some(_)) => {
                if let Some(lesson) = self.lesson.take() {
                    lesson.learn(self.running, now);
                }
            }
            _ => {}
        }
    }

    /// Works off what has been read, until the machine wants something else than to read on.
    fn use_up_read(&mut self) {
        let stream = self.ongoing.stream.as_ref();
        if self.has_ended() || stream.is_none_or(|stream| stream.decoder.is_used_up()) {
            return;
        }
        let now = self.accepted.elapsed();
        if self.limits.are_over(self.accepted + now) {
            return self.happened(Event::Deadline);
        }
        if self.target.context.stop.is_cancelled() {
            return self.happened(Event::Stop);
        }
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
        self.target.context.malformed.add_one();
        self.telling.miss();
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
                let done = Event::Done {
                    total,
                    finished: self.telling.is_finished(total.is_some()),
                    owes: self.telling.owes(),
                };
                Some(self.on_last_word(now, done))
            }
            Frame::Error(failure) => Some(self.on_stream_error(now, failure)),
            Frame::Beat => None,
        }
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
        if self.telling.hear_more(data) {
            return Some(self.on_told(now, true));
        }
        let chunk = match Chunk::parse(data) {
            Ok(chunk) => chunk,
            Err(NotAChunk::Error(failure)) => return Some(self.on_stream_error(now, failure)),
            Err(error @ NotAChunk::Malformed(_)) => return self.on_unreadable(&error.to_string()),
        };
        let is_new = match self.telling.hear(&chunk) {
            Heard::New => true,
            Heard::Known => false,
            Heard::Different => {
                self.limits.heard(self.accepted + now);
                return Some(self.on_last_word(now, Event::Diverged));
            }
        };
        Some(self.on_told(now, is_new))
    }

    /// The client has been told of a chunk, if it was new.
    fn on_told(&mut self, now: Duration, is_new: bool) -> Step {
        self.limits.heard(self.accepted + now);
        // What was to be forwarded has been told.
        match self.machine.on(now, Event::Chunk { is_new }) {
            Step::Forward => Step::Read,
            step => step,
        }
    }
}
