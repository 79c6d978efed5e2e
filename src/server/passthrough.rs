//! Paths that are not served here but relayed to the upstream as they come (`passthrough.paths`).

use std::{borrow::Cow, sync::Arc, time::Duration};

use hyper::{
    Method, Request, Response,
    body::{Body, Incoming},
    header::EXPECT,
};
use percent_encoding::percent_decode_str;

use super::{
    App,
    access::Access,
    body, credentials,
    relayed::{self, Download, Fault, Upload},
    reply::{self, Reply, ReplyBody},
    route::{refuse, wrong_method},
};
use crate::{
    api_error::{ApiError, Retry},
    translate,
    upstream::{ForwardError, UpstreamBody},
};

/// All but `CONNECT`, which is for another kind of proxy, and `TRACE`, whose answer would show the upstream key.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Whether `path`, still percent-encoded, is one of `listed`, of which a `*` at the end stands for any text.
pub(super) fn is_listed(listed: &[String], path: &str) -> bool {
    let matches = |listed: &String| match listed.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => listed == path,
    };
    listed.iter().any(matches) && !may_climb(path)
}

/// How many times over a path may be encoded. Nobody decodes as often, and each layer costs a pass over the path.
const MOST_LAYERS: usize = 8;

/// Whether a server might read in `path` that it leads out of its own beginning. Servers differ in how often they
/// decode and in what parts segments, so whatever can be read that way is.
fn may_climb(path: &str) -> bool {
    let mut path = Cow::Borrowed(path);
    let mut layers = 0;
    loop {
        let Ok(decoded) = percent_decode_str(&path).decode_utf8() else {
            return true;
        };
        if decoded == path {
            break;
        }
        if layers == MOST_LAYERS {
            return true;
        }
        layers += 1;
        path = Cow::Owned(decoded.into_owned());
    }
    let is_dots = |segment: &str| {
        let name = segment.split(';').next().unwrap_or_default();
        name == "." || name == ".."
    };
    path.contains(char::is_control) || path.split(['/', '\\']).any(is_dots)
}

/// Sends a request on once, whatever becomes of it, and its reply back. Neither body is ever whole in memory.
pub(super) async fn relay(
    app: &Arc<App>,
    request: Box<Request<Incoming>>,
    access: Access,
) -> Reply {
    let method = request.method().clone();
    if matches!(method, Method::CONNECT | Method::TRACE) {
        return wrong_method(&method, METHODS, access);
    }
    match forward(app, request, &access).await {
        Ok((reply, faults)) => {
            let (head, body) = reply.into_parts();
            let download = Download::new(body, head.status, access, faults, &app.relay.stop);
            Response::from_parts(head, ReplyBody::Relayed(Box::new(download)))
        }
        Err(error) => {
            let mut reply = refuse(&error, access);
            // Part of the body may still be under way.
            reply::close(reply.headers_mut());
            reply
        }
    }
}

async fn forward(
    app: &App,
    request: Box<Request<Incoming>>,
    access: &Access,
) -> Result<(Response<UpstreamBody>, relayed::Faults), ApiError> {
    let key = credentials::upstream_key(app, request.headers())?;
    let (mut head, incoming) = request.into_parts();
    let limit = app.settings.max_body;
    if incoming.size_hint().lower() > limit as u64 {
        if !head.headers.contains_key(EXPECT) {
            body::discard(incoming, &app.settings).await;
        }
        return Err(body::too_large(limit));
    }
    head.headers
        .insert(reply::REQUEST_ID, access.request_id().clone());
    let retry = match head.method {
        Method::GET | Method::HEAD => Retry::AsUsual,
        _ => Retry::Never,
    };
    let parent = access.parent();
    let (upload, mut faults) = Upload::new(incoming, &app.settings);
    let request = Request::from_parts(head, upload);
    let error = tokio::select! {
        reply = app.relay.upstream.forward(&key, parent.as_ref(), request) => match reply {
            Ok(reply) => return Ok((reply, faults)),
            Err(error) => error,
        },
        () = app.relay.stop.cancelled() => return Err(relayed::stopping().with_retry(retry)),
    };
    if let Ok(fault) = faults.try_recv() {
        let error = fault.to_error();
        if let Fault::TooLong { rest, .. } = fault {
            body::discard(rest, &app.settings).await;
        }
        return Err(error.with_retry(retry));
    }
    Err(match error {
        ForwardError::NotConnected(cause) => translate::unreachable(&cause),
        ForwardError::TimedOut(limit) => timed_out(limit).with_retry(retry),
        ForwardError::Broken(cause) => failed(&cause).with_retry(retry),
    })
}

fn timed_out(limit: Duration) -> ApiError {
    ApiError::new(
        504,
        "server_error",
        "upstream_timeout",
        format!(
            "FoxAPI did not answer within {limit:?} ('upstream.request_timeout'). It may have acted on the request."
        ),
    )
}

fn failed(cause: &str) -> ApiError {
    ApiError::new(
        502,
        "server_error",
        "upstream_failed",
        "FoxAPI did not answer the request. It may have acted on it.",
    )
    .with_detail(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_path_is_exact_or_begins_as_before_its_star() {
        let listed = ["/v1/embeddings", "/v1/files/*", "/v1/audio*"].map(String::from);
        for path in [
            "/v1/embeddings",
            "/v1/files/",
            "/v1/files/file-1/content",
            "/v1/files/a%2Fb",
            "/v1/files/a..b/...",
            "/v1/files/100%",
            "/v1/audio",
            "/v1/audio/speech",
        ] {
            assert!(is_listed(&listed, path), "{path}");
        }
        for path in [
            "/",
            "/v1/",
            "/v1/embedding",
            "/v1/embeddings/",
            "/v1/embeddings/x",
            "/v1/Embeddings",
            "/v1/files",
            "/v1%2ffiles/x",
            "/v1/x/../files/x",
            "/x/v1/files/x",
        ] {
            assert!(!is_listed(&listed, path), "{path}");
        }
        assert!(!is_listed(&[], "/v1/files"));
    }

    #[test]
    fn no_spelling_leads_out_of_a_listed_beginning() {
        let listed = ["/v1/files/*".to_owned()];
        for path in [
            "/v1/files/../tasks",
            "/v1/files/./x",
            "/v1/files/..",
            "/v1/files/%2e%2e/tasks",
            "/v1/files/.%2E/tasks",
            "/v1/files/..%2ftasks",
            "/v1/files/..%5Ctasks",
            "/v1/files/..\\tasks",
            "/v1/files/%252e%252e/tasks",
            "/v1/files/%25252e%25252e%25252ftasks",
            "/v1/files/..;x=1/tasks",
            "/v1/files/..%3b/tasks",
            "/v1/files/%00",
            "/v1/files/x%0d%0aHost:y",
            "/v1/files/%c0%ae%c0%ae/tasks",
        ] {
            assert!(!is_listed(&listed, path), "{path}");
        }
        let layers = |count: usize| format!("/v1/files/%{}41", "25".repeat(count - 1));
        assert!(is_listed(&listed, &layers(MOST_LAYERS)));
        assert!(!is_listed(&listed, &layers(MOST_LAYERS + 1)));
    }
}
