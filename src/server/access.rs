mod told;

use std::time::Duration;

use hyper::{Method, Request, StatusCode, header::HeaderValue};

use tokio::time::Instant;

use told::refusal;

use super::{
    last_answer::{Handover, LastAnswer},
    reply,
    slots::Slot,
    watchdog::{Leash, Watchdog},
};
use crate::{
    api_error::ApiError,
    fleet::{Errand, Question},
    keys::Client,
    ledger::Receipt,
    metrics::Metrics,
    relay::Course,
    traces::{Begun, Traces},
    upstream::Parent,
};

/// How it is counted that a client left before it was answered.
const CLIENT_LEFT: u16 = 499;

/// One request's line in the log. It is written when the answer is ready (for a stream: when its last piece is), or when
/// the client left before that. Never keys, never content.
///
/// It goes from future to future, each of which would have room for it, hence the box.
pub(super) struct Access(Box<Noted>);

struct Noted {
    request_id: HeaderValue,
    method: Method,
    path: String,
    began: Instant,
    model: Option<String>,
    task: Option<String>,
    /// The name of the upstream key that bought it, where there are several.
    upstream_key: Option<String>,
    course: Course,
    metrics: Metrics,
    /// Which of the few endpoints it asks.
    endpoint: &'static str,
    /// When the submit began, and how long it took, from the request's head.
    submitting: Option<Duration>,
    submit: Option<Duration>,
    /// When there was a task.
    accepted: Option<Duration>,
    is_found: bool,
    /// Whether its tokens were counted when its answer was delivered before.
    is_counted: bool,
    is_submitting: bool,
    is_finished: bool,
    /// Watches the connection that the request came on.
    watchdog: Watchdog,
    leash: Option<Leash>,
    slot: Option<Slot>,
    /// Whose key it came with, where this proxy has clients of its own.
    client: Option<Client>,
    /// What it has to do with the fleet.
    errand: Option<Errand>,
    /// Whether it has bought something that other replicas do not know of.
    is_unnoted: bool,
    /// Whether the fleet is yet to be asked for its place, and whether it counts as one of this minute's.
    entering: Option<bool>,
    /// Where its answer is noted, if its client would say that it asks again.
    last_answer: Option<LastAnswer>,
    /// Its span, and who is told of it.
    traced: Option<Box<(Traces, Begun)>>,
}

impl Access {
    pub(super) fn new<B>(
        request: &Request<B>,
        watchdog: Watchdog,
        last_answer: Option<LastAnswer>,
        metrics: Metrics,
        traces: Option<&Traces>,
    ) -> Self {
        let given = request.headers().get(reply::REQUEST_ID);
        let request_id = given.filter(|id| is_sane(id)).cloned().unwrap_or_else(|| {
            // An id of our own is made of letters, digits and an underscore.
            HeaderValue::try_from(reply::new_request_id())
                .unwrap_or(HeaderValue::from_static("req_unknown"))
        });
        Self(Box::new(Noted {
            request_id,
            method: request.method().clone(),
            path: shortened(request.uri().path(), 200),
            began: Instant::now(),
            model: None,
            task: None,
            upstream_key: None,
            course: Course::default(),
            metrics,
            endpoint: "other",
            submitting: None,
            submit: None,
            accepted: None,
            is_found: false,
            is_counted: false,
            is_submitting: false,
            is_finished: false,
            watchdog,
            leash: None,
            slot: None,
            client: None,
            errand: None,
            is_unnoted: false,
            entering: None,
            last_answer,
            traced: traces
                .map(|traces| Box::new((traces.clone(), traces.begin(request.headers())))),
        }))
    }

    pub(super) fn request_id(&self) -> &HeaderValue {
        &self.0.request_id
    }

    /// Since the request's head was read.
    pub(super) fn milliseconds(&self) -> u64 {
        self.0.milliseconds()
    }

    pub(super) fn set_model(&mut self, model: &str) {
        self.0.model = Some(shortened(model, 100));
    }

    /// What the request's answer is reported with.
    pub(super) fn handover(&mut self, receipt: Receipt) -> Handover {
        let last = self.0.last_answer.take();
        Handover::new(receipt, last.map(|last| (last, self.0.request_id.clone())))
    }

    /// Ends the connection if the request has not been answered soon after `deadline`.
    pub(super) fn watch(&mut self, deadline: Instant) {
        self.0.leash = Some(self.0.watchdog.watch(deadline));
    }

    /// The watchdog's leash, for an answer that is ready but not taken yet.
    pub(super) fn take_leash(&mut self) -> Option<Leash> {
        self.0.leash.take()
    }

    /// Makes the request one of those that `server.max_in_flight` bounds.
    pub(super) fn occupy(&mut self, slot: Slot) {
        self.0.slot = Some(slot);
    }

    /// The request's place, for work that goes on without its client.
    pub(super) fn slot(&self) -> Option<Slot> {
        self.0.slot.clone()
    }

    /// The request comes from one of this proxy's own clients.
    pub(super) fn set_client(&mut self, client: Client) {
        self.0.client = Some(client);
    }

    pub(super) fn set_errand(&mut self, errand: Errand) {
        self.0.errand = Some(errand);
    }

    pub(super) fn errand(&self) -> Option<&Errand> {
        self.0.errand.as_ref()
    }

