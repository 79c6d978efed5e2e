use std::{future::Future, pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::Uri;
use tokio::time::{Instant, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{Context, alarm::Alarm};
use crate::{
    fox::{Frame, State, Task},
    sse::{Decoder, Item, write_data},
    task::{Ending, Event, Lifecycle, Report, Step},
    translate::{Chunk, NotAChunk, Transcript},
    upstream::{NotOpened, StreamBody},
};

/// The longest single event of a stream. A chunk is some hundred bytes; this leaves room for one with audio.
const LONGEST_EVENT: usize = 16 << 20;

/// One accepted task on its way to its end: the state machine, with the I/O that it asks for.
///
/// [`Pursuit::advance`] may be dropped at any await and called again; nothing is lost by that.
pub struct Pursuit {
    context: Context,
    task: String,
    stream_uri: Option<Uri>,
    machine: Lifecycle,
    step: Step,
    accepted: Instant,
    /// The query or opening under way.
    pending: Option<Pin<Box<dyn Future<Output = Done> + Send>>>,
    stream: Option<OpenStream>,
    /// When the silence of the open stream becomes suspicious.
    silent_at: Instant,
    /// When the silence towards the client must be broken.
    quiet_at: Instant,
    alarm: Alarm,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    include_usage: bool,
    transcript: Transcript,
    /// Frames for the client that have not been taken yet.
    out: BytesMut,
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

/// An open stream and what it brought that is not used up.
struct OpenStream {
    body: StreamBody,
    decoder: Decoder,
}

/// What became of the I/O under way.
enum Done {
    Queried(Report),
    Opened(StreamBody),
    NotOpened(NotOpened),
}

impl Pursuit {
    /// Takes up a task that was just accepted. `follows`: it was submitted with `stream: true`.
    pub fn new(context: Context, task: Task, follows: bool, include_usage: bool) -> Self {
        let now = Instant::now();
        let stream_uri = follows
            .then(|| context.upstream.stream_uri(&task))
            .and_then(|uri| {
                // Polling brings the same answer, only later: better than an error for a task that is paid for.
                uri.inspect_err(|foreign| {
                    tracing::error!(task = task.id, "{foreign}; the task is polled instead")
                })
                .ok()
            });
        let mut machine = Lifecycle::new(context.patience.clone(), stream_uri.is_some());
        let step = match task.state {
            State::Running => machine.start(),
            State::Completed(result) => {
                machine.on(Duration::ZERO, Event::Queried(Report::Completed(result)))
            }
            State::Failed(failure) => {
                machine.on(Duration::ZERO, Event::Queried(Report::Failed(failure)))
            }
        };
        let quiet_at = now + context.stream.keepalive;
        Self {
            task: task.id,
            stream_uri,
            machine,
            step,
            accepted: now,
            pending: None,
            stream: None,
            silent_at: now,
            quiet_at,
            alarm: Alarm::new(context.deadline.min(quiet_at)),
            stopped: Box::pin(context.stop.clone().cancelled_owned()),
            include_usage,
            transcript: Transcript::default(),
            out: BytesMut::new(),
            context,
        }
    }

    /// The task's id.
    pub fn task(&self) -> &str {
        &self.task
    }

    pub(super) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    pub(super) fn chunks(&self) -> u64 {
        self.machine.forwarded()
    }

    /// The frames written since the last call, as one piece: what was read at once is written at once.
    pub(super) fn take(&mut self) -> Bytes {
        self.quiet_at = Instant::now() + self.context.stream.keepalive;
        self.out.split().freeze()
    }

    /// Goes on until there are frames to take, the client needs a sign of life, or the task has ended.
    pub(super) async fn advance(&mut self) -> Progress {
        loop {
            if !self.out.is_empty() {
                return Progress::Wrote;
            }
            if let Step::Finish(ending) = &self.step {
                return Progress::Ended(ending.clone());
            }
            if self.use_up_read() {
                continue;
            }
            let happened = tokio::select! {
                biased;
                happened = next(&self.context, &self.task, &self.stream_uri, &self.step, &mut self.pending, &mut self.stream) => happened,
                () = &mut self.stopped => Happened::Stopped,
                () = self.alarm.rings() => Happened::Alarm,
            };
            match happened {
                Happened::Read(read) => self.read(read),
                Happened::Done(done) => self.done(done),
                Happened::Stopped => {
                    self.step = self.machine.on(self.accepted.elapsed(), Event::Stop)
                }
                Happened::Alarm => {
                    if self.look_at_limits() {
                        return Progress::Quiet;
                    }
                }
            }
        }
    }

    /// Works off what has been read already; `false` when more must be read first.
    ///
    /// An open stream is read on while the task is queried, because a query may take long; a chunk that comes
    /// after all makes the query needless.
    fn use_up_read(&mut self) -> bool {
        if self.stream.is_none() {
            return false;
        }
        let now = self.accepted.elapsed();
        while let Some(item) = self
            .stream
            .as_mut()
            .and_then(|stream| stream.decoder.next())
        {
            let event = match item {
                Item::Event(event) => event,
                Item::Oversized => {
                    tracing::warn!(
                        task = self.task,
                        "an event over {LONGEST_EVENT} bytes was skipped"
                    );
                    continue;
                }
            };
            self.step = match Frame::read(&event.name, event.data) {
                Frame::Chunk(data) => match self.chunk(now, &data) {
                    Some(step) => step,
                    None => continue,
                },
                Frame::Done { total } => {
                    let finished = self.transcript.is_finished();
                    self.machine.on(now, Event::Done { total, finished })
                }
                Frame::Error(failure) => self.machine.on(now, Event::StreamError(failure)),
                Frame::Beat => continue,
            };
            self.pending = None;
            if self.step != Step::Read {
                return true;
            }
        }
        !self.out.is_empty()
    }

    /// Takes one chunk; `None` when it is none and the stream goes on without it.
    fn chunk(&mut self, now: Duration, data: &Bytes) -> Option<Step> {
        let chunk = match Chunk::parse(data) {
            Ok(chunk) => chunk,
            Err(NotAChunk::Error(failure)) => {
                return Some(self.machine.on(now, Event::StreamError(failure)));
            }
            Err(error @ NotAChunk::Malformed(_)) => {
                tracing::warn!(task = self.task, "{error}; it was skipped");
                return None;
            }
        };
        self.silent_at = self.accepted + now + self.context.stream.idle;
        let step = self.machine.on(now, Event::Chunk);
        if step != Step::Forward {
            return Some(step);
        }
        self.transcript.add(&chunk);
        if let Some(json) = chunk.for_client(self.include_usage) {
            write_data(&mut self.out, &json);
        }
        Some(Step::Read)
    }

    fn read(&mut self, read: Option<Bytes>) {
        match (read, &mut self.stream) {
            (Some(bytes), Some(stream)) => stream.decoder.push(bytes),
            _ => {
                self.stream = None;
                self.step = self.machine.on(self.accepted.elapsed(), Event::Cut);
            }
        }
    }

    fn done(&mut self, done: Done) {
        self.pending = None;
        let event = match done {
            Done::Queried(report) => Event::Queried(report),
            Done::Opened(body) => {
                let decoder = Decoder::new(LONGEST_EVENT);
                self.stream = Some(OpenStream { body, decoder });
                Event::Opened
            }
            Done::NotOpened(NotOpened { retry_after, cause }) => {
                tracing::debug!(
                    task = self.task,
                    cause,
                    "the task's stream could not be opened"
                );
                Event::NotOpened { retry_after }
            }
        };
        self.step = self.machine.on(self.accepted.elapsed(), event);
        if self.step == Step::Read {
            self.silent_at = Instant::now() + self.context.stream.idle;
            self.alarm.no_later_than(self.silent_at);
        }
    }

    /// Sees which limit has been reached, and sets the alarm for the next. `true`: the client's silence.
    fn look_at_limits(&mut self) -> bool {
        let now = Instant::now();
        let is_reading = self.step == Step::Read;
        let is_quiet = now >= self.quiet_at;
        if now >= self.context.deadline {
            self.step = self.machine.on(self.accepted.elapsed(), Event::Deadline);
        } else if is_reading && now >= self.silent_at {
            self.step = self.machine.on(self.accepted.elapsed(), Event::Silent);
        }
        if is_quiet {
            self.quiet_at = now + self.context.stream.keepalive;
        }
        let next = self.context.deadline.min(self.quiet_at);
        let next = if is_reading && self.step == Step::Read {
            next.min(self.silent_at)
        } else {
            next
        };
        self.alarm.set(next);
        is_quiet
    }
}

enum Happened {
    /// The next bytes of the stream; `None` when it ended or broke.
    Read(Option<Bytes>),
    Done(Done),
    Stopped,
    Alarm,
}

/// Does the I/O of the current step. What is under way is kept by the caller, so this may be dropped and called again.
async fn next(
    context: &Context,
    task: &str,
    stream_uri: &Option<Uri>,
    step: &Step,
    pending: &mut Option<Pin<Box<dyn Future<Output = Done> + Send>>>,
    stream: &mut Option<OpenStream>,
) -> Happened {
    match step {
        Step::Read | Step::Forward | Step::Finish(_) => match stream {
            None => Happened::Read(None),
            Some(open) => loop {
                match open.body.frame().await {
                    Some(Ok(frame)) => {
                        if let Ok(bytes) = frame.into_data() {
                            break Happened::Read(Some(bytes));
                        }
                    }
                    Some(Err(error)) => {
                        tracing::debug!(task, %error, "the task's stream broke");
                        break Happened::Read(None);
                    }
                    None => break Happened::Read(None),
                }
            },
        },
        Step::Query { after } => {
            let query = pending
                .get_or_insert_with(|| Box::pin(query(context.clone(), task.to_string(), *after)));
            Happened::Done(query.as_mut().await)
        }
        Step::Open { after } => {
            // Whatever is still open is replaced.
            *stream = None;
            let uri = stream_uri.clone();
            let opening =
                pending.get_or_insert_with(|| Box::pin(open(context.clone(), uri, *after)));
            Happened::Done(opening.as_mut().await)
        }
    }
}

/// The next bytes of the open stream; `None` when it ended or broke.
async fn read(stream: &mut Option<OpenStream>, task: &str) -> Option<Bytes> {
    let body = &mut stream.as_mut()?.body;
    loop {
        match body.frame().await? {
            Ok(frame) => {
                if let Ok(bytes) = frame.into_data() {
                    return Some(bytes);
                }
            }
            Err(error) => {
                tracing::debug!(task, %error, "the task's stream broke");
                return None;
            }
        }
    }
}

async fn query(context: Context, task: String, after: Duration) -> Done {
    sleep(jittered(after)).await;
    Done::Queried(context.upstream.query(&context.key, &task).await)
}

async fn open(context: Context, uri: Option<Uri>, after: Duration) -> Done {
    if !after.is_zero() {
        sleep(jittered(after)).await;
    }
    let Some(uri) = uri else {
        let cause = "the task has no stream".to_string();
        return Done::NotOpened(NotOpened {
            retry_after: None,
            cause,
        });
    };
    match context.upstream.follow(&context.key, uri).await {
        Ok(body) => Done::Opened(body),
        Err(not_opened) => Done::NotOpened(not_opened),
    }
}

/// Up to a tenth longer, so that tasks submitted together do not stay in step.
fn jittered(gap: Duration) -> Duration {
    gap.mul_f64(1.0 + fastrand::f64() * 0.1)
}
