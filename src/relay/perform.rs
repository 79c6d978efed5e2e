use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Uri;
use tokio::time::sleep;

use super::Context;
use crate::{
    sse::Decoder,
    task::{Report, Step},
    upstream::{NotOpened, UpstreamBody},
};

/// The longest single event of a stream. A chunk is some hundred bytes; this leaves room for one with audio.
pub(super) const LONGEST_EVENT: usize = 16 << 20;

/// How long a query waits at least that may not be repeated yet.
const LEAST_WAIT: Duration = Duration::from_millis(500);

/// The one task that all steps are about, and how it is reached.
pub(super) struct Target {
    pub(super) context: Context,
    pub(super) task: String,
    pub(super) stream_target: Option<Uri>,
    /// The same as the upstream named it.
    pub(super) stream_url: Option<String>,
}

/// I/O under way, and the stream that stays open between steps. It is kept outside of [`perform`], which may
/// therefore be dropped at any await and called again without losing anything.
#[derive(Default)]
pub(super) struct Ongoing {
    querying: Option<Boxed<Report>>,
    /// Whether the last query could not be answered, so that the next one is a repetition.
    is_in_trouble: bool,
    opening: Option<Boxed<Result<UpstreamBody, NotOpened>>>,
    pub(super) stream: Option<OpenStream>,
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An open stream and what it brought that is not used up.
pub(super) struct OpenStream {
    body: UpstreamBody,
    pub(super) decoder: Decoder,
}

/// What a step's I/O brought.
pub(super) enum Done {
    /// The next bytes of the stream; `None` when it ended or broke.
    Read(Option<Bytes>),
    Queried(Report),
    Opened,
    NotOpened(NotOpened),
}

impl Ongoing {
    /// Gives up a query that has become needless.
    pub(super) fn forget_query(&mut self) {
        self.querying = None;
    }

    /// Gives up the stream, open or being opened.
    pub(super) fn forget_stream(&mut self) {
        self.opening = None;
        self.stream = None;
    }
}

/// Does the I/O that `step` asks for.
pub(super) async fn perform(step: &Step, target: &Target, ongoing: &mut Ongoing) -> Done {
    match step {
        Step::Query { after } => {
            let is_repeated = ongoing.is_in_trouble;
            let querying = ongoing.querying.get_or_insert_with(|| {
                let (context, task) = (target.context.clone(), target.task.clone());
                Box::pin(query(context, task, *after, is_repeated))
            });
            // A query may take long, so a stream that is open is read on meanwhile.
            let report = if ongoing.stream.is_some() {
                tokio::select! {
                    biased;
                    bytes = read(&mut ongoing.stream, &target.task) => return Done::Read(bytes),
                    report = querying.as_mut() => report,
                }
            } else {
                querying.as_mut().await
            };
            ongoing.querying = None;
            ongoing.is_in_trouble = matches!(report, Report::Trouble { .. });
            Done::Queried(report)
        }
        Step::Open { after } => {
            ongoing.opening.get_or_insert_with(|| {
                Box::pin(open(
                    target.context.clone(),
                    target.stream_target.clone(),
                    *after,
                ))
            });
            opened(ongoing).await
        }
        Step::Read | Step::Forward | Step::Finish(_) => {
            if ongoing.opening.is_some() {
                opened(ongoing).await
            } else {
                Done::Read(read(&mut ongoing.stream, &target.task).await)
            }
        }
    }
}

/// Waits for the stream that is being opened.
async fn opened(ongoing: &mut Ongoing) -> Done {
    let Some(opening) = &mut ongoing.opening else {
        return Done::Read(None);
    };
    let opened = opening.as_mut().await;
    ongoing.opening = None;
    match opened {
        Ok(body) => {
            let decoder = Decoder::new(LONGEST_EVENT);
            ongoing.stream = Some(OpenStream { body, decoder });
            Done::Opened
        }
        Err(not_opened) => Done::NotOpened(not_opened),
    }
}

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

async fn query(context: Context, task: String, after: Duration, is_repeated: bool) -> Report {
    if !after.is_zero() {
        sleep(after).await;
    }
    if is_repeated {
        wait_for_budget(&context).await;
    }
    let parent = context.parent();
    let report = context.upstream.query(&context.key, parent, &task).await;
    if is_repeated && !matches!(report, Report::Trouble { .. }) {
        context.upstream.repetition_went_well();
    }
    report
}

/// Waits until a query may be repeated. Its task is paid for, so it is only later, and never given up before the deadline.
async fn wait_for_budget(context: &Context) {
    let mut is_first = true;
    while let Err(wait) = context.upstream.may_query_again(is_first) {
        is_first = false;
        // Many may wait, and what is there is enough for one of them.
        let wait = wait.max(LEAST_WAIT).mul_f64(1.0 + fastrand::f64());
        sleep(wait).await;
    }
}

async fn open(
    context: Context,
    uri: Option<Uri>,
    after: Duration,
) -> Result<UpstreamBody, NotOpened> {
    if !after.is_zero() {
        sleep(after).await;
    }
    let Some(uri) = uri else {
        return Err(NotOpened {
            retry_after: None,
            cause: "the task has no stream".into(),
        });
    };
    let parent = context.parent();
    context.upstream.follow(&context.key, parent, uri).await
}
