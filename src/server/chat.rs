use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hyper::{HeaderMap, Request, StatusCode, body::Incoming, header::HeaderValue};
use tokio::time::Instant;

use super::{
    App,
    access::Access,
    body, credentials,
    reply::{self, Reply},
    route::refuse,
};
use crate::{
    api_error::{ApiError, Retry},
    openai::ChatRequest,
    relay::{self, Context, Live, Pursuit},
    translate::{self, Identity},
};

/// `POST /v1/chat/completions`.
pub(super) async fn complete(
    app: &Arc<App>,
    request: Request<Incoming>,
    mut access: Access,
) -> Reply {
    let (head, incoming) = request.into_parts();
    let read = async {
        let key = credentials::upstream_key(app, &head.headers)?;
        let body = body::read_json(&head.headers, incoming, &app.settings).await?;
        Ok((key, body))
    };
    let (key, body) = match read.await {
        Ok(read) => read,
        Err(error) => {
            let mut reply = refuse(&error, access);
            // Part of the body may still be under way.
            reply::close(reply.headers_mut());
            return reply;
        }
    };
    let context = Context {
        upstream: app.upstream.clone(),
        key,
        patience: app.patience.clone(),
        stream: app.stream.clone(),
        deadline: Instant::now() + app.patience.deadline,
        stop: app.stop.clone(),
    };
    match accept(app, context, &body, &mut access).await {
        Ok(accepted) if accepted.stream => stream(accepted, access),
        Ok(accepted) => whole(accepted, access).await,
        Err(error) => refuse(&error, access),
    }
}

/// A request that has become a task.
struct Accepted {
    pursuit: Pursuit,
    model: String,
    stream: bool,
    include_usage: bool,
    created: u64,
    headers: HeaderMap,
}

/// Translates and submits. After this the status line may be sent: everything that can be refused has been.
async fn accept(
    app: &App,
    context: Context,
    body: &Bytes,
    access: &mut Access,
) -> Result<Accepted, ApiError> {
    let request = ChatRequest::parse(body)?;
    let mut draft = translate::draft(&request, body, &app.models)?;
    let (stream, include_usage) = (request.stream, request.include_usage);
    let (follows, adjustments) = (draft.follows, std::mem::take(&mut draft.adjustments));
    let model = request.model.clone().into_owned();
    access.set_model(&model);
    let urls = relay::upload(&context, draft.uploads()).await?;
    let task = relay::submit(&context, draft.submission(&urls)).await?;
    access.set_task(&task.id);

    let mut headers = HeaderMap::new();
    if let Ok(id) = HeaderValue::try_from(&task.id) {
        headers.insert(reply::TASK_ID, id);
    }
    if let Ok(adjusted) = HeaderValue::try_from(adjustments.join("; "))
        && !adjusted.is_empty()
    {
        headers.insert(reply::ADJUSTED, adjusted);
    }
    let pursuit = Pursuit::new(context, task, follows, include_usage);
    Ok(Accepted {
        pursuit,
        model,
        stream,
        include_usage,
        created: unix_now(),
        headers,
    })
}

/// Waits for the task and answers with its result.
async fn whole(accepted: Accepted, access: Access) -> Reply {
    let task = accepted.pursuit.task().to_owned();
    let identity = Identity {
        task: &task,
        model: &accepted.model,
        created: accepted.created,
    };
    let result = relay::wait(accepted.pursuit).await.and_then(|result| {
        translate::completion(&result, &identity)
            .map_err(|error| not_a_completion(identity.task, &error.to_string()))
    });
    let mut reply = match result {
        Ok(completion) => {
            let mut reply = reply::json(completion);
            let milliseconds = HeaderValue::from(access.milliseconds());
            reply
                .headers_mut()
                .insert("openai-processing-ms", milliseconds);
            access.finish(reply.status(), None);
            reply
        }
        Err(error) => refuse(&error, access),
    };
    reply.headers_mut().extend(accepted.headers);
    reply
}

/// Bridges the task's stream.
fn stream(accepted: Accepted, access: Access) -> Reply {
    let milliseconds = HeaderValue::from(access.milliseconds());
    let pieces = relay::live(
        accepted.pursuit,
        Live {
            model: accepted.model,
            created: accepted.created,
            include_usage: accepted.include_usage,
            report: move |told: Result<u64, &ApiError>| access.finish(StatusCode::OK, told.err()),
        },
    );
    let mut reply = reply::events(pieces);
    reply
        .headers_mut()
        .insert("openai-processing-ms", milliseconds);
    reply.headers_mut().extend(accepted.headers);
    reply
}

fn not_a_completion(task: &str, detail: &str) -> ApiError {
    ApiError::new(
        502,
        "server_error",
        "invalid_result",
        format!("FoxAPI's result of task {task} is not a chat completion. The task is billed; ask FoxAPI about it."),
    )
    .with_detail(detail)
    .with_retry(Retry::Never)
}

fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
