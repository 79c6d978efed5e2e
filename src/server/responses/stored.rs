//! What is asked of a response that is kept.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream;
use hyper::{Request, StatusCode, body::Incoming, header::HeaderValue};
use tokio::time::{timeout, timeout_at};

use super::{CANCEL, Shelved, Verb, caller, cannot_be_found, input_items, not_found, responder};
use crate::{
    api_error::{ApiError, Retry},
    fleet::Away,
    fox::{State, Task},
    json::{RawObject, quote},
    ledger::{Caller, Kept, Ledger},
    openai::Usage,
    relay::{Context, Purpose, Told, live},
    server::{
        App,
        access::Access,
        chat, credentials,
        order::Order,
        query::Query,
        reply::{self, Reply},
        route::{answer, refuse},
        whole,
    },
    task::{Ending, Report},
    translate::{self, Dialect, with_outcome},
};

/// How long whoever cancels waits to hear whether there is anything left to cancel.
const CANCEL_PATIENCE: Duration = Duration::from_secs(2);
/// How long what was seen of a task that runs is good for.
const SEEN: Duration = Duration::from_millis(250);
/// How long a task may be unknown upstream that was made just now.
const UNKNOWN_AT_FIRST: u64 = 10;

/// `GET`, `DELETE` and so on of `/v1/responses/{id}`.
pub(in crate::server) async fn serve(
    app: &Arc<App>,
    verb: Verb,
    id: &str,
    request: Box<Request<Incoming>>,
    mut access: Access,
) -> Reply {
    let key = match credentials::upstream_key(app, request.headers()) {
        Ok(key) => key,
        Err(error) => return refuse(&error, access),
    };
    let caller = caller(request.headers());
    if verb == Verb::Delete {
        let forgotten = app.ledger.forget(caller, id).await;
        app.ledger.flush().await;
        let deleted = match forgotten {
            Ok(true) => Ok(deleted(id)),
            Ok(false) => Err(not_found(id)),
            Err(Away) => Err(cannot_be_found()),
        };
        return answer(deleted, access);
    }
    let kept = match find(app, caller, id, &mut access).await {
        Ok(kept) => kept,
        Err(error) => return refuse(&error, access),
    };
    access.set_task(&kept.bought.task);
    access.set_model(&kept.request.model);
    let query = Query::of(request.uri());
    match verb {
        Verb::InputItems => answer(input_items::list(&kept, &query), access),
        Verb::Cancel => {
            let context = chat::context(app, key, &mut access);
            answer(cancel(app, &context, &kept).await, access)
        }
        Verb::Retrieve | Verb::Delete => {
            let context = chat::context(app, key, &mut access);
            retrieve(app, context, kept, &query, access).await
        }
    }
}

/// The response of this id, looked up with the request's entry where that was put off.
async fn find(
    app: &App,
    caller: Caller<'_>,
    id: &str,
    access: &mut Access,
) -> Result<Arc<Kept>, ApiError> {
    let question = app.ledger.question(caller, None, &[id.to_owned()]);
    if let Some(answer) = access.enter(question.as_ref()).await?
        && let Some(kept) = app.ledger.answered(answer).remove(id)
    {
        return Ok(kept);
    }
    match app.ledger.kept(caller, id).await {
        Ok(kept) => kept.ok_or_else(|| not_found(id)),
        Err(Away) => Err(cannot_be_found()),
    }
}

async fn retrieve(
    app: &Arc<App>,
    context: Context,
    kept: Arc<Kept>,
    query: &Query,
    access: Access,
) -> Reply {
    let asked = query
        .boolean("stream")
        .and_then(|stream| Ok((stream, query.number("starting_after")?)));
    match asked {
        Err(error) => refuse(&error, access),
        Ok((true, _)) if !kept.request.background => refuse(&not_a_background(&kept.id), access),
        Ok((true, after)) => stream(app, context, kept, after, access),
        Ok((false, _)) => {
            let shown = look(app, &context, &kept).await;
            charge(&app.ledger, &kept, &access);
            answer(shown.map(reply::json), access)
        }
    }
}

