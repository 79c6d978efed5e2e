use hyper::{Method, StatusCode};

use super::{
    Key, Parent, Upstream,
    client::{NoReply, Reply},
};
use crate::{
    fox::{Failure, State, Task, paths},
    metrics::Call,
    task::Report,
};

impl Upstream {
    /// `GET /v1/tasks/{id}` (CONTRACT.md, section 2). Never with `sync_upstream`: that is what makes completed
    /// tasks appear without results.
    pub async fn query(&self, key: &Key, parent: Option<&Parent>, id: &str) -> Report {
        let target = match self.target(&paths::task(id)) {
            Ok(target) => target,
            Err(error) => return trouble(id, &error.cause()),
        };
        let request = Self::request(Method::GET, target, key, parent, None);
        match self.call(Call::Query, request).await {
            Ok(reply) => read(key, id, &reply),
            // It would be as long the next time.
            Err(NoReply::TooLong(cause)) => Report::Refused {
                status: StatusCode::OK.as_u16(),
                failure: Some(Failure::of_event(cause.as_bytes())),
            },
            Err(error) => trouble(id, &error.cause()),
        }
    }
}

fn read(key: &Key, id: &str, reply: &Reply) -> Report {
    match reply.status {
        status if status.is_success() => match Task::parse(&reply.body) {
            Ok(task) => match task.state {
                State::Queued => Report::Queued,
                State::Running => Report::Running,
                State::Completed(result) => Report::Completed(result),
                State::Failed(failure) => Report::Failed(key.redacted(failure)),
            },
            Err(error) => trouble(id, &error.to_string()),
        },
        StatusCode::NOT_FOUND => Report::Unknown,
        status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) => {
            tracing::debug!(task = id, %status, "the task query is to be repeated");
            Report::Trouble {
                retry_after: reply.retry_after(),
            }
        }
        status if status.is_client_error() || status.is_redirection() => Report::Refused {
            status: status.as_u16(),
            failure: reply.failure(key),
        },
        status => {
            tracing::debug!(task = id, %status, "the task query failed");
            Report::Trouble {
                retry_after: reply.retry_after(),
            }
        }
    }
}

fn trouble(id: &str, cause: &str) -> Report {
    tracing::debug!(task = id, cause, "the task query failed");
    Report::Trouble { retry_after: None }
}
