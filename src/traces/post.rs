use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::time::timeout;

use crate::upstream::Connector;

/// One request to the collector, until its whole reply is read.
const PATIENCE: Duration = Duration::from_secs(5);
/// Replies are all but empty.
const LONGEST_REPLY: usize = 64 << 10;
/// How long an idle connection is kept; spans come every second or not at all.
const IDLE: Duration = Duration::from_secs(30);

/// How the exporter reaches the collector: by the same client stack as everything else. Cheap to clone.
#[derive(Clone)]
pub(super) struct Post {
    client: Client<Connector, Full<Bytes>>,
    trouble: Arc<Mutex<Option<String>>>,
}

impl Post {
    pub(super) fn new(connector: Connector) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE);
        Self {
            client: builder.build(connector),
            trouble: Arc::default(),
        }
    }

    /// Why the last request was not replied to; the exporter does not pass that on.
    pub(super) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let reply = self.client.request(request.map(Full::new)).await?;
        let (head, body) = reply.into_parts();
        let body = Limited::new(body, LONGEST_REPLY).collect().await?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

#[async_trait]
impl HttpClient for Post {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let replied = match timeout(PATIENCE, self.post(request)).await {
            Ok(replied) => replied,
            Err(_) => Err(format!("no reply within {PATIENCE:?}").into()),
        };
        let trouble = replied.as_ref().err().map(|error| chain(&**error));
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        replied
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Post")
    }
}

/// An error with all of its causes, in one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut causes = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes.join(": ")
}
