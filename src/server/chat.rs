use std::sync::Arc;

use bytes::Bytes;
use hyper::{
    HeaderMap, Request, StatusCode,
    body::Incoming,
    header::{HeaderName, HeaderValue},
    http::request::Parts,
};
use tokio::time::Instant;

use super::{
    App,
    access::Access,
    body, clients, credentials,
    last_answer::Handover,
    order::Order,
    purchase::{self, Needs, Offer},
    reply::{self, Reply},
    responses::Shelved,
    route::refuse,
    whole,
};
use crate::{
    api_error::ApiError,
    keys::Reserved,
    ledger::Claim,
    openai::{ChatRequest, RequestFault},
    relay::{self, Attended, Context, Purpose, Told},
    translate::{self, Dialect, Fallbacks, Identity, Instead},
    upstream::Key,
};

/// `POST /v1/chat/completions`.
pub(super) fn complete(
    app: &Arc<App>,
    request: Box<Request<Incoming>>,
    access: Access,
) -> impl Future<Output = Reply> + Send + '_ {
    let ask = |body: &Bytes| Ok(body.clone());
    converse(app, request, access, ask, Dialect::Chat)
}

/// Makes a task of the chat request that `ask` finds in a body, and answers in `dialect`.
pub(super) async fn converse(
    app: &Arc<App>,
    request: Box<Request<Incoming>>,
    mut access: Access,
    ask: fn(&Bytes) -> Result<Bytes, RequestFault>,
    dialect: Dialect,
) -> Reply {
    let (head, incoming) = request.into_parts();
    let Asked { context, body } = match read(app, &head, incoming, &mut access).await {
        Ok(asked) => asked,
        Err(error) => return refuse_unread(&error, access),
    };
    let claim = match purchase::claim(&head.headers, head.uri.path(), &body) {
        Ok(claim) => claim,
        Err(error) => return refuse(&error, access),
    };
    // Out of line, because what is needed until the submit is much, and not needed while the task is waited for.
    let accept = async {
        let chat = ask(&body)?;
        accept(app, context, claim, Wanted::of(&chat), &mut access).await
    };
    let accepted = Box::pin(accept).await;
    drop(body);
    match accepted {
        Ok(accepted) => match accepted.purpose {
            Purpose::Live { .. } => stream(accepted, dialect, None, access),
            Purpose::Whole => whole::answer(app, &head, accepted, dialect, None, access).await,
        },
        Err(error) => refuse(&error, access),
    }
}

/// A request that has been read.
pub(super) struct Asked {
    pub(super) context: Context,
    pub(super) body: Bytes,
}

/// Reads a request, and sets its deadline.
pub(super) async fn read(
    app: &App,
    head: &Parts,
    incoming: Incoming,
    access: &mut Access,
) -> Result<Asked, ApiError> {
    let read = async {
        let key = credentials::upstream_key(app, &head.headers)?;
        let body = body::read_json(&head.headers, incoming, &app.settings).await?;
        Ok::<_, ApiError>((key, body))
    };
    // Nothing has been bought yet, so a stop may end it; from the submit on, the relay knows how.
    let (key, body) = tokio::select! {
        biased;
        read = read => read?,
        () = app.relay.stop.cancelled() => return Err(purchase::shutting_down()),
    };
    let context = context(app, key, access);
    Ok(Asked { context, body })
}

/// What the steps of a request need that begins now.
pub(super) fn context(app: &App, key: Key, access: &mut Access) -> Context {
    let context = Context {
        means: app.relay.clone(),
        key,
        parent: access.parent().map(Arc::new),
        course: access.course(),
        deadline: Instant::now() + app.relay.patience.deadline,
    };
    access.watch(context.deadline);
    context
}

/// Refuses a request that was not read to its end.
pub(super) fn refuse_unread(error: &ApiError, access: Access) -> Reply {
    let mut reply = refuse(error, access);
    // Part of the body may still be under way.
    reply::close(reply.headers_mut());
    reply
}

/// A request that has become a task.
pub(super) struct Accepted {
    pub(super) pursuit: Attended,
    pub(super) receipt: Handover,
    pub(super) identity: Identity,
    pub(super) purpose: Purpose,
    /// Whether the task has a stream.
    pub(super) follows: bool,
    /// What the reply says about how the request was served.
    pub(super) headers: HeaderMap,
    /// The tokens that its client has taken for it, if these are limited and it was bought just now.
    pub(super) reserved: Option<Reserved>,
    /// Whether the request has found the task that it bought before.
    pub(super) is_found: bool,
}

/// What a request wants.
pub(super) struct Wanted<'a> {
    /// The body of a chat request.
    pub(super) chat: &'a Bytes,
    /// Whether the client wants to see the model reason, whatever the chat request says.
    pub(super) reasoning: bool,
}

