//! The table from the upstream's failures to OpenAI's errors (CONTRACT.md, section 6).

use std::{borrow::Cow, time::Duration};

use crate::{
    api_error::{ApiError, Retry},
    fox::Failure,
    task::Ending,
};

/// A submit that the upstream refused: no task exists.
pub fn refused(status: u16, failure: Option<&Failure>, retry_after: Option<Duration>) -> ApiError {
    let said = failure.map_or("the upstream gave no reason", |failure| {
        failure.message.trim_end_matches('.')
    });
    let kind = failure.and_then(|failure| failure.kind.as_deref());
    let code = failure
        .and_then(|failure| failure.code.clone())
        .map(Cow::Owned);
    let error = match (status, kind, code.as_deref()) {
        (401, ..) => ApiError::invalid_request(
            401,
            "invalid_api_key",
            format!("The upstream refused the API key: {said}. Check the key that you send (or 'upstream.api_key', 'upstream.keys_file')."),
        ),
        (402, ..) => ApiError::new(
            429,
            "insufficient_quota",
            "insufficient_quota",
            format!("The upstream account has no balance left: {said}. Top it up, then try again."),
        )
        .with_retry(Retry::Never),
        (429, ..) => ApiError::new(
            429,
            "rate_limit_error",
            "rate_limit_exceeded",
            format!("The upstream accepts no more requests just now: {said}. Wait, then try again; nothing was bought."),
        )
        .with_retry(retry_after.map_or(Retry::AsUsual, Retry::After)),
        (300..=399, ..) => ApiError::new(
            502,
            "server_error",
            "upstream_redirect",
            "The upstream answered with a redirect, which is not followed because the key would go with it; nothing \
             was bought. Set 'upstream.base_url' to FoxAPI itself.",
        )
        .with_retry(Retry::Never),
        (413, ..) => ApiError::invalid_request(
            413,
            "request_too_large",
            format!("The request is too large for the upstream: {said}. Send less, or give large files by URL."),
        ),
        (422, Some("service_unavailable_error"), _) | (422, _, Some("no_available_model" | "no_compatible_channel")) => {
            ApiError {
                code: code.clone().or(Some(Cow::Borrowed("model_unavailable"))),
                ..ApiError::new(
                    503,
                    "server_error",
                    "model_unavailable",
                    format!("The upstream cannot serve this model just now: {said}. Try again later; nothing was bought."),
                )
            }
        }
        (422, _, Some("model_not_found" | "model_not_supported")) => ApiError {
            param: Some("model".into()),
            ..ApiError::invalid_request(
                404,
                "model_not_found",
                format!("The upstream does not have this model: {said}. GET /v1/models lists those that it has."),
            )
        },
        _ if failure.is_none() => ApiError::new(
            502,
            "server_error",
            "upstream_unreadable",
            format!(
                "Something in front of FoxAPI refused the request with status {status} and no readable reason; \
                 nothing was bought. Check 'upstream.base_url' and the network between."
            ),
        )
        .with_retry(Retry::Never),
        _ => ApiError {
            status,
            kind: if status == 403 { "permission_error" } else { "invalid_request_error" },
            code: code.clone(),
            param: None,
            message: said.into(),
            detail: None,
            // SDKs send a 409 again, although the same would be refused again.
            retry: if status == 409 { Retry::Never } else { Retry::AsUsual },
            upstream: None,
        },
    };
    let detail = format!(
        "upstream status {status}, type {}, code {}: {said}",
        kind.unwrap_or("-"),
        code.as_deref().unwrap_or("-")
    );
    error.with_detail(detail)
}

/// A file that the upstream did not take; no task was submitted. `param` names the part that it came from.
pub fn upload_refused(status: u16, failure: Option<&Failure>, param: &str) -> ApiError {
    match status {
        401 | 402 | 429 => refused(status, failure, None),
        413 => ApiError {
            param: Some(param.into()),
            ..ApiError::invalid_request(
                413,
                "request_too_large",
                "The media of this part is too large to be uploaded to FoxAPI. Send less, or give it by URL.",
            )
        },
        _ => {
            let said = failure.map_or_else(
                || format!("status {status}"),
                |failure| failure.message.clone(),
            );
            upload_failed(&said, param)
        }
    }
}

/// A file that could not be uploaded; no task was submitted.
pub fn upload_failed(cause: &str, param: &str) -> ApiError {
    ApiError {
        param: Some(param.into()),
        ..ApiError::new(
            502,
            "server_error",
            "upload_failed",
            "The media of this part could not be uploaded to FoxAPI, so nothing was submitted and nothing bought. Try \
             again, or give it by URL.",
        )
    }
    .with_detail(cause)
}

