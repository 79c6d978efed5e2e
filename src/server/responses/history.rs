//! What a response goes on from.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use super::{cannot_be_found, stored};
use crate::{
    api_error::ApiError,
    fleet::{Away, Question, script},
    json::{Raw, RawObject},
    ledger::{Caller, Kept},
    openai::{Input, ResponseRequest},
    relay::Context,
    server::{App, access::Access},
    translate::{response_id, task_of_item},
};

/// How many responses a request may refer to the items of; each may have to be asked for.
const MOST_RESPONSES: usize = 256;

/// Responses that were looked up before somebody looks at each of them.
pub(super) type Ahead = HashMap<String, Arc<Kept>>;

/// Has the request begin, if that was put off, and looks up what it goes on from or refers to, all at once. None of it need be
/// there: what is not is asked for when it is needed.
pub(super) async fn begin(
    app: &App,
    caller: Caller<'_>,
    request: &ResponseRequest<'_>,
    access: &mut Access,
) -> Result<Ahead, ApiError> {
    let previous = request.previous.as_deref();
    let question = app.ledger.question(caller, previous, &referred_to(request));
    Ok(match access.enter(question.as_ref()).await? {
        Some(answer) => app.ledger.answered(answer),
        None => look_up(app, question.as_ref()).await,
    })
}

async fn look_up(app: &App, question: Option<&Question>) -> Ahead {
    let (Some(question), Some(fleet)) = (question, app.ledger.fleet()) else {
        return Ahead::new();
    };
    let answer = fleet.ask(&script::FIND, question).await;
    app.ledger.answered(answer.unwrap_or_default())
}

/// The items of the conversation before a request, as JSON arrays, the oldest first.
pub(super) async fn earlier(
    app: &App,
    context: &Context,
    caller: Caller<'_>,
    request: &ResponseRequest<'_>,
    ahead: &mut Ahead,
) -> Result<Vec<Cow<'static, str>>, ApiError> {
    let mut newest_first = Vec::new();
    let mut next = request.previous.as_deref().map(str::to_owned);
    let mut left = app.settings.max_body;
    while let Some(id) = next {
        if !ahead.contains_key(&id) && !newest_first.is_empty() {
            // So long a conversation does not come at once.
            let question = app.ledger.question(caller, Some(&id), &[]);
            ahead.extend(look_up(app, question.as_ref()).await);
        }
        let kept = find(app, caller, ahead, &id).await;
        let kept = kept.map_err(|Away| cannot_be_found())?;
        let asked = request.previous.as_deref().unwrap_or_default();
        let kept = kept.ok_or_else(|| no_previous(asked, &id))?;
        let outcome = outcome(app, context, &kept).await?;
        let length = outcome.len() + kept.request.input.len();
        left = left.checked_sub(length).ok_or_else(|| too_long(app))?;
        newest_first.push(Cow::Owned(output(&outcome)));
        newest_first.push(Cow::Owned(kept.request.input.clone()));
        next = kept.request.previous.clone();
    }
    newest_first.reverse();
    Ok(newest_first)
}

/// A response that was perhaps looked up before.
async fn find(
    app: &App,
    caller: Caller<'_>,
    ahead: &mut Ahead,
    id: &str,
) -> Result<Option<Arc<Kept>>, Away> {
    match ahead.get(id) {
        Some(kept) => Ok(Some(kept.clone())),
        None => app.ledger.kept(caller, id).await,
    }
}

/// Finds the items that a request refers to, each response being read once.
pub(super) struct Finder(HashMap<String, Vec<(String, String)>>);

impl Finder {
    /// Looks at the responses that a request refers to; those whose end is not known are asked for.
    pub(super) async fn of(
        app: &App,
        context: &Context,
        caller: Caller<'_>,
        request: &ResponseRequest<'_>,
        ahead: &mut Ahead,
    ) -> Self {
        let mut found = HashMap::new();
        for id in referred_to(request) {
            let Ok(Some(kept)) = find(app, caller, ahead, &id).await else {
                continue;
            };
            // Of one that runs, only its input can be referred to.
            let shown = stored::look(app, context, &kept).await.unwrap_or_default();
            let mut items = Vec::new();
            for text in [&output(&shown), &kept.request.input] {
                let elements = Raw::parse(text).ok();
                for item in elements.into_iter().flat_map(Raw::elements) {
                    let id =
                        RawObject::of(item).and_then(|item| Some(item.string("id")?.into_owned()));
                    items.extend(id.map(|id| (id, item.get().to_owned())));
                }
            }
            found.insert(id, items);
        }
        Self(found)
    }

    /// The item of this id. Each can be had once.
    pub(super) fn item(&mut self, id: &str) -> Option<String> {
        let items = self.0.get_mut(&response_id(task_of_item(id)?))?;
        let at = items.iter().position(|(known, _)| known == id)?;
        Some(items.swap_remove(at).1)
    }
}

/// The responses whose items a request refers to, so many at most.
fn referred_to(request: &ResponseRequest<'_>) -> Vec<String> {
    let Input::Items(items) = &request.input else {
        return Vec::new();
    };
    let mut ids = Vec::new();
    for item in items.iter().filter_map(|item| RawObject::of(*item)) {
        let is_reference = match item.string("type") {
            Some(kind) => kind == "item_reference",
            None => item.get("role").is_none(),
        };
        let id = item.string("id").unwrap_or_default();
        let id = task_of_item(&id).filter(|_| is_reference).map(response_id);
        if let Some(id) = id.filter(|id| !ids.contains(id) && ids.len() < MOST_RESPONSES) {
            ids.push(id);
        }
    }
    ids
}

/// What a response has come to that another one goes on from.
async fn outcome(app: &App, context: &Context, kept: &Arc<Kept>) -> Result<String, ApiError> {
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

fn too_long(app: &App) -> ApiError {
    ApiError {
        param: Some("previous_response_id".into()),
        ..ApiError::invalid_request(
            413,
            "request_too_large",
            format!(
                "The conversation is longer than {} bytes. Begin a new one with what matters of it, or raise 'server.max_body'.",
                app.settings.max_body
            ),
        )
    }
}

/// `missing` is the response that was asked for, or one that it goes on from.
fn no_previous(asked: &str, missing: &str) -> ApiError {
    let short = |id: &str| id.chars().take(100).collect::<String>();
    let (asked, missing) = (short(asked), short(missing));
    let what = match asked == missing {
        true => format!("Previous response with id '{asked}' not found."),
        false => format!(
            "Previous response with id '{asked}' goes on from '{missing}', which is not found any more."
        ),
    };
    ApiError {
        param: Some("previous_response_id".into()),
        ..ApiError::invalid_request(
            400,
            "previous_response_not_found",
            format!(
                "{what} Responses are kept for the key that made them, unless 'store' is false, and as long as \
                 'responses.max_age' and 'responses.max_size' allow. Send the whole conversation as 'input'."
            ),
        )
    }
}
