use hyper::header::{AUTHORIZATION, HeaderMap};
use secrecy::SecretString;

use super::App;
use crate::{api_error::ApiError, upstream::Key};

/// The key that a request goes upstream with: a configured one, else the caller's own.
pub(super) fn upstream_key(app: &App, headers: &HeaderMap) -> Result<Key, ApiError> {
    if let Some(key) = app.relay.upstream.own_key() {
        return Ok(key);
    }
    bearer(headers).and_then(|key| Key::new(&key)).ok_or_else(|| {
        ApiError::invalid_request(
            401,
            "invalid_api_key",
            "You didn't provide a usable API key. Send your FoxAPI key as 'Authorization: Bearer sk-…' (in most \
             clients: the api_key setting or OPENAI_API_KEY), or have the operator set 'upstream.api_key'.",
        )
    })
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.trim().split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| key.trim().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn bearer_keys() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            bearer(&headers).map(|key| key.expose_secret().to_string())
        };
        assert_eq!(read("Bearer sk-1").as_deref(), Some("sk-1"));
        assert_eq!(read("bearer  sk-1 ").as_deref(), Some("sk-1"));
        assert_eq!(read("Basic dXNlcg=="), None);
        assert_eq!(read("sk-1"), None);
        assert_eq!(bearer(&HeaderMap::new()).map(|_| ()), None);
    }
}
