//! Traces: one span a request, made at its end of what is known then anyway, and sent to a collector by OTLP.
//!
//! A request waits for none of this: what has ended is put into a queue that has an end, and one task empties it.

mod export;
mod post;
mod settings;
mod spans;

pub use export::Unusable;
pub use settings::Settings;
pub use spans::{Ended, Phases};

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use hyper::HeaderMap;
use tokio::{sync::Notify, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{trace_context::TraceContext, upstream};
use export::Exporter;

/// How many requests wait to be told of; with more, the newest are lost.
const MOST_WAITING: usize = 4096;
/// How many are told of at once.
const BATCH: usize = 512;
/// How long the last ones may take at a stop.
const LAST_CALL: Duration = Duration::from_secs(1);

/// Where the requests of all threads are put when they have ended. Cheap to clone.
#[derive(Clone)]
pub struct Traces(Arc<Shared>);

struct Shared {
    sample: f64,
    queue: Mutex<Queue>,
    /// There is something in the queue, or a whole batch.
    news: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Ended>,
    lost: u64,
}

/// A span that has begun.
#[derive(Debug, Clone)]
pub struct Begun {
    context: TraceContext,
    /// The caller's span, where there is one.
    parent: Option<u64>,
    at: SystemTime,
}

impl Traces {
    /// A span that begins now, as a part of the trace that the request's headers name, or of a new one.
    pub fn begin(&self, headers: &HeaderMap) -> Begun {
        let values = |name| headers.get_all(name).iter().map(|value| value.as_bytes());
        let caller = TraceContext::read(values("traceparent"), values("tracestate"));
        let parent = caller.as_ref().map(|caller| caller.span);
        let context = match caller {
            Some(caller) => TraceContext {
                span: new_span(),
                ..caller
            },
            None => TraceContext {
                trace: fastrand::u128(1..),
                span: new_span(),
                sampled: fastrand::f64() < self.0.sample,
                state: None,
            },
        };
        Begun {
            context,
            parent,
            at: SystemTime::now(),
        }
    }

    /// A request has ended.
    pub fn end(&self, ended: Ended) {
        let mut queue = self.queue();
        if queue.waiting.len() == MOST_WAITING {
            queue.lost += 1;
            return;
        }
        queue.waiting.push(ended);
        let length = queue.waiting.len();
        drop(queue);
        if length == 1 || length == BATCH {
            self.0.news.notify_one();
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// At most a batch, and how many have been lost since the last time.
    fn take(&self) -> (Vec<Ended>, u64) {
        let mut queue = self.queue();
        let length = queue.waiting.len().min(BATCH);
        let taken = queue.waiting.drain(..length).collect();
        (taken, std::mem::take(&mut queue.lost))
    }

    fn has_a_batch(&self) -> bool {
        self.queue().waiting.len() >= BATCH
    }
}

impl Begun {
    /// Whether somebody wants to know of it.
    pub fn is_sampled(&self) -> bool {
        self.context.sampled
    }

    /// What upstream calls that are made for it say of their origin.
    pub fn parent(&self) -> upstream::Parent {
        upstream::Parent::new(&self.context)
    }
}

fn new_span() -> u64 {
    fastrand::u64(1..)
}

/// What empties the queue.
pub struct Sending {
    traces: Traces,
    exporter: Exporter,
}

impl Sending {
    /// Connects to nothing yet. The collector is trusted as `upstream` is.
    ///
    /// # Errors
    /// When no certificate authorities can be read, or the environment says something of OTLP that cannot be done.
    pub fn new(settings: &Settings, upstream: &upstream::Settings) -> Result<Self, Unusable> {
        let traces = Traces(Arc::new(Shared {
            sample: settings.sample,
            queue: Mutex::default(),
            news: Notify::new(),
        }));
        let exporter = Exporter::new(settings, upstream)?;
        Ok(Self { traces, exporter })
    }

    pub fn traces(&self) -> Traces {
        self.traces.clone()
    }

    /// Begins to send, in a task of its own.
    pub fn begin(mut self) -> Sender {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move { self.run(&stopped).await });
        Sender { stop, task }
    }

    async fn run(&mut self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = self.traces.0.news.notified() => self.gather(stop).await,
                () = stop.cancelled() => {}
            }
            self.send_all().await;
        }
        self.send_all().await;
        self.exporter.tell_losses();
    }

    /// Waits a moment for more, unless there is enough.
    async fn gather(&self, stop: &CancellationToken) {
        const MOMENT: Duration = Duration::from_secs(1);
        let _ = timeout(MOMENT, async {
            while !self.traces.has_a_batch() && !stop.is_cancelled() {
                tokio::select! {
                    () = self.traces.0.news.notified() => {}
                    () = stop.cancelled() => {}
                }
            }
        })
        .await;
    }

    async fn send_all(&mut self) {
        loop {
            let (batch, lost) = self.traces.take();
            if batch.is_empty() && lost == 0 {
                return;
            }
            self.exporter.send(batch, lost).await;
        }
    }
}

/// The task that sends.
pub struct Sender {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Sender {
    /// Sends what there is, as far as a second is enough for that.
    pub async fn finish(mut self) {
        self.stop.cancel();
        if timeout(LAST_CALL, &mut self.task).await.is_err() {
            self.task.abort();
            tracing::warn!(
                "the collector of traces did not take the last ones within {LAST_CALL:?} ('trace.endpoint')"
            );
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests;
