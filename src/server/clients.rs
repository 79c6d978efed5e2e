//! What this proxy's own clients may do (`server.keys_file`).

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use super::{App, credentials};
use crate::{
    api_error::ApiError,
    keys::{Client, Rate, shown},
};

/// What all headers begin with that tell rate limits.
const RATE_LIMITS: &str = "x-ratelimit-";

/// As OpenAI calls the limit, what is left of it, and when all of it is there again.
const OF_REQUESTS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
const OF_TOKENS: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// Whose key a request comes with; `None` where everybody may call.
pub(super) fn known(app: &App, headers: &HeaderMap) -> Result<Option<Client>, ApiError> {
    let Some(clients) = &app.clients else {
        return Ok(None);
    };
    let key = credentials::bearer(headers);
    key.and_then(|key| clients.find(key.expose_secret().as_bytes()))
        .map(Some)
        .ok_or_else(unknown)
}

/// Whether a client may use a model, by the name that it gives.
pub(super) fn check_model(app: &App, client: Option<&Client>, model: &str) -> Result<(), ApiError> {
    match client {
        Some(client) if !client.may_use(model, &app.models) => Err(ApiError {
            param: Some("model".into()),
            ..ApiError::invalid_request(
                403,
                "model_not_found",
                format!(
                    "Key '{}' does not have access to model '{}'. GET /v1/models lists those that it may use; ask the operator \
                     for more.",
                    client.name(),
                    model.chars().take(200).collect::<String>()
                ),
            )
        }),
        _ => Ok(()),
    }
}

/// Whether a client may use relayed paths. Their bodies are not read, so nobody would see which model they name.
pub(super) fn check_relayed(client: &Client) -> Result<(), ApiError> {
    match client.is_restricted() {
        false => Ok(()),
        true => Err(ApiError::invalid_request(
            403,
            "path_not_allowed",
            format!(
                "Key '{}' may use some models only, and which one is asked for here is not looked at. Use a key without \
                 'models'.",
                client.name()
            ),
        )),
    }
}

/// Tells a client how it stands with its own limits. The upstream's are those of a key that it does not have.
pub(super) fn tell_limits(client: &Client, headers: &mut HeaderMap) {
    let of_upstream: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(RATE_LIMITS))
        .cloned()
        .collect();
    for name in of_upstream {
        headers.remove(name);
    }
    let standing = client.standing();
    for (names, rate) in [
        (OF_REQUESTS, standing.requests),
        (OF_TOKENS, standing.tokens),
    ] {
        if let Some(rate) = rate {
            tell(rate, names, headers);
        }
    }
}

fn tell(rate: Rate, [limit, left, reset]: [HeaderName; 3], headers: &mut HeaderMap) {
    headers.insert(limit, HeaderValue::from(rate.limit));
    headers.insert(left, HeaderValue::from(rate.left));
    if let Ok(until_full) = HeaderValue::try_from(shown(rate.until_full)) {
        headers.insert(reset, until_full);
    }
}

fn unknown() -> ApiError {
    ApiError::invalid_request(
        401,
        "invalid_api_key",
        "Incorrect API key provided. Send the key that the operator of this foxbridge gave you as 'Authorization: Bearer \
         fbk-…' (in most clients: the api_key setting or OPENAI_API_KEY).",
    )
}
