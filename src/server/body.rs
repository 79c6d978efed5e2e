use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{
    body::{Body, Incoming},
    header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderMap},
};
use tokio::time::timeout;

use super::Settings;
use crate::api_error::ApiError;

/// How much of an oversized body is still read, in bodies of the longest size that is allowed: a client that
/// is cut off while it sends never sees the error.
const READ_FOR_NOTHING: usize = 8;
/// Memory is taken as the body comes, never on a header's word alone.
const FIRST_ROOM: usize = 64 << 10;

/// Reads a JSON body of at most `max_body` bytes that comes within `read_timeout`.
pub(super) async fn read_json(
    headers: &HeaderMap,
    body: Incoming,
    settings: &Settings,
) -> Result<Bytes, ApiError> {
    check_type(headers)?;
    let limit = settings.max_body;
    let announced = body.size_hint().exact();
    if announced.is_some_and(|length| length > limit as u64) && headers.contains_key(EXPECT) {
        // The client has asked before sending, and has sent nothing yet.
        return Err(too_large(limit));
    }
    timeout(settings.read_timeout, collect(body, limit))
        .await
        .unwrap_or_else(|_| Err(too_slow(settings.read_timeout)))
}

async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, ApiError> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    let mut length = 0usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken_off(&error))?.into_data() else {
            continue;
        };
        length = length.saturating_add(data.len());
        if length > limit.saturating_mul(READ_FOR_NOTHING) {
            break;
        }
        if length > limit {
            // Read on, keep nothing.
            first = Bytes::new();
            all = BytesMut::new();
        } else if first.is_empty() && all.is_empty() {
            // Most bodies come in one piece, which then needs no copy.
            first = data;
        } else {
            if all.is_empty() {
                all.reserve(FIRST_ROOM.min(limit));
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
    }
    if length > limit {
        return Err(too_large(limit));
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// Reads on and keeps nothing, as far as for other bodies that are too long, so that the client gets to see why.
pub(super) async fn discard(mut body: Incoming, settings: &Settings) {
    let mut left = settings.max_body.saturating_mul(READ_FOR_NOTHING);
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            left = match left.checked_sub(length) {
                Some(left) => left,
                None => break,
            };
        }
    };
    // Whoever is not done by then is cut off all the same.
    let _ = timeout(settings.read_timeout, read).await;
}

fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    if let Some(encoding) = headers.get(CONTENT_ENCODING)
        && encoding != "identity"
    {
        return Err(ApiError::invalid_request(
            415,
            "unsupported_content_encoding",
            "Compressed request bodies are not read. Send the body without 'content-encoding'.",
        ));
    }
    let Some(kind) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = String::from_utf8_lossy(kind.as_bytes()).to_ascii_lowercase();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence == "application/json"
        || essence.starts_with("application/") && essence.ends_with("+json")
    {
        return Ok(());
    }
    Err(ApiError::invalid_request(
        415,
        "unsupported_media_type",
        format!(
            "The body's content type '{}' is not read. Send JSON with 'content-type: application/json'.",
            essence.chars().take(100).collect::<String>()
        ),
    ))
}

pub(super) fn too_large(limit: usize) -> ApiError {
    ApiError::invalid_request(
        413,
        "request_too_large",
        format!(
            "The request body is larger than {limit} bytes. Send less, give large files by URL, or raise \
             'server.max_body'."
        ),
    )
}

fn too_slow(limit: Duration) -> ApiError {
    ApiError::invalid_request(
        408,
        "request_timeout",
        format!(
            "The request body did not arrive within {limit:?}. Send it faster, or raise 'server.read_timeout'."
        ),
    )
}

pub(super) fn broken_off(error: &hyper::Error) -> ApiError {
    ApiError::invalid_request(
        400,
        "incomplete_body",
        "The request body broke off. Send the request again.",
    )
    .with_detail(error.to_string())
}
