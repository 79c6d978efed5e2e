mod reading;

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use tokio::{task::yield_now, time::Instant};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{
    Attended, Context, Course, Purpose,
    histories::{Histories, Lesson},
    limits::Limits,
    perform::{Done, Ongoing, Target, perform},
    telling::Telling,
};
use crate::{
    fox::{State, Task},
    task::{Ending, Event, Lifecycle, Report, Step},
    translate::{Dialect, Identity, Transcript},
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
    /// When it is wanted no longer, where somebody may say so.
    cancelled: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
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
            State::Queued | State::Running => machine.start(),
            State::Completed(result) => on_report(Report::Completed(result)),
            State::Failed(failure) => on_report(Report::Failed(failure)),
        };
        if let (Origin::Found, Step::Query { after } | Step::Open { after }) = (origin, &mut step) {
            *after = context.returning.turn();
        }
        let mut pursuit = Self {
            ongoing: Ongoing::default(),
            machine,
            step: Step::Read,
            accepted: Instant::now(),
            limits: Limits::new(&context),
            stopped: Box::pin(context.stop.clone().cancelled_owned()),
            cancelled: None,
            telling: Telling::new(identity, purpose),
            turn: 0,
            running: Duration::ZERO,
            lesson,
            target: Target {
                context,
                task: task.id,
                stream_target,
                stream_url: task.stream_url,
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

    /// Ends it when `token` is cancelled.
    pub fn end_when(&mut self, token: CancellationToken) {
        self.cancelled = Some(Box::pin(token.cancelled_owned()));
    }

    /// The task's id.
    pub fn task(&self) -> &str {
        &self.target.task
    }

    /// The name of the upstream key that bought it, where there are several.
    pub fn key_name(&self) -> Option<&str> {
        self.target.context.key.name()
    }

    /// Where the task's stream is, as the upstream named it.
    pub fn stream_url(&self) -> Option<&str> {
        self.target.stream_url.as_deref()
    }

    /// Where it is noted what happens on its way.
    pub fn course(&self) -> &Course {
        &self.target.context.course
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
        let chunks = self.machine.forwarded();
        self.target.context.course.note_told(chunks);
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
                () = said(&mut self.cancelled) => self.happened(Event::Cancel),
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
        if self.has_ended() {
            let now = self.accepted.elapsed();
            self.target.context.course.note_ended(now);
        }
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
                self.target.context.upstream.count_cut();
                self.ongoing.forget_stream();
                self.happened(Event::Cut);
            }
            Done::Queried(report) => {
                self.target.context.course.add_query();
                self.learn(&report);
                self.happened(Event::Queried(report));
            }
            Done::Opened => {
                self.target.context.course.add_opening();
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
            Report::Queued => self.running = now,
            Report::Running => {
                self.running = now;
                self.target.context.course.note_running(now);
            }
            Report::Completed(Some(_)) => {
                if let Some(lesson) = self.lesson.take() {
                    lesson.learn(self.running, now);
                }
            }
            _ => {}
        }
    }
}

/// Resolves when it is said; never where nobody can say so.
async fn said(word: &mut Option<Pin<Box<WaitForCancellationFutureOwned>>>) {
    match word {
        Some(word) => word.await,
        None => std::future::pending().await,
    }
}
