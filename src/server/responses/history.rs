//! What a response goes on from.

use std::borrow::Cow;

use super::stored;
use crate::{
    api_error::ApiError,
    json::{Raw, RawObject},
    ledger::{Caller, Kept},
    openai::ResponseRequest,
    relay::Context,
    server::App,
    translate::{response_id, task_of_item},
};

/// The items of the conversation before a request, as JSON arrays, the oldest first.
pub(super) async fn earlier(
    app: &App,
    context: &Context,
    caller: Caller<'_>,
    request: &ResponseRequest<'_>,
) -> Result<Vec<Cow<'static, str>>, ApiError> {
    let mut newest_first = Vec::new();
    let mut next = request.previous.as_deref().map(str::to_owned);
    while let Some(id) = next {
        let kept = app
            .ledger
            .kept(caller, &id)
            .ok_or_else(|| no_previous(&id))?;
        let outcome = outcome(app, context, &kept).await?;
        newest_first.push(Cow::Owned(output(&outcome)));
        newest_first.push(Cow::Owned(kept.request.input.clone()));
        next = kept.request.previous.clone();
    }
    newest_first.reverse();
    Ok(newest_first)
}

/// The item of this id, where it belongs to a response that is kept for this caller.
pub(super) fn item(app: &App, caller: Caller<'_>, id: &str) -> Option<String> {
    let kept = app.ledger.kept(caller, &response_id(task_of_item(id)?))?;
    let outcome = kept.outcome.get();
    let outcome = outcome.and_then(|outcome| std::str::from_utf8(outcome).ok());
    let output = outcome.map(output).unwrap_or_default();
    [&output, &kept.request.input]
        .into_iter()
        .filter_map(|items| Raw::parse(items).ok())
        .flat_map(Raw::elements)
        .find(|item| {
            RawObject::of(*item).is_some_and(|item| item.string("id").as_deref() == Some(id))
        })
        .map(|item| item.get().to_owned())
}

/// What a response has come to that another one goes on from.
async fn outcome(app: &App, context: &Context, kept: &Kept) -> Result<String, ApiError> {
    let shown = stored::look(app, context, kept).await?;
    let object = RawObject::parse(&shown).unwrap_or_default();
    match object.string("status").as_deref() {
        Some("completed" | "incomplete") => Ok(shown),
        status => Err(ApiError {
            param: Some("previous_response_id".into()),
            ..ApiError::invalid_request(
                400,
                "invalid_previous_response",
                format!(
                    "Response '{}' is {} and has no answer to go on from. Wait until it is completed, or go on from another one.",
                    kept.id,
                    status.unwrap_or("unknown")
                ),
            )
        }),
    }
}

fn output(response: &str) -> String {
    let object = RawObject::parse(response).unwrap_or_default();
    object.get("output").map_or("[]", Raw::get).to_owned()
}

fn no_previous(id: &str) -> ApiError {
    ApiError {
        param: Some("previous_response_id".into()),
        ..ApiError::invalid_request(
            400,
            "previous_response_not_found",
            format!(
                "Previous response with id '{}' not found. Responses are kept for the key that made them, unless 'store' is \
                 false, and as long as 'responses.max_age' and 'responses.max_size' allow. Send the whole conversation as \
                 'input'.",
                id.chars().take(100).collect::<String>()
            ),
        )
    }
}