impl<'a> Wanted<'a> {
    fn of(chat: &'a Bytes) -> Self {
        Self {
            chat,
            reasoning: false,
        }
    }
}

/// Translates, uploads and submits. After this the status line may be sent: everything that can be refused has been.
pub(super) async fn accept(
    app: &App,
    context: Context,
    claim: Claim<'_>,
    wanted: Wanted<'_>,
    access: &mut Access,
) -> Result<Accepted, ApiError> {
    let Wanted { chat, reasoning } = wanted;
    let mut request = ChatRequest::parse(chat)?;
    request.asks_for_reasoning |= reasoning;
    access.set_model(&request.model);
    clients::check_model(app, access.client(), &request.model)?;
    let mut draft = translate::draft(&request, chat, &app.models)?;
    let (mut follows, mut upstream_model) = (draft.follows, draft.model.to_string());
    let mut adjustments = std::mem::take(&mut draft.adjustments);
    let may = |other: &str| {
        let client = access.client();
        client.is_none_or(|client| client.may_be_served_by(other))
    };
    let fallbacks = Fallbacks::of(&upstream_model, &request, chat, &app.models, may);
    let purpose = if request.stream {
        Purpose::Live {
            include_usage: request.include_usage,
        }
    } else {
        Purpose::Whole
    };
    let order = Order {
        context,
        model: request.model.clone().into_owned(),
        upstream_model: upstream_model.clone(),
        choices: request.choices,
        follows,
        purpose,
    };
    let offer = Offer {
        draft,
        fallbacks,
        needs: Needs::of(&request, chat),
    };
    let purchase = purchase::find_or_buy(app, order, claim, offer, access).await;
    let purchase = purchase.map_err(|error| with_part(error, &request))?;
    let identity = purchase.identity;
    access.set_task(&identity.task);
    access.set_upstream_key(purchase.pursuit.key_name());
    if let Some(instead) = purchase.instead {
        let Instead {
            model,
            follows: follows_instead,
            adjustments: others,
        } = instead;
        adjustments = others;
        adjustments.push(format!("model {upstream_model} replaced by {model}"));
        (follows, upstream_model) = (follows_instead, model);
    }

    let mut headers = HeaderMap::new();
    reply::pass_on(&mut headers, &purchase.said);
    if purchase.is_found {
        say(&mut headers, reply::FOUND, "true");
    }
    if access.is_unnoted() {
        reply::tell_unnoted(&mut headers);
    }
    say(&mut headers, reply::TASK_ID, &identity.task);
    say(&mut headers, reply::MODEL, &upstream_model);
    if !adjustments.is_empty() {
        say(&mut headers, reply::ADJUSTED, &adjustments.join("; "));
    }
    Ok(Accepted {
        pursuit: purchase.pursuit,
        receipt: access.handover(purchase.receipt),
        identity,
        purpose,
        follows,
        headers,
        reserved: purchase.reserved,
        is_found: purchase.is_found,
    })
}

/// Bridges the task's stream.
pub(super) fn stream(
    accepted: Accepted,
    dialect: Dialect,
    shelved: Option<Shelved>,
    access: Access,
) -> Reply {
    let milliseconds = HeaderValue::from(access.milliseconds());
    let Accepted {
        mut pursuit,
        receipt,
        headers,
        reserved,
        ..
    } = accepted;
    pursuit.speak(dialect);
    let report = move |told: Result<Told<'_>, &ApiError>| {
        let usage = reserved.as_ref().and_then(|_| access.course().usage());
        access.finish(StatusCode::OK, told.as_ref().err().copied());
        if let Some(shelved) = shelved {
            shelved.settle();
            if told.is_ok() {
                shelved.is_charged();
            }
        }
        if let Ok(told) = told {
            receipt.delivered();
            if let Some(reserved) = reserved {
                reserved.settle(usage, told.length());
            }
        }
    };
    let mut reply = reply::events(relay::live(pursuit, report));
    reply.headers_mut().insert(reply::PROCESSING, milliseconds);
    reply.headers_mut().extend(headers);
    reply
}

/// A header, where the text can stand in one.
pub(super) fn say(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}

/// Names the part that the model cannot take, which the upstream does not.
fn with_part(error: ApiError, request: &ChatRequest) -> ApiError {
    let is_about_a_part = matches!(
        error.code.as_deref(),
        Some("model_not_support_capability" | "unsupported_content_type")
    );
    match request.object.get("messages") {
        Some(messages) if is_about_a_part && error.param.is_none() => ApiError {
            param: translate::suspect(messages, &error.message).map(Into::into),
            ..error
        },
        _ => error,
    }
}
