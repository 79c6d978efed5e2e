use std::{
    error::Error,
    fmt::Write,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT},
};
use tokio::time::{Instant, timeout_at};

use crate::{
    fox::Failure,
    metrics::{Call, Metrics, Trouble},
};

use super::{
    Key, Parent, Settings, body::RequestBody, connect::Connector, connection::UpstreamBody,
    health::Health, keychain::Keychain, pool::Pool, protection::Protection,
};

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("foxbridge/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// FoxAPI, with a pool of connections to it. Cheap to clone.
#[derive(Clone)]
pub struct Upstream {
    pub(super) pool: Arc<Pool>,
    pub(super) settings: Arc<Settings>,
    /// The base URL's path without a slash at its end, which is mostly nothing.
    prefix: Arc<str>,
    pub(super) keychain: Option<Arc<Keychain>>,
    pub(super) protection: Arc<Protection>,
    pub(super) metrics: Metrics,
    pub(super) health: Health,
}

/// Why there can be no connection to the upstream, ever.
#[derive(Debug, thiserror::Error)]
pub enum Setup {
    #[error("upstream.ca_file: cannot read {path}: {cause}")]
    CaFile { path: PathBuf, cause: String },
    #[error(
        "upstream.ca = \"system\": this system has no certificate authorities that can be read{0}; install them (on \
         Debian and Ubuntu: apt install ca-certificates), name them in SSL_CERT_FILE, or set upstream.ca = \"bundled\""
    )]
    NoAuthorities(String),
    #[error("upstream.ca_file: a certificate cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    #[error("upstream.api_key: it is empty or holds characters that no key has")]
    Key,
    #[error("upstream.keys_file: a key is empty or holds characters that no key has")]
    Keys,
}

/// A call that brought no reply. The text is for the operator.
#[derive(Debug)]
pub(super) enum NoReply {
    /// Nothing was sent.
    NotConnected(String),
    /// Something may have been sent.
    Broken(String),
    /// A reply came, and it is longer than `upstream.max_reply`.
    TooLong(String),
}

impl NoReply {
    pub(super) fn trouble(&self) -> Trouble {
        match self {
            Self::NotConnected(_) => Trouble::Connect,
            Self::Broken(_) => Trouble::Cut,
            Self::TooLong(_) => Trouble::Unreadable,
        }
    }

    pub(super) fn cause(self) -> String {
        match self {
            Self::NotConnected(cause) | Self::Broken(cause) | Self::TooLong(cause) => cause,
        }
    }
}

/// A reply, whole.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }

    /// What the upstream says went wrong; `None` when the reply is not its own.
    pub(super) fn failure(&self, key: &Key) -> Option<Failure> {
        Failure::of_reply(&self.body).map(|failure| key.redacted(failure))
    }
}

impl Upstream {
    /// Reads the authorities to trust; connects to nothing yet.
    pub fn new(settings: Settings, metrics: Metrics) -> Result<Self, Setup> {
        let connector = Connector::trusting(&settings)?;
        let pool = Arc::new(Pool::new(connector, &settings.base_url));
        let keychain = match (&settings.keys, &settings.api_key) {
            (Some(keys), _) => Some(Keychain::new(keys, None).ok_or(Setup::Keys)?),
            (None, Some(key)) => Some(Keychain::of_one(Key::new(key).ok_or(Setup::Key)?)),
            (None, None) => None,
        };
        Ok(Self {
            pool,
            keychain: keychain.map(Arc::new),
            protection: Arc::new(Protection::new(&settings)),
            prefix: settings.base_url.path().trim_end_matches('/').into(),
            settings: Arc::new(settings),
            metrics,
            health: Health::default(),
        })
    }

