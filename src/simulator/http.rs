//! Which request goes where, and who may send it (CONTRACT.md, sections 1 to 6).
//!
//! Every key that starts with `sk-` is accepted, but some have a meaning of their own, for calls that carry no message
//! to put a marker into:
//!
//! | key starts with | what happens to every call |
//! |---|---|
//! | `sk-invalid` | 401 |
//! | `sk-broke` | 402 |
//! | `sk-limited` | 429 with `Retry-After: 1` |
//! | `sk-down` | 503 |
//! | `sk-unread` | the connection is reset before the body is read |
//! | `sk-nomodels` | nothing, but the list of models is empty |

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderName},
};
use percent_encoding::percent_decode_str;

use super::{
    Faults, Recorded, Settings,
    connection::Fate,
    follow, models,
    reply::{self, Body, Hangup, Refusal, Reply, html, json_body, set},
    script::{RateLimit, Script},
    service::{Service, tally_name},
    submission::Submission,
    task::Task,
    upload,
};
use crate::fox::paths;

/// Where a request leads.
#[derive(Debug, PartialEq, Eq)]
enum Route {
    Submit,
    Query { id: String },
    Follow { id: String },
    CapabilityList,
    Catalogue,
    Upload,
}

impl Route {
    fn find(path: &str) -> Option<Self> {
        match path {
            paths::GENERATIONS => return Some(Self::Submit),
            paths::MODELS => return Some(Self::CapabilityList),
            paths::UPLOAD_BASE64 => return Some(Self::Upload),
            "/v1/models" => return Some(Self::Catalogue),
            _ => {}
        }
        let segment = |id: &str| {
            let id = percent_decode_str(id).decode_utf8().ok()?;
            (!id.is_empty()).then(|| id.into_owned())
        };
        let one_segment = |rest: &str| (!rest.contains('/')).then(|| segment(rest)).flatten();
        if let Some(rest) = path.strip_prefix("/v1/tasks/") {
            return one_segment(rest).map(|id| Self::Query { id });
        }
        let rest = path.strip_prefix(paths::GENERATIONS)?.strip_prefix('/')?;
        let id = one_segment(rest.strip_suffix("/stream")?)?;
        Some(Self::Follow { id })
    }

    fn method(&self) -> Method {
        match self {
            Self::Submit | Self::Upload => Method::POST,
            _ => Method::GET,
        }
    }
}

/// Answers one request.
pub(super) async fn answer(
    service: Arc<Service>,
    fate: Arc<Fate>,
    request: Request<Incoming>,
) -> Reply {
    let (head, body) = request.into_parts();
    let route = Route::find(head.uri.path());
    if let Some(route) = route.as_ref().filter(|route| route.method() == head.method) {
        count(&service, route);
    }
    let key = bearer(&head.headers);
    if key.is_some_and(|key| key.starts_with("sk-unread")) {
        fate.reset();
        return Err(Hangup);
    }
    let body = read(body, service.settings.max_body).await?;
    service.journalist.record(Recorded {
        method: head.method.clone(),
        path: head.uri.to_string(),
        headers: head.headers.clone(),
        body: body.clone().unwrap_or_default(),
    });
    let Some(body) = body else {
        return Ok(html(StatusCode::PAYLOAD_TOO_LARGE));
    };
    let key = match admit(key, &service.settings) {
        Ok(key) => key.to_owned(),
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let Some(route) = route else {
        let message = format!("There is nothing at {}.", head.uri.path());
        return Ok(Refusal::new(StatusCode::NOT_FOUND, message).into_response());
    };
    if route.method() != head.method {
        return Ok(wrong_method(&route));
    }
    match route {
        Route::Submit => submit(&service, &fate, &head.headers, key, &body).await,
        Route::Upload => match check_json(&head.headers) {
            Ok(()) => upload::upload(&service, &fate, &body).await,
            Err(refusal) => Ok(refusal.into_response()),
        },
        Route::Query { id } => {
            let sync_upstream = head
                .uri
                .query()
                .is_some_and(|query| query.split('&').any(|pair| pair == "sync_upstream=true"));
            match service.task(&id, &key) {
                Some(task) => query(&task, &fate, sync_upstream).await,
                None => Ok(unknown_task(&id)),
            }
        }
        Route::Follow { id } => match service.task(&id, &key) {
            Some(task) => open(service, &task, fate).await,
            None => Ok(unknown_task(&id)),
        },
        Route::CapabilityList => Ok(models::capability_list(key.starts_with("sk-nomodels"))),
        Route::Catalogue => Ok(models::catalogue()),
    }
}

fn count(service: &Service, route: &Route) {
    service.journalist.count(|journal| match route {
        Route::Submit => journal.submits += 1,
        Route::Query { .. } => journal.queries += 1,
        Route::Follow { .. } => journal.stream_opens += 1,
        Route::CapabilityList | Route::Catalogue => journal.model_lists += 1,
        Route::Upload => journal.uploads += 1,
    });
}

/// The whole body; `None` when it is too long, and the end of the connection when the client broke it off.
async fn read(body: Incoming, most: usize) -> Result<Option<Bytes>, Hangup> {
    let announced = body.size_hint().lower();
    if usize::try_from(announced).is_ok_and(|announced| announced > most) {
        return Ok(None);
    }
    match Limited::new(body, most).collect().await {
        Ok(collected) => Ok(Some(collected.to_bytes())),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Ok(None),
        Err(_) => Err(Hangup),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn admit<'a>(key: Option<&'a str>, settings: &Settings) -> Result<&'a str, Refusal> {
    let refusal = |status, message: &str| Err(Refusal::new(status, message));
    let Some(key) = key else {
        return refusal(
            StatusCode::UNAUTHORIZED,
            "The Authorization header must be: Bearer sk-…",
        );
    };
    let known = key.strip_prefix("sk-").is_some_and(|rest| !rest.is_empty());
    let refused = settings.refused_keys.iter().any(|refused| refused == key);
    if !known || refused || key.starts_with("sk-invalid") {
        return refusal(StatusCode::UNAUTHORIZED, "The API key is not valid.");
    }
    if key.starts_with("sk-broke") {
        return refusal(StatusCode::PAYMENT_REQUIRED, "The balance is used up.");
    }
    if key.starts_with("sk-limited") {
        let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests.");
        return Err(refusal.retry_after(Some("1".to_owned())));
    }
    if key.starts_with("sk-down") {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "The service is down.");
    }
    Ok(key)
}

