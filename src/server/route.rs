use std::sync::Arc;

use hyper::{
    Method, Request,
    body::Incoming,
    header::{ALLOW, HeaderMap, HeaderValue, TRANSFER_ENCODING},
};
use percent_encoding::percent_decode_str;
use tokio_util::sync::CancellationToken;

use super::{
    App,
    access::Access,
    chat, completions, cors, models, passthrough,
    reply::{self, Reply},
};
use crate::api_error::ApiError;

/// What is served, as a 404 says it.
const SERVED: &str =
    "POST /v1/chat/completions, POST /v1/completions, GET /v1/models, GET /v1/models/{model}";

/// Answers one request. `connection` is cancelled to end the connection that it came on; `is_ambiguous`: its head says
/// in two ways where its body ends.
pub(super) async fn handle(
    app: Arc<App>,
    request: Request<Incoming>,
    connection: CancellationToken,
    is_ambiguous: bool,
) -> Reply {
    let access = Access::new(&request, connection);
    let request_id = access.request_id().clone();
    let origin = cors::allowed_origin(&app.settings.cors_origins, request.headers());
    let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);

    let mut reply = if let Some(reply) = cors::preflight(&app.settings.cors_origins, &request) {
        access.finish(reply.status(), None);
        reply
    } else if is_ambiguous {
        refuse(&ambiguous_framing(), access)
    } else if !is_plainly_chunked(request.headers()) {
        refuse(&encoded_transfer(), access)
    } else {
        dispatch(&app, request, access).await
    };

    let headers = reply.headers_mut();
    headers.insert(reply::REQUEST_ID, request_id);
    if let Some(origin) = origin {
        cors::mark(headers, origin);
    }
    if is_chunked {
        // A front that frames by a content-length which was not seen here would take the rest for a request.
        reply::close(headers);
    }
    reply
}

async fn dispatch(app: &Arc<App>, request: Request<Incoming>, mut access: Access) -> Reply {
    let path = request.uri().path().to_owned();
    let path = path.strip_suffix('/').unwrap_or(&path);
    let method = request.method().clone();
    let is_get = method == Method::GET || method == Method::HEAD;
    match path {
        "/v1/chat/completions" if method == Method::POST => {
            chat::complete(app, request, access).await
        }
        "/v1/completions" if method == Method::POST => {
            completions::complete(app, request, access).await
        }
        "/v1/chat/completions" | "/v1/completions" => wrong_method(&method, "POST", access),
        "/v1/models" if is_get => answer(models::list(app, request.headers()).await, access),
        "/v1/models" => wrong_method(&method, "GET, HEAD", access),
        _ => match path.strip_prefix("/v1/models/") {
            Some(id) if is_get => {
                let id = percent_decode_str(id).decode_utf8_lossy();
                answer(
                    models::retrieve(app, request.headers(), &id, &mut access).await,
                    access,
                )
            }
            Some(_) => wrong_method(&method, "GET, HEAD", access),
            None if passthrough::is_listed(&app.settings.passthrough, request.uri().path()) => {
                passthrough::relay(app, request, access).await
            }
            None => {
                let error = unknown_route(&method, path, &app.settings.passthrough);
                refuse(&error, access)
            }
        },
    }
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

fn answer(result: Result<Reply, ApiError>, access: Access) -> Reply {
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
    let reply = reply::error(error);
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

fn unknown_route(method: &Method, path: &str, relayed: &[String]) -> ApiError {
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
            shown(method.as_str()),
            shown(path)
        ),
    )
}

/// What a client sent, short enough to be shown to it.
fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}