/// The response as it is now; its task is asked where that is not known.
pub(super) async fn look(
    app: &App,
    context: &Context,
    kept: &Arc<Kept>,
) -> Result<String, ApiError> {
    let begun = &kept.request.begun;
    if let Some(outcome) = known(kept) {
        return Ok(with_outcome(begun, outcome));
    }
    if let Some(seen) = seen_just_now(kept) {
        return Ok(seen);
    }
    let task = &kept.bought.task;
    let mut context = context.clone();
    context.go_on_with_key(&kept.bought);
    let context = &context;
    let query = context.upstream.query(&context.key, context.parent(), task);
    let report = tokio::select! {
        biased;
        report = timeout_at(context.deadline, query) => report.unwrap_or(Report::Trouble { retry_after: None }),
        () = context.stop.cancelled() => return Err(cannot_be_asked(task, None)),
    };
    let running = r#"{"status":"in_progress"}"#;
    let age = super::super::unix_now().saturating_sub(kept.bought.created);
    match report {
        Report::Queued => Ok(note_seen(kept, begun.clone())),
        Report::Unknown if age < UNKNOWN_AT_FIRST => Ok(note_seen(kept, begun.clone())),
        Report::Running => Ok(note_seen(kept, with_outcome(begun, running))),
        Report::Completed(result) => match complete(app, context, kept, result).await {
            // They are late, which is no failure as long as anybody could still be waiting.
            Err(error) if error.code.as_deref() == Some("results_missing") => {
                match age < context.patience.deadline.as_secs() {
                    true => Ok(with_outcome(begun, running)),
                    false => Ok(with_outcome(
                        begun,
                        &settle(app, kept, &failed(&error)).await,
                    )),
                }
            }
            completed => completed,
        },
        Report::Failed(failure) => {
            let ending = Ending::Failed(failure);
            let error = translate::ended(&ending, task).unwrap_or_else(|| not_found(&kept.id));
            Ok(with_outcome(
                begun,
                &settle(app, kept, &failed(&error)).await,
            ))
        }
        Report::Unknown => Err(lost(task, 404, None)),
        // The key is at fault, not the task.
        Report::Refused {
            status: status @ (401 | 403),
            failure,
        } => Err(translate::refused(status, failure.as_ref(), None)),
        Report::Refused { status, failure } => Err(lost(task, status, failure)),
        Report::Trouble { retry_after } => Err(cannot_be_asked(task, retry_after)),
    }
}

/// What a response was when its task was asked a moment ago: whoever asks again and again does not make FoxAPI answer each
/// time.
fn seen_just_now(kept: &Kept) -> Option<String> {
    let seen = kept.seen.lock().unwrap_or_else(PoisonError::into_inner);
    let (at, shown) = seen.as_ref()?;
    (at.elapsed() < SEEN).then(|| shown.clone())
}

fn note_seen(kept: &Kept, shown: String) -> String {
    let mut seen = kept.seen.lock().unwrap_or_else(PoisonError::into_inner);
    *seen = Some((Instant::now(), shown.clone()));
    shown
}

/// The answer of a task that is complete, with the reasoning that only its stream has.
async fn complete(
    app: &App,
    context: &Context,
    kept: &Arc<Kept>,
    result: Option<Bytes>,
) -> Result<String, ApiError> {
    let task = Task {
        id: kept.bought.task.clone(),
        state: State::Completed(result),
        stream_url: kept.bought.stream_url.clone(),
    };
    let order = order(context.clone(), kept, Purpose::Whole);
    let (identity, pursuit) = order.resume(task, kept.bought.created);
    let dialect = Dialect::Response(Box::new(responder(kept)));
    let completion = Box::pin(whole::completion(
        pursuit.attended(),
        dialect,
        identity,
        None,
    ))
    .await?;
    let own = kept.outcome.get().cloned();
    let first = app.ledger.settle(kept).await;
    if own.is_some_and(|own| own != first) {
        // Somebody has said before what it has come to, on another replica.
        let first = String::from_utf8_lossy(&first);
        return Ok(with_outcome(&kept.request.begun, &first));
    }
    Ok(String::from_utf8_lossy(&completion.json).into_owned())
}

/// Follows a background response from the event behind number `after`.
fn stream(
    app: &Arc<App>,
    context: Context,
    kept: Arc<Kept>,
    after: Option<u64>,
    access: Access,
) -> Reply {
    let events = responder(&kept).even_events(after);
    if let Some(outcome) = known(&kept) {
        let told = events.told(outcome);
        access.finish(StatusCode::OK, None);
        return reply::events(stream::iter(told));
    }
    let task = Task {
        id: kept.bought.task.clone(),
        state: State::Running,
        stream_url: kept.bought.stream_url.clone(),
    };
    let purpose = Purpose::Live {
        include_usage: true,
    };
    let (_, pursuit) = order(context, &kept, purpose).resume(task, kept.bought.created);
    let mut pursuit = pursuit.attended();
    pursuit.end_when(kept.cancelled.clone());
    pursuit.speak(Dialect::Events(Box::new(events)));
    let shelved = Shelved::new(app, kept, None);
    reply::events(live(pursuit, move |told: Result<Told<'_>, &ApiError>| {
        charge(shelved.ledger(), shelved.kept(), &access);
        shelved.settle();
        access.finish(StatusCode::OK, told.err());
    }))
}