    /// The same upstream, reached over connections that nobody else uses.
    pub fn with_connections_of_its_own(&self) -> Self {
        Self {
            pool: Arc::new(self.pool.emptied()),
            ..self.clone()
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The request target of `path` under the base URL.
    pub(super) fn target(&self, path: &str) -> Result<Uri, NoReply> {
        let target = match &*self.prefix {
            "" => Uri::try_from(path),
            prefix => Uri::try_from(format!("{prefix}{path}")),
        };
        target.map_err(|error| NoReply::NotConnected(error.to_string()))
    }

    pub(super) fn request(
        method: Method,
        target: Uri,
        key: &Key,
        parent: Option<&Parent>,
        body: Option<Bytes>,
    ) -> Request<RequestBody> {
        let has_body = body.is_some();
        let mut request = Request::new(RequestBody::whole(body.unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() = target;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, key.header());
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT, JSON);
        if has_body {
            headers.insert(CONTENT_TYPE, JSON);
        }
        if let Some(parent) = parent {
            parent.mark(headers);
        }
        request
    }

    /// Sends a request and reads its whole reply, within `upstream.request_timeout` and `upstream.max_reply`.
    pub(super) async fn call(
        &self,
        call: Call,
        request: Request<RequestBody>,
    ) -> Result<Reply, NoReply> {
        self.call_by(None, call, request).await
    }

    /// The same, and before `deadline` (`task.deadline`) if there is one.
    pub(super) async fn call_by(
        &self,
        deadline: Option<Instant>,
        call: Call,
        request: Request<RequestBody>,
    ) -> Result<Reply, NoReply> {
        let limit = self.settings.request_timeout;
        let at = Instant::now() + limit;
        let earlier = deadline.filter(|deadline| *deadline < at);
        // Pinned here, because it is large and would be moved into the time-out.
        let exchange = pin!(self.exchange(request));
        match timeout_at(earlier.unwrap_or(at), exchange).await {
            Ok(Ok(reply)) if reply.status.as_u16() < 300 => Ok(reply),
            Ok(replied) => {
                let trouble = match &replied {
                    Ok(reply) => Trouble::Status(reply.status.as_u16()),
                    Err(error) => error.trouble(),
                };
                self.metrics.upstream_error(call, trouble);
                replied
            }
            Err(_) => {
                self.metrics.upstream_error(call, Trouble::Timeout);
                Err(NoReply::Broken(match earlier {
                    Some(_) => "no reply before 'task.deadline'".into(),
                    None => format!("no reply within {limit:?} ('upstream.request_timeout')"),
                }))
            }
        }
    }

    /// Something went wrong with a call that is not made by [`Self::call`], or behind its reply.
    pub(super) fn count(&self, call: Call, trouble: Trouble) {
        self.metrics.upstream_error(call, trouble);
    }

    /// A task's stream broke off.
    pub fn count_cut(&self) {
        self.count(Call::Stream, Trouble::Cut);
    }

    async fn exchange(&self, request: Request<RequestBody>) -> Result<Reply, NoReply> {
        let (head, body) = self.send(request).await?.into_parts();
        let limit = self.settings.max_reply;
        let body = Limited::new(body, limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                return NoReply::TooLong(format!(
                    "a reply over {limit} bytes ('upstream.max_reply')"
                ));
            }
            let (status, cause) = (head.status, chain(&*error));
            NoReply::Broken(format!(
                "status {status}, then the reply broke off: {cause}"
            ))
        })?;
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    }

    /// Sends a request and reads the head of its reply.
    pub(super) async fn send(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<UpstreamBody>, NoReply> {
        let sent = self.pool.send(request).await;
        match &sent {
            Err(NoReply::NotConnected(_)) => self.health.is_not_reached(),
            _ => self.health.is_alive(),
        }
        sent
    }
}

/// An error with all of its causes, in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}

/// How long the upstream asks to be left alone: `retry-after-ms`, or `retry-after` in seconds or as a date; at most a
/// day.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let in_milliseconds = || {
        text("retry-after-ms")?
            .parse()
            .ok()
            .map(Duration::from_millis)
    };
    let in_seconds = || text("retry-after")?.parse().ok().map(Duration::from_secs);
    let as_date = || {
        let at = httpdate::parse_http_date(text("retry-after")?).ok()?;
        Some(at.duration_since(SystemTime::now()).unwrap_or_default())
    };
    let asked = in_milliseconds().or_else(in_seconds).or_else(as_date)?;
    Some(asked.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_each_of_its_forms() {
        let read = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
            retry_after(&headers)
        };
        assert_eq!(read("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(
            read("retry-after-ms", "1500"),
            Some(Duration::from_millis(1500))
        );
        assert_eq!(
            read("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"),
            Some(Duration::ZERO)
        );
        assert_eq!(
            read("retry-after", "18446744073709551615"),
            Some(Duration::from_secs(86_400))
        );
        assert_eq!(read("retry-after", "soon"), None);
        assert_eq!(read("x-other", "1"), None);
    }
}