/// The upstream could not be reached; nothing was sent.
pub fn unreachable(cause: &str) -> ApiError {
    ApiError::new(
        503,
        "server_error",
        "upstream_unreachable",
        "FoxAPI cannot be reached, so nothing was sent and nothing bought. Try again; if it lasts, check \
         'upstream.base_url' and the network.",
    )
    .with_detail(cause)
}

/// No key of several can be used for now, because the upstream has refused each of them; nothing was sent. `status` is the
/// refusal that fits all of them, and `soonest` when the first may be used again.
pub fn keys_rest(status: u16, soonest: Duration) -> ApiError {
    match status {
        401 => ApiError::invalid_request(
            401,
            "invalid_api_key",
            "FoxAPI refused every key of 'upstream.keys_file'; nothing was bought. Have the operator put valid keys there: the \
             file is read again at once, and a key that has become valid is tried again within five minutes.",
        ),
        402 => ApiError::new(
            429,
            "insufficient_quota",
            "insufficient_quota",
            "No account behind the keys of 'upstream.keys_file' has balance left; nothing was bought. Have the operator top \
             one up; a key that was refused is tried again within five minutes.",
        )
        .with_retry(Retry::Never),
        _ => ApiError::new(
            429,
            "rate_limit_error",
            "rate_limit_exceeded",
            "FoxAPI accepts no more requests just now with any key of 'upstream.keys_file', or with 'upstream.api_key'; nothing \
             was bought. Wait, then try again.",
        )
        .with_retry(Retry::After(soonest)),
    }
}

/// No submits are sent for `wait`, because most of the last ones failed.
pub fn shut(wait: Duration) -> ApiError {
    ApiError::new(
        503,
        "server_error",
        "upstream_unavailable",
        "Most of the last requests to FoxAPI failed, so none is sent for a moment ('upstream.breaker'); nothing was bought. \
         Wait, then send the request again.",
    )
    .with_retry(Retry::After(wait))
}

/// A submit whose fate is unknown: the request may have left, so a task may have been bought.
pub fn ambiguous(cause: &str, failure: Option<&Failure>) -> ApiError {
    let said = failure.map_or(String::new(), |failure| {
        format!(" It said: {}.", failure.message)
    });
    ApiError::new(
        502,
        "server_error",
        "submit_unconfirmed",
        format!(
            "FoxAPI did not confirm the request.{said} A task may have been created and billed, so it is not sent \
             again by itself. Send it again if you accept paying twice."
        ),
    )
    .with_detail(cause)
    .with_retry(Retry::Never)
}

/// A task that exists and will give no answer; `None` for endings that are answers.
pub fn ended(ending: &Ending, task: &str) -> Option<ApiError> {
    let error = match ending {
        Ending::Streamed | Ending::Settled(_) | Ending::Answered(_) => return None,
        Ending::Failed(failure) => ApiError {
            code: Some(
                failure
                    .code
                    .clone()
                    .map_or(Cow::Borrowed("task_failed"), Cow::Owned),
            ),
            ..ApiError::new(
                502,
                "server_error",
                "task_failed",
                format!(
                    "The model's provider failed: {} (task {task}).",
                    failure.message
                ),
            )
        },
        Ending::NoResults => ApiError::new(
            502,
            "server_error",
            "results_missing",
            format!(
                "The task {task} completed, but FoxAPI has not delivered its results. Ask FoxAPI about this task."
            ),
        ),
        Ending::Lost { status, failure } => {
            let said = failure
                .as_ref()
                .map_or(String::new(), |failure| format!(": {}", failure.message));
            ApiError::new(
                502,
                "server_error",
                "task_lost",
                format!(
                    "The answer of task {task} cannot be had from FoxAPI (status {status}{said}). Ask FoxAPI about this task."
                ),
            )
        }
        Ending::Deadline { unreachable: true } => ApiError::new(
            504,
            "server_error",
            "task_unreachable",
            format!(
                "FoxAPI could not be asked about task {task} before the deadline. The task is billed and may be done; ask \
                 FoxAPI about it."
            ),
        ),
        Ending::Deadline { unreachable: false } => ApiError::new(
            504,
            "server_error",
            "task_deadline_exceeded",
            format!(
                "The task {task} was still running at the deadline. It is billed and goes on upstream; raise \
                 'task.deadline' for longer answers."
            ),
        ),
        Ending::Cancelled => ApiError::new(
            409,
            "invalid_request_error",
            "response_cancelled",
            format!(
                "The response was cancelled. Its task {task} goes on at FoxAPI and is billed, because FoxAPI documents no \
                 way to cancel one."
            ),
        ),
        Ending::Stopped => ApiError::new(
            503,
            "server_error",
            "server_shutting_down",
            format!(
                "foxbridge was stopped while task {task} was running. The task is billed and goes on upstream."
            ),
        ),
    };
    let retry = match ending {
        Ending::Deadline { .. } => Retry::IfFound,
        _ => Retry::Never,
    };
    Some(error.with_retry(retry))
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
