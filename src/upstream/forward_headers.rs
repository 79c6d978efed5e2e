//! Which headers of a forwarded request and of its reply are for the other end.

use hyper::{
    HeaderMap, Version,
    header::{
        AUTHORIZATION, CONNECTION, COOKIE, EXPECT, FORWARDED, HOST, HeaderName, HeaderValue,
        PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, STRICT_TRANSPORT_SECURITY, TE,
        TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
    },
};

use super::Key;

/// What one connection is told, besides what its `Connection` header names (RFC 9110, section 7.6.1). Trailers are
/// not passed on, so neither is their announcement.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What a caller says to this host alone: the host's name, its credentials, and an expectation that is met here.
const FOR_THIS_HOST: [HeaderName; 4] = [HOST, AUTHORIZATION, COOKIE, EXPECT];

/// Where the caller is, as fronts tell it to those that trust them. The upstream cannot trust a caller's word, and
/// need not know.
const CALLERS_ADDRESS: [&str; 6] = [
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
];

/// Some servers serve the path that these name instead of the requested one, which is the one that was allowed.
const OTHER_PATH: [&str; 4] = [
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-original-host",
];

/// What the upstream says of its own host, which is not the host that the caller asked.
const OF_THE_UPSTREAMS_HOST: [HeaderName; 4] = [
    SET_COOKIE,
    HeaderName::from_static("set-cookie2"),
    STRICT_TRANSPORT_SECURITY,
    HeaderName::from_static("alt-svc"),
];

/// A request's headers as they go on, still without a key.
pub(super) fn for_upstream(mut headers: HeaderMap, version: Version) -> HeaderMap {
    remove(&mut headers, |name, _| {
        FOR_THIS_HOST.contains(name)
            || *name == FORWARDED
            || name.as_str().starts_with("x-forwarded-")
            || CALLERS_ADDRESS.contains(&name.as_str())
            || OTHER_PATH.contains(&name.as_str())
    });
    // A gateway names itself to the inner server (RFC 9110, section 7.6.3), which also shows loops.
    let via = match version {
        Version::HTTP_2 => "2 foxbridge",
        Version::HTTP_10 => "1.0 foxbridge",
        _ => "1.1 foxbridge",
    };
    headers.append(VIA, HeaderValue::from_static(via));
    headers
}

/// Leaves of a reply's headers what is for the caller. Which scripts may read it is for this host to say, and the key
/// stays here even when the upstream reflects it.
pub(super) fn clean_for_client(headers: &mut HeaderMap, key: &Key) {
    remove(headers, |name, value| {
        OF_THE_UPSTREAMS_HOST.contains(name)
            || name.as_str().starts_with("access-control-")
            || key.is(value)
    });
}

fn remove(headers: &mut HeaderMap, is_unwanted: impl Fn(&HeaderName, &HeaderValue) -> bool) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    let unwanted: Vec<HeaderName> = headers
        .iter()
        .filter(|(name, value)| HOP_BY_HOP.contains(name) || is_unwanted(name, value))
        .map(|(name, _)| name.clone())
        .collect();
    for name in named.iter().chain(&unwanted) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_is_not_for_the_upstream_stays() {
        let sent = headers(&[
            ("accept", "a"),
            ("authorization", "Bearer sk-caller"),
            ("connection", "close, X-One ,"),
            ("connection", "x-two"),
            ("content-length", "3"),
            ("cookie", "c=1"),
            ("expect", "100-continue"),
            ("forwarded", "for=1.2.3.4"),
            ("host", "here"),
            ("openai-beta", "b"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-one", "1"),
            ("x-original-url", "/admin"),
            ("x-real-ip", "1.2.3.4"),
            ("x-two", "2"),
        ]);
        let sent = for_upstream(sent, Version::HTTP_11);
        assert_eq!(
            names(&sent),
            ["accept", "content-length", "openai-beta", "via"]
        );
    }

    #[test]
    fn a_via_is_added_to_those_that_there_are() {
        let sent = for_upstream(headers(&[("via", "1.1 front")]), Version::HTTP_2);
        let via: Vec<_> = sent.get_all("via").iter().collect();
        assert_eq!(via, ["1.1 front", "2 foxbridge"]);
    }

    #[test]
    fn what_is_not_for_the_caller_stays() {
        let key = Key::new(&"sk-operator".into()).unwrap();
        let mut reply = headers(&[
            ("access-control-allow-origin", "*"),
            ("alt-svc", "h3=\":443\""),
            ("connection", "keep-alive"),
            ("content-type", "text/plain"),
            ("keep-alive", "timeout=5"),
            ("location", "/elsewhere"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=1"),
            ("strict-transport-security", "max-age=1"),
            ("transfer-encoding", "chunked"),
            ("x-reflected", "Bearer sk-operator"),
            ("x-reflected-key", "sk-operator"),
            ("x-should-retry", "false"),
        ]);
        clean_for_client(&mut reply, &key);
        assert_eq!(
            names(&reply),
            ["content-type", "location", "x-should-retry"]
        );
    }
}
