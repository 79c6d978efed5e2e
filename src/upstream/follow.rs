use std::time::Duration;

use hyper::{
    Method, Uri,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
};

use super::{Key, Parent, Upstream, UpstreamBody};
use crate::{
    fox::{Task, paths},
    metrics::{Call, Trouble},
};

/// Why a stream is not open. The text is for the operator.
#[derive(Debug)]
pub struct NotOpened {
    pub retry_after: Option<Duration>,
    pub cause: String,
}

/// The task's stream is said to be on another host, and the key goes to no other host.
#[derive(Debug, thiserror::Error)]
#[error("the task's stream is said to be at {0}, which is not under 'upstream.base_url'")]
pub struct Foreign(String);

impl Upstream {
    /// The request target of a task's stream: at the path or URL that the submit named, if it is on the upstream's own host
    /// (CONTRACT.md, section 1), or at the documented path when it named none.
    pub fn stream_target(&self, task: &Task) -> Result<Uri, Foreign> {
        let base = &self.settings().base_url;
        let documented = || {
            self.target(&paths::stream(&task.id))
                .map_err(|_| Foreign(task.id.clone()))
        };
        let Some(url) = task.stream_url.as_deref() else {
            return documented();
        };
        if url.starts_with('/') && !url.starts_with("//") {
            // With a path prefix in the base URL, the upstream behind it does not know of the prefix.
            let prefix = base.path().trim_end_matches('/');
            let path = url
                .strip_prefix(prefix)
                .filter(|rest| rest.starts_with('/'))
                .unwrap_or(url);
            return self.target(path).map_err(|_| Foreign(url.into()));
        }
        match Uri::try_from(url) {
            Ok(uri) if origin(&uri).is_some() && origin(&uri) == origin(base) => Ok(uri
                .into_parts()
                .path_and_query
                .map(Uri::from)
                .unwrap_or_default()),
            _ => Err(Foreign(url.chars().take(200).collect())),
        }
    }

    /// `GET …/stream` (CONTRACT.md, section 3). Neither the reply's head nor its body has a time limit here: a
    /// service may send the head with the first chunk.
    pub async fn follow(
        &self,
        key: &Key,
        parent: Option<&Parent>,
        target: Uri,
    ) -> Result<UpstreamBody, NotOpened> {
        let mut request = Self::request(Method::GET, target, key, parent, None);
        request
            .headers_mut()
            .insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let reply = self.send(request).await.map_err(|error| {
            self.count(Call::Stream, error.trouble());
            NotOpened {
                retry_after: None,
                cause: error.cause(),
            }
        })?;
        let (head, body) = reply.into_parts();
        let kind = head
            .headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or("-");
        if head.status.is_success() && kind.starts_with("text/event-stream") {
            return Ok(body);
        }
        self.count(
            Call::Stream,
            match head.status.is_success() {
                true => Trouble::Unreadable,
                false => Trouble::Status(head.status.as_u16()),
            },
        );
        Err(NotOpened {
            retry_after: super::client::retry_after(&head.headers),
            cause: format!("status {}, content type {kind}", head.status),
        })
    }
}

/// Scheme, host and port, with the port that the scheme implies.
fn origin(uri: &Uri) -> Option<(String, String, u16)> {
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let implied = if scheme == "https" { 443 } else { 80 };
    let authority = uri.authority()?;
    if authority.as_str().contains('@') {
        return None;
    }
    let host = authority.host().to_ascii_lowercase();
    Some((scheme, host, authority.port_u16().unwrap_or(implied)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fox::State, upstream::Settings};

    fn resolve(base: &str, url: Option<&str>) -> Option<String> {
        let upstream = Upstream::new(
            Settings {
                base_url: base.parse().unwrap(),
                api_key: None,
                keys: None,
                ca: crate::upstream::Authorities::Bundled,
                ca_file: None,
                connect_timeout: Duration::from_secs(1),
                request_timeout: Duration::from_secs(1),
                max_reply: 1,
                models_cache: Duration::ZERO,
                breaker: None,
                breaker_pause: Duration::ZERO,
                retry_budget: 0.0,
            },
            crate::metrics::Metrics::new("0"),
        )
        .unwrap();
        let task = Task {
            id: "t".into(),
            state: State::Running,
            stream_url: url.map(Into::into),
        };
        upstream
            .stream_target(&task)
            .ok()
            .map(|uri| uri.to_string())
    }

    #[tokio::test]
    async fn the_key_goes_to_no_other_host() {
        let base = "https://api.foxapi.cc";
        let documented = "/v1/llm/generations/t/stream";
        assert_eq!(resolve(base, None).as_deref(), Some(documented));
        assert_eq!(
            resolve(base, Some("/v1/llm/generations/t/stream")).as_deref(),
            Some(documented)
        );
        let absolute = format!("{base}{documented}");
        assert_eq!(resolve(base, Some(&absolute)).as_deref(), Some(documented));
        assert_eq!(
            resolve(base, Some("https://API.foxapi.cc:443/s?a=b")).as_deref(),
            Some("/s?a=b")
        );
        for foreign in [
            "https://evil.example/s",
            "//evil.example/s",
            "http://api.foxapi.cc/s",
            "https://api.foxapi.cc:8443/s",
            "https://api.foxapi.cc@evil.example/s",
            "https://api.foxapi.cc.evil.example/s",
            "https://evil.example:x@api.foxapi.cc/s",
            "stream",
            "",
        ] {
            assert_eq!(resolve(base, Some(foreign)), None, "{foreign}");
        }
    }

    #[tokio::test]
    async fn a_path_prefix_is_kept_and_not_repeated() {
        let base = "https://gateway.example/fox/";
        for url in ["/v1/s", "/fox/v1/s"] {
            assert_eq!(resolve(base, Some(url)).as_deref(), Some("/fox/v1/s"));
        }
    }
}
