//! Answers in one piece.

use std::time::Duration;

use futures_util::TryFutureExt;
use hyper::{HeaderMap, StatusCode, Version, header::HeaderValue, http::request::Parts};
use tokio::time::timeout;

use super::{
    App,
    access::Access,
    chat::{Accepted, say},
    kept_alive::kept_alive,
    last_answer::Handover,
    purchase,
    reply::{self, Reply},
    responses::Shelved,
    route::refuse,
};
use crate::{
    api_error::{ApiError, Retry},
    relay::{self, Attended},
    translate::{self, Completion, Dialect, Identity},
};

/// The longest that an official SDK waits before it sends a request again (WIRE.md, "Retries and time-outs").
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// Waits for the task and answers with its result, as the client with this request head can take it.
pub(super) async fn answer(
    app: &App,
    head: &Parts,
    accepted: Accepted,
    dialect: Dialect,
    shelved: Option<Shelved>,
    access: Access,
) -> Reply {
    let Accepted {
        pursuit,
        receipt,
        identity,
        headers,
        reserved,
        ..
    } = accepted;
    let marks_retries = purchase::marks_retries(&head.headers);
    let completion = completion(pursuit, dialect, identity, shelved).inspect_ok(move |answer| {
        if let Some(reserved) = reserved {
            reserved.settle(answer.usage, answer.json.len());
        }
    });
    // To older clients than of HTTP/1.1 a body that breaks off looks whole.
    let keepalive = app.settings.sync_keepalive;
    let Some(interval) = keepalive.filter(|_| head.version > Version::HTTP_10) else {
        return on_time(completion.await, receipt, headers, marks_retries, access);
    };
    let mut completion = Box::pin(completion);
    match timeout(interval, &mut completion).await {
        Ok(completion) => on_time(completion, receipt, headers, marks_retries, access),
        Err(_) => late(completion, interval, receipt, headers, access),
    }
}

pub(super) async fn completion(
    pursuit: Attended,
    dialect: Dialect,
    identity: Identity,
    shelved: Option<Shelved>,
) -> Result<Completion, ApiError> {
    let course = pursuit.course().clone();
    let waited = relay::wait(pursuit).await?;
    let completion = translate::completion(waited.result.as_ref(), &waited.transcript, &identity)
        .and_then(|completion| dialect.completion(completion, super::unix_now()))
        .map_err(|error| not_a_completion(&identity.task, &error.to_string()))?;
    if let Some(usage) = completion.usage {
        course.note_usage(usage);
    }
    if let Some(shelved) = shelved {
        shelved.settle();
    }
    Ok(completion)
}

/// The answer, or a failure with a status of its own. `marks_retries`: the client would say so if it asked again.
fn on_time(
    completion: Result<Completion, ApiError>,
    receipt: Handover,
    mut headers: HeaderMap,
    marks_retries: bool,
    mut access: Access,
) -> Reply {
    let mut reply = match completion {
        Ok(completion) => {
            if let Some(served) = &completion.served {
                say(&mut headers, reply::MODEL, served);
            }
            let reply = reply::answer(completion.json, receipt, access.take_leash());
            headers.insert(reply::PROCESSING, HeaderValue::from(access.milliseconds()));
            access.finish(reply.status(), None);
            reply
        }
        Err(error) => {
            let finds_it = marks_retries && receipt.is_good_for(LONGEST_BACKOFF);
            let mut reply = refuse(&error, access);
            if error.retry == Retry::IfFound && finds_it {
                reply::invite_retry(&mut reply);
            }
            reply
        }
    };
    reply.headers_mut().extend(headers);
    reply
}

/// The head at once, and the answer when it is there.
fn late(
    completion: impl Future<Output = Result<Completion, ApiError>> + Send + Unpin + 'static,
    interval: Duration,
    receipt: Handover,
    headers: HeaderMap,
    access: Access,
) -> Reply {
    let milliseconds = HeaderValue::from(access.milliseconds());
    let report = |told: Result<(), &ApiError>| {
        access.finish(StatusCode::OK, told.err());
        if told.is_ok() {
            receipt.delivered();
        }
    };
    let json = completion.map_ok(|completion| completion.json);
    let mut reply = reply::late_json(kept_alive(json, interval, report));
    reply.headers_mut().insert(reply::PROCESSING, milliseconds);
    reply.headers_mut().extend(headers);
    reply
}

fn not_a_completion(task: &str, detail: &str) -> ApiError {
    ApiError::new(
        502,
        "server_error",
        "invalid_result",
        format!("FoxAPI's result of task {task} is not a chat completion. The task is billed; ask FoxAPI about it."),
    )
    .with_detail(detail)
    .with_retry(Retry::Never)
}
