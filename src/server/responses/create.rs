use std::sync::Arc;

use hyper::{Request, body::Incoming, http::request::Parts};

use super::{
    Shelved, background, caller,
    history::{self, Finder},
    response_id,
};
use crate::{
    api_error::ApiError,
    ledger::{Bought, KeptRequest},
    openai::{RequestFault, ResponseRequest},
    relay::Purpose,
    server::{
        App,
        access::Access,
        chat::{self, Accepted, Asked, Wanted},
        purchase,
        reply::Reply,
        route::refuse,
        whole,
    },
    translate::{self, About, Chat, Dialect, Outcome, Responder},
};

/// `POST /v1/responses`.
pub(in crate::server) async fn create(
    app: &Arc<App>,
    request: Box<Request<Incoming>>,
    mut access: Access,
) -> Reply {
    let (head, incoming) = request.into_parts();
    let asked = match chat::read(app, &head, incoming, &mut access).await {
        Ok(asked) => asked,
        Err(error) => {
            let error = entered(&mut access).await.unwrap_or(error);
            return chat::refuse_unread(&error, access);
        }
    };
    // Out of line, because what is needed until the submit is much, and not needed while the task is waited for.
    let made = match Box::pin(make(app, &head, asked, &mut access)).await {
        Ok(made) => made,
        Err(error) => {
            let error = entered(&mut access).await.unwrap_or(error);
            return refuse(&error, access);
        }
    };
    let Made {
        accepted,
        responder,
        shelved,
        is_background,
    } = made;
    if is_background {
        // Its id is of use only as long as it is known, after a restart too.
        app.ledger.flush().await;
    }
    match accepted.purpose {
        Purpose::Live { .. } => {
            let events = match is_background {
                true => responder.even_events(None),
                false => responder.events(),
            };
            chat::stream(accepted, Dialect::Events(Box::new(events)), shelved, access)
        }
        Purpose::Whole if is_background => background::queued(accepted, &responder, access),
        Purpose::Whole => {
            let dialect = Dialect::Response(Box::new(responder));
            whole::answer(app, &head, accepted, dialect, shelved, access).await
        }
    }
}

/// Counts a request that is refused before it was needed to begin; an error if its client may not even ask.
async fn entered(access: &mut Access) -> Option<ApiError> {
    access.enter(None).await.err()
}

/// A response that is being made, for whoever waits for it.
struct Made {
    accepted: Accepted,
    responder: Responder,
    /// Where it is kept, if it is.
    shelved: Option<Shelved>,
    is_background: bool,
}

/// Translates, submits, and puts the response where it is kept.
async fn make(
    app: &Arc<App>,
    head: &Parts,
    asked: Asked,
    access: &mut Access,
) -> Result<Made, ApiError> {
    let Asked { context, body } = asked;
    let claim = purchase::claim(&head.headers, head.uri.path(), &body)?;
    let request = ResponseRequest::parse(&body)?;
    access.set_model(&request.model);
    let caller = caller(&head.headers);
    let mut ahead = history::begin(app, caller, &request, access).await?;
    let earlier = history::earlier(app, &context, caller, &request, &mut ahead).await?;
    let mut finder = Finder::of(app, &context, caller, &request, &mut ahead).await;
    drop(ahead);
    let most = app.settings.max_body;
    let items = translate::input_items(&request, most, |id| finder.item(id))?;
    let chat = translate::chat(&request, &earlier, &items)?;
    let size = translate::kept_size(body.len(), &items);
    let is_kept = request.store && app.ledger.keeps(size);
    if request.background && !is_kept {
        return Err(cannot_be_kept(size).into());
    }
    let purpose = match request.stream {
        true => Purpose::Live {
            include_usage: true,
        },
        false => Purpose::Whole,
    };
    let wanted = Wanted {
        chat: &chat.body,
        reasoning: request.wants_summary(),
    };
    if is_kept {
        // That it is kept is told together with what was bought.
        access.hold(|| app.ledger.errand(caller));
    }
    let accepted = chat::accept(app, context, claim, wanted, access).await;
    let mut accepted = accepted.map_err(|error| in_own_words(error, &chat))?;
    // A background response is a stream upstream, whatever its client waits for.
    accepted.purpose = purpose;
    let about = About {
        task: &accepted.identity.task,
        created: accepted.identity.created,
        is_kept,
    };
    let begun = translate::begun(&request, &about);
    let customs = translate::customs(&request.object);
    let kept = if is_kept {
        let bought = Bought {
            task: accepted.identity.task.clone(),
            stream_url: accepted.pursuit.stream_url().map(str::to_owned),
            created: accepted.identity.created,
            key: accepted.pursuit.key_name().map(str::to_owned),
            model: None,
        };
        let kept = KeptRequest {
            begun: begun.clone(),
            input: translate::kept_items(&items, about.task),
            model: request.model.clone().into_owned(),
            previous: request.previous.as_deref().map(str::to_owned),
            background: request.background,
            follows: accepted.follows,
            summarizes: request.wants_summary(),
            wants_logprobs: request.wants_logprobs,
            customs: customs.clone(),
        };
        let id = response_id(about.task);
        let (is_new, errand) = (!accepted.is_found, access.errand());
        let kept = app.ledger.keep(caller, id, bought, kept, is_new, errand);
        Some(kept.await)
    } else {
        None
    };
    let outcome = kept.as_ref().map(|kept| kept.outcome.clone());
    if request.background
        && let Some(kept) = &kept
    {
        accepted.pursuit.end_when(kept.cancelled.clone());
    }
    Ok(Made {
        responder: Responder {
            begun,
            task: about.task.to_owned(),
            summarizes: request.wants_summary(),
            wants_logprobs: request.wants_logprobs,
            customs,
            outcome: outcome.unwrap_or_else(Outcome::default),
        },
        shelved: kept.map(|kept| Shelved::new(app, kept, access.errand())),
        is_background: request.background,
        accepted,
    })
}

/// The error, with the client's own names in it instead of a chat's.
fn in_own_words(error: ApiError, chat: &Chat) -> ApiError {
    let param = error
        .param
        .as_deref()
        .map(|param| chat.own_name(param).into());
    ApiError {
        param,
        message: chat.own_words(&error.message).into(),
        ..error
    }
}

fn cannot_be_kept(size: usize) -> RequestFault {
    RequestFault::invalid_value(
        "background",
        format!(
            "A background response must be kept to be asked for later, and one of {size} bytes of input is not kept here. \
             Leave 'background' out, send less, or have the operator raise 'responses.max_size' and 'responses.max_age'."
        ),
    )
}
