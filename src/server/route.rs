use std::{sync::Arc, time::Duration};

use hyper::{
    Method, Request, Response, Version,
    body::{Body, Incoming},
    header::{ALLOW, EXPECT, HeaderMap, HeaderValue, TRANSFER_ENCODING},
};
use tokio::time::timeout;

use super::{
    App,
    access::Access,
    body, chat, clients, completions, cors,
    endpoint::Endpoint,
    holding::Holding,
    last_answer::LastAnswer,
    models, passthrough, purchase,
    reply::{self, Reply, ReplyBody},
    responses,
    slots::{self, Slot, Unwelcome},
    watchdog::Watchdog,
};
use crate::{api_error::ApiError, keys::Client};

/// What is served, as a 404 says it.
const SERVED: &str = "POST /v1/chat/completions, POST /v1/responses, POST /v1/completions, GET /v1/models, \
    GET /v1/models/{model}, GET and DELETE /v1/responses/{id}, POST /v1/responses/{id}/cancel, \
    GET /v1/responses/{id}/input_items";

/// What those say of a request who read it on its way.
const FORWARDED: [&str; 3] = ["forwarded", "via", "x-forwarded-for"];

/// What is known of a request before it is read.
pub(super) struct Arrival {
    /// Watches the connection that the request came on.
    pub(super) watchdog: Watchdog,
    /// Its head says in two ways where its body ends.
    pub(super) is_ambiguous: bool,
    /// Where its answer is noted.
    pub(super) last_answer: LastAnswer,
    /// Its connection has no right to be served.
    pub(super) unwelcome: Option<Unwelcome>,
}

/// Answers one request.
pub(super) async fn handle(
    app: Arc<App>,
    request: Request<Incoming>,
    arrival: Arrival,
) -> Response<Holding<ReplyBody, Option<Slot>>> {
    // It goes from future to future, and each of these would have room for it.
    let request = Box::new(request);
    let traces = app.traces.as_ref();
    let is_http1 = request.version() <= Version::HTTP_11;
    // Over HTTP/2 a client that gives up says so of its request alone, and to an answer that is written already says nothing.
    // So has a balancer between that reads answers itself.
    let is_forwarded = FORWARDED
        .iter()
        .any(|name| request.headers().contains_key(*name));
    let hears = is_http1 && !is_forwarded && purchase::counts_retries(request.headers());
    let last_answer = hears.then_some(arrival.last_answer);
    let (watchdog, metrics) = (arrival.watchdog, app.metrics.clone());
    let mut access = Access::new(&request, watchdog, last_answer, metrics, traces);
    let request_id = access.request_id().clone();
    let origin = cors::allowed_origin(&app.settings.cors_origins, request.headers());
    let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
    let mut slot = None;
    let mut client = None;

    let mut reply = if let Some(unwelcome) = arrival.unwelcome {
        turn_away(&app, &unwelcome.error(), request, access)
    } else if let Some(reply) = cors::preflight(&app.settings.cors_origins, &request) {
        access.finish(reply.status(), None);
        reply
    } else if arrival.is_ambiguous {
        refuse(&ambiguous_framing(), access)
    } else if !is_plainly_chunked(request.headers()) {
        refuse(&encoded_transfer(), access)
    } else {
        let endpoint = Endpoint::of(&request, &app.settings.passthrough);
        access.set_endpoint(endpoint.name());
        let admitted = match clients::known(&app, request.headers()) {
            Ok(known) => {
                client = known;
                admit(&app, &endpoint, client.as_ref(), &mut access).await
            }
            Err(error) => Err(error),
        };
        match admitted {
            Err(error) => turn_away(&app, &error, request, access),
            Ok(place) => {
                slot = place;
                serve(&app, endpoint, request, access).await
            }
        }
    };

    let headers = reply.headers_mut();
    if let Some(client) = client {
        clients::tell_limits(&client, headers);
    }
    headers.insert(reply::REQUEST_ID, request_id);
    if let Some(origin) = origin {
        cors::mark(headers, origin);
    }
    if is_chunked {
        // A front that frames by a content-length which was not seen here would take the rest for a request.
        reply::close(headers);
    }
    if is_http1 && app.draining.has_begun() {
        // Its client's next request goes to another replica, and not into the end of this connection. HTTP/2 has a word for it.
        reply::close(headers);
    }
    reply.map(|body| Holding::new(body, slot))
}