fn wrong_method(route: &Route) -> Response<Body> {
    let method = route.method();
    let message = format!("Only {method} is allowed here.");
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message);
    let mut response = refusal.into_response();
    set(&mut response, ALLOW, method.as_str());
    response
}

fn unknown_task(id: &str) -> Response<Body> {
    let message = format!("Task {id} does not exist.");
    Refusal::new(StatusCode::NOT_FOUND, message).into_response()
}

fn check_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next());
    match media_type {
        Some(media_type) if media_type.trim().eq_ignore_ascii_case("application/json") => Ok(()),
        _ => Err(Refusal::bad_request(
            "Content-Type must be application/json.",
        )),
    }
}

async fn submit(
    service: &Service,
    fate: &Fate,
    headers: &HeaderMap,
    key: String,
    body: &[u8],
) -> Reply {
    let usual = service.settings.faults.script();
    let submission = match check_json(headers).and_then(|()| Submission::parse(body, usual)) {
        Ok(submission) => submission,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    if let Some(script) = service.settings.keys.get(&key).map(Faults::script) {
        let attempt = service.journalist.attempt(&format!("key {key}"));
        // A fault that makes a task all the same belongs into a marker.
        if let Some(fault) = script.submit.at(attempt).filter(|fault| !fault.accepted) {
            return reply::react(&fault.reaction, script.retry_after.as_deref(), fate).await;
        }
    }
    let script = &submission.script;
    let name = tally_name(script.id.as_deref(), body);
    let fault = script.submit.at(service.journalist.attempt(&name));
    let accepted = fault.is_none_or(|fault| fault.accepted).then(|| {
        service.journalist.accept(&name);
        service.accept(&submission, key)
    });
    let latency = script
        .submit_latency
        .unwrap_or(service.settings.submit_latency);
    tokio::time::sleep(latency).await;
    let reply = match (fault, accepted) {
        (None, Some(task)) => Ok(json_body(StatusCode::OK, &task.submitted())),
        (Some(fault), _) => {
            reply::react(&fault.reaction, script.retry_after.as_deref(), fate).await
        }
        (None, None) => Err(Hangup),
    };
    reply.map(|response| with_rate_limit(response, script))
}

fn with_rate_limit(mut response: Response<Body>, script: &Script) -> Response<Body> {
    if let Some(RateLimit { limit, remaining }) = script.rate_limit {
        for (name, value) in [
            ("x-ratelimit-limit-requests", limit.to_string()),
            ("x-ratelimit-remaining-requests", remaining.to_string()),
            ("x-ratelimit-reset-requests", "1s".to_owned()),
        ] {
            set(&mut response, HeaderName::from_static(name), &value);
        }
    }
    response
}

async fn query(task: &Task, fate: &Fate, sync_upstream: bool) -> Reply {
    match task.script.query.at(task.queries.next()) {
        Some(reaction) => reply::react(reaction, task.script.retry_after.as_deref(), fate).await,
        None => Ok(json_body(StatusCode::OK, &task.query(sync_upstream))),
    }
}

async fn open(service: Arc<Service>, task: &Task, fate: Arc<Fate>) -> Reply {
    if !task.streams {
        let message = "The task was not submitted with stream: true.";
        let refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message);
        return Ok(refusal.code("stream_not_available").into_response());
    }
    match task.script.open.at(task.opens.next()) {
        Some(reaction) => reply::react(reaction, task.script.retry_after.as_deref(), &fate).await,
        None => Ok(follow::follow(service, task, fate)),
    }
}