/// A background response takes account of its tokens when its end becomes known, once.
fn charge(ledger: &Ledger, kept: &Kept, access: &Access) {
    let (Some(client), Some(outcome)) = (access.client(), known(kept)) else {
        return;
    };
    if !kept.request.background || kept.is_charged.swap(true, Ordering::Relaxed) {
        return;
    }
    let outcome = RawObject::parse(outcome).unwrap_or_default();
    let usage = outcome.object("usage").unwrap_or_default();
    let count = |name: &str| usage.get(name).and_then(|count| count.get().parse().ok());
    let used = Usage {
        input: count("input_tokens").unwrap_or(0),
        output: count("output_tokens").unwrap_or(0),
        ..Usage::default()
    };
    match (ledger.fleet(), client.token_limit()) {
        (None, _) => client.charge(used),
        (Some(_), None) => {}
        (Some(_), Some(limit)) => {
            let used = used.input.saturating_add(used.output);
            ledger.charge(kept, limit, used, access.errand());
        }
    }
}

/// Lets go of a background response. FoxAPI documents no way to cancel a task, which goes on.
async fn cancel(app: &App, context: &Context, kept: &Arc<Kept>) -> Result<Reply, ApiError> {
    if !kept.request.background {
        return Err(ApiError::invalid_request(
            400,
            "response_not_cancellable",
            "Only responses that were made with 'background' can be cancelled. Close the connection that waits for this one.",
        ));
    }
    // What is complete by now is paid for and stays; where that cannot be known, the client's word counts.
    match timeout(CANCEL_PATIENCE, look(app, context, kept)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::debug!(id = kept.id, error = &*error.message, "cancelled unseen")
        }
        Err(_) => tracing::debug!(
            id = kept.id,
            "cancelled unseen, for the upstream does not answer"
        ),
    }
    let outcome = settle(app, kept, Kept::CANCELLED).await;
    app.ledger.flush().await;
    let mut reply = reply::json(with_outcome(&kept.request.begun, &outcome));
    if outcome == Kept::CANCELLED {
        app.ledger.cancelled(kept).await;
        let promise = "not followed any more; the task goes on at FoxAPI and is billed";
        reply
            .headers_mut()
            .insert(CANCEL, HeaderValue::from_static(promise));
    }
    Ok(reply)
}

/// Notes what a response has come to, unless that is known, and gives what it has come to.
async fn settle(app: &App, kept: &Arc<Kept>, outcome: &str) -> String {
    kept.outcome
        .get_or_init(|| Bytes::copy_from_slice(outcome.as_bytes()));
    let settled = app.ledger.settle(kept).await;
    String::from_utf8_lossy(&settled).into_owned()
}

fn known(kept: &Kept) -> Option<&str> {
    let outcome = kept.outcome.get()?;
    std::str::from_utf8(outcome).ok()
}

fn order(mut context: Context, kept: &Kept, purpose: Purpose) -> Order {
    context.go_on_with_key(&kept.bought);
    Order {
        context,
        model: kept.request.model.clone(),
        upstream_model: kept.request.model.clone(),
        choices: 1,
        follows: kept.request.follows,
        purpose,
    }
}

fn failed(error: &ApiError) -> String {
    format!(
        r#"{{"status":"failed","error":{{"code":"server_error","message":{},"type":{}}}}}"#,
        quote(&error.message),
        quote(error.code.as_deref().unwrap_or(error.kind))
    )
}

fn deleted(id: &str) -> Reply {
    reply::json(format!(
        r#"{{"id":{},"object":"response","deleted":true}}"#,
        quote(id)
    ))
}

fn not_a_background(id: &str) -> ApiError {
    ApiError {
        param: Some("stream".into()),
        ..ApiError::invalid_request(
            400,
            "response_not_streamable",
            format!(
                "Response '{id}' was not made with 'background', so it cannot be streamed again. Leave 'stream' out to have it \
                 in one piece."
            ),
        )
    }
}

fn lost(task: &str, status: u16, failure: Option<crate::fox::Failure>) -> ApiError {
    let ending = Ending::Lost { status, failure };
    translate::ended(&ending, task).unwrap_or_else(|| cannot_be_asked(task, None))
}

fn cannot_be_asked(task: &str, retry_after: Option<Duration>) -> ApiError {
    ApiError::new(
        503,
        "server_error",
        "task_unreachable",
        format!("FoxAPI cannot be asked about task {task} just now. Ask again; nothing is lost."),
    )
    .with_retry(Retry::After(retry_after.unwrap_or(Duration::from_secs(1))))
}