/// Gives a request its places: among all, and among those of its client.
async fn admit(
    app: &App,
    endpoint: &Endpoint,
    client: Option<&Client>,
    access: &mut Access,
) -> Result<Option<Slot>, ApiError> {
    if let Some(client) = client {
        access.set_client(client.clone());
    }
    if !endpoint.takes_long() {
        return Ok(None);
    }
    let slot = app.slots.take().ok_or_else(slots::too_many_requests)?;
    if let Some(client) = client {
        if matches!(endpoint, Endpoint::Relayed) {
            clients::check_relayed(client)?;
        }
        access.occupy(slot.clone());
        let fleet = app.ledger.fleet();
        let permit = match fleet.map(|fleet| client.errand(fleet)) {
            None => client.enter(endpoint.may_buy())?,
            Some(errand) => {
                access.set_errand(errand.clone());
                // Responses that were made before are looked up with it, as soon as it is known which.
                match endpoint.looks_up().then(|| client.foothold()).flatten() {
                    Some(foothold) => {
                        access.put_off_entering(endpoint.may_buy());
                        Some(foothold)
                    }
                    None => Box::pin(client.enter_shared(endpoint.may_buy(), &errand)).await?,
                }
            }
        };
        permit.into_iter().for_each(|permit| slot.hold(permit));
    } else {
        access.occupy(slot.clone());
    }
    Ok(Some(slot))
}

async fn serve(
    app: &Arc<App>,
    endpoint: Endpoint,
    request: Box<Request<Incoming>>,
    mut access: Access,
) -> Reply {
    match endpoint {
        Endpoint::Chat => chat::complete(app, request, access).await,
        Endpoint::Completions => completions::complete(app, request, access).await,
        Endpoint::Responses => Box::pin(responses::create(app, request, access)).await,
        // Out of line, so that the many requests for answers are not as large as these.
        Endpoint::Relayed => Box::pin(passthrough::relay(app, request, access)).await,
        Endpoint::Response(verb, id) => {
            Box::pin(responses::serve(app, verb, &id, request, access)).await
        }
        Endpoint::Models => {
            let list = Box::pin(models::list(app, request.headers(), access.client())).await;
            answer(list, access)
        }
        Endpoint::Model(id) => {
            let model = Box::pin(models::retrieve(app, request.headers(), &id, &mut access)).await;
            answer(model, access)
        }
        Endpoint::WrongMethod(allowed) => wrong_method(request.method(), allowed, access),
        Endpoint::Unknown => refuse(&unknown_route(&request, &app.settings.passthrough), access),
    }
}

/// How much longer a refused client may send, so that it gets to see why instead of a broken connection.
const LINGER: Duration = Duration::from_secs(5);

/// Refuses before the body has come, at once, and ends the connection.
fn turn_away(
    app: &Arc<App>,
    error: &ApiError,
    request: Box<Request<Incoming>>,
    access: Access,
) -> Reply {
    let mut reply = refuse(error, access);
    reply::close(reply.headers_mut());
    // Whoever asked before sending has sent nothing yet.
    if !request.headers().contains_key(EXPECT) && !request.body().is_end_stream() {
        let (app, body) = (app.clone(), request.into_body());
        tokio::spawn(async move { timeout(LINGER, body::discard(body, &app.settings)).await });
    }
    reply
}

/// Whether the body needs no decoding but that of its chunks.
fn is_plainly_chunked(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    encodings.all(|encoding| {
        encoding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"chunked")
    })
}

fn encoded_transfer() -> ApiError {
    ApiError::invalid_request(
        400,
        "bad_request",
        "The request's 'transfer-encoding' is not read. Send the body with 'content-length', or plainly chunked.",
    )
}

fn ambiguous_framing() -> ApiError {
    ApiError::invalid_request(
        400,
        "bad_request",
        "The request has both 'content-length' and 'transfer-encoding'. Send only one of them.",
    )
}

/// Answers what is ready at once.
pub(super) fn answer(result: Result<Reply, ApiError>, access: Access) -> Reply {
    match result {
        Ok(reply) => {
            access.finish(reply.status(), None);
            reply
        }
        Err(error) => refuse(&error, access),
    }
}

/// Answers with an error, and logs it.
pub(super) fn refuse(error: &ApiError, access: Access) -> Reply {
    let mut reply = reply::error(error);
    if access.is_unnoted() {
        reply::tell_unnoted(reply.headers_mut());
    }
    access.finish(reply.status(), Some(error));
    reply
}

/// Answers a method that a path does not have.
pub(super) fn wrong_method(method: &Method, allowed: &'static str, access: Access) -> Reply {
    let error = ApiError::invalid_request(
        405,
        "method_not_allowed",
        format!(
            "{} is not served here. Use {allowed}.",
            shown(method.as_str())
        ),
    );
    let mut reply = refuse(&error, access);
    reply
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    reply
}

fn unknown_route(request: &Request<Incoming>, relayed: &[String]) -> ApiError {
    let path = request.uri().path();
    let path = path.strip_suffix('/').unwrap_or(path);
    let hint = match path {
        "/chat/completions" | "/completions" | "/models" => " Add /v1 to the end of the base URL.",
        _ if path.starts_with("/v1/v1") => " The base URL has /v1 twice.",
        _ => "",
    };
    let relayed = match relayed {
        [] => String::new(),
        paths => format!("; relayed to FoxAPI are {}", paths.join(", ")),
    };
    ApiError::invalid_request(
        404,
        "unknown_url",
        format!(
            "Unknown request URL: {} {}.{hint} Served are {SERVED}{relayed}.",
            shown(request.method().as_str()),
            shown(path)
        ),
    )
}

/// What a client sent, short enough to be shown to it.
fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}