    /// What becomes of its purchase is told with more that is to come; `begin` gives the errand if there is none yet.
    pub(super) fn hold(&mut self, begin: impl FnOnce() -> Option<Errand>) {
        if self.0.errand.is_none() {
            self.0.errand = begin();
        }
        if let Some(errand) = &self.0.errand {
            errand.hold();
        }
    }

    /// Its client has a foothold, and the fleet is asked for a place when it is known what else is to be asked.
    pub(super) fn put_off_entering(&mut self, counts: bool) {
        self.0.entering = Some(counts);
    }

    /// Has the request begin, if that was put off, and asks the fleet a question with that. `None`: that was not asked.
    pub(super) async fn enter(
        &mut self,
        along: Option<&Question>,
    ) -> Result<Option<Vec<String>>, ApiError> {
        let noted = &mut *self.0;
        let foothold = noted.slot.as_ref().and_then(Slot::permit);
        match (
            foothold,
            &noted.client,
            &noted.errand,
            noted.entering.take(),
        ) {
            (Some(foothold), Some(client), Some(errand), Some(counts)) => {
                client.enter_late(foothold, errand, counts, along).await
            }
            _ => Ok(None),
        }
    }

    /// It buys what other replicas do not know of.
    pub(super) fn set_unnoted(&mut self) {
        self.0.is_unnoted = true;
    }

    pub(super) fn is_unnoted(&self) -> bool {
        self.0.is_unnoted
    }

    pub(super) fn client(&self) -> Option<&Client> {
        self.0.client.as_ref()
    }

    /// From here to [`Access::set_task`], nobody knows whether a task was made.
    pub(super) fn set_submitting(&mut self) {
        self.0.is_submitting = true;
        self.0.submitting = Some(self.0.began.elapsed());
    }

    pub(super) fn set_task(&mut self, task: &str) {
        let noted = &mut *self.0;
        noted.task = Some(task.to_owned());
        let submitting = noted.submitting;
        let accepted = noted.began.elapsed();
        noted.submit = submitting.map(|at| accepted.saturating_sub(at));
        noted.accepted = Some(accepted);
    }

    pub(super) fn set_upstream_key(&mut self, name: Option<&str>) {
        self.0.upstream_key = name.map(str::to_owned);
    }

    /// The request's span, for the calls that are made for it.
    pub(super) fn parent(&self) -> Option<Parent> {
        self.0.traced.as_ref().map(|traced| traced.1.parent())
    }

    /// Where it is noted what happens to the task.
    pub(super) fn course(&self) -> Course {
        self.0.course.clone()
    }

    pub(super) fn set_endpoint(&mut self, endpoint: &'static str) {
        self.0.endpoint = endpoint;
    }

    /// It has found the task that it bought before.
    pub(super) fn set_found(&mut self, was_delivered: bool) {
        self.0.is_found = true;
        self.0.is_counted = was_delivered;
    }

    /// The request is answered; `error` is what the client was told went wrong.
    pub(super) fn finish(self, status: StatusCode, error: Option<&ApiError>) {
        let mut noted = self.0;
        noted.is_finished = true;
        let (status, malformed) = (status.as_u16(), noted.course.malformed());
        noted.count(status);
        noted.trace(Some(status), error);
        if let Some(reason) = error.and_then(refusal) {
            noted.metrics.refused(reason);
        }
        match error {
            None => tracing::info!(
                id = noted.id(), method = %noted.method, path = noted.path, status, ms = noted.milliseconds(),
                key = noted.key(), model = noted.model, task = noted.task, upstream_key = noted.upstream_key, malformed,
                "answered"
            ),
            Some(error) => tracing::info!(
                id = noted.id(), method = %noted.method, path = noted.path, status, ms = noted.milliseconds(),
                key = noted.key(), model = noted.model, task = noted.task, upstream_key = noted.upstream_key, malformed,
                code = error.code.as_deref(), error = &*error.message, detail = error.detail.as_deref(), "refused"
            ),
        }
    }
}

impl Noted {
    fn id(&self) -> &str {
        self.request_id.to_str().unwrap_or("-")
    }

    /// What the operator calls the key.
    fn key(&self) -> Option<&str> {
        self.client.as_ref().map(Client::name)
    }

    fn milliseconds(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        if !self.is_finished {
            self.course.note_left();
            self.count(CLIENT_LEFT);
            self.trace(None, None);
        }
        if !self.is_finished && self.is_submitting && self.task.is_none() {
            tracing::warn!(
                id = self.id(), method = %self.method, path = self.path, ms = self.milliseconds(),
                key = self.key(), model = self.model, "the client left during the submit: a task may have been made and billed"
            );
        } else if !self.is_finished {
            tracing::info!(
                id = self.id(), method = %self.method, path = self.path, ms = self.milliseconds(),
                key = self.key(), model = self.model, task = self.task, malformed = self.course.malformed(), "the client left"
            );
        }
    }
}

/// At most so many characters.
fn shortened(text: &str, most: usize) -> String {
    match text.len() <= most {
        true => text.to_owned(),
        false => text.chars().take(most).collect(),
    }
}

/// A client's own request id is kept if it cannot do harm in a log or a header.
fn is_sane(id: &HeaderValue) -> bool {
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    (1..=128).contains(&id.len()) && id.as_bytes().iter().all(harmless)
}
