//! Addresses, URLs, origins and paths.

use std::net::{IpAddr, SocketAddr};

use figment::value::Value;
use hyper::Uri;

use super::parse::{Misfit, Parsed, integer, text, texts};

/// The port of the defaults, where somebody wrote an address without one.
const USUAL_PORT: u16 = 8080;

pub(super) fn listen(value: &Value) -> Parsed<SocketAddr> {
    if let Some(port) = integer(value).and_then(|port| u16::try_from(port).ok()) {
        return Err(whose_port(port));
    }
    let text = text(value)?;
    text.parse().map_err(|_| {
        if let Ok(ip) = text.parse::<IpAddr>() {
            let address = SocketAddr::new(ip, USUAL_PORT);
            return Misfit::hint(format!("with a port: \"{address}\""));
        }
        match text.rsplit(':').next().unwrap_or(text).parse() {
            Ok(port) => whose_port(port),
            Err(_) => Misfit::default(),
        }
    })
}

/// Names can mean several addresses and an empty host means any: which one is a decision, not a guess.
fn whose_port(port: u16) -> Misfit {
    Misfit::hint(format!(
        "write \"127.0.0.1:{port}\" for this machine alone or \"0.0.0.0:{port}\" for every interface"
    ))
}

/// Whether strangers could reach `ip`, for all that can be told from it. Every interface includes the public ones.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0b1100_0000 == 64;
            !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || is_shared)
        }
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
    }
}

/// Without a trailing slash. A URL that ends in /v1 would ask for /v1/v1/….
pub(super) fn base_url(value: &Value) -> Parsed<Uri> {
    let text = text(value)?;
    // The parser drops a fragment without a word.
    if text.contains(['#', '?']) {
        return Err(Misfit::default());
    }
    let trimmed = text.trim_end_matches('/');
    if let Some(root) = trimmed.strip_suffix("/v1") {
        return Err(Misfit::hint(format!(
            "leave /v1 out, foxbridge adds it: \"{}\"",
            super::literal::guarded_text(root)
        )));
    }
    let url: Uri = trimmed.parse().map_err(|_| Misfit::default())?;
    let is_web = matches!(url.scheme_str(), Some("http" | "https"));
    match url.authority() {
        Some(authority) if is_web && is_plain(authority) => Ok(url),
        _ => Err(Misfit::default()),
    }
}

/// A host and at most a port that exists; no user, no password.
fn is_plain(authority: &hyper::http::uri::Authority) -> bool {
    let host = authority.host();
    let port = authority.as_str().strip_prefix(host);
    !host.is_empty()
        && match port {
            Some("") => true,
            Some(_) => authority.port_u16().is_some_and(|port| port > 0),
            None => false,
        }
}

/// As browsers send them, so lower case and without a slash at the end.
pub(super) fn origins(value: &Value) -> Parsed<Vec<String>> {
    let origins: Vec<String> = texts(value)?.into_iter().map(str::to_lowercase).collect();
    let any = origins.iter().any(|origin| origin == "*");
    if any && origins.len() > 1 {
        return Err(Misfit::hint("\"*\" is every origin and stands alone"));
    }
    match origins.iter().find(|origin| !any && !is_origin(origin)) {
        Some(wrong) => Err(Misfit::hint(format!(
            "{} is not scheme://host or scheme://host:port",
            super::literal::guarded(&Value::from(wrong.as_str()))
        ))),
        None => Ok(origins),
    }
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let authority: Result<hyper::http::uri::Authority, _> = authority.parse();
    is_scheme && authority.is_ok_and(|authority| is_plain(&authority))
}

/// Paths for the upstream. One that is served here would never get there, so it is told rather than ignored.
pub(super) fn passthrough_paths(value: &Value) -> Parsed<Vec<String>> {
    let paths = texts(value)?;
    for path in &paths {
        let wrong = match path {
            path if is_served(path) => "foxbridge serves {} itself",
            path if !is_relayable(path) => "{} is not one",
            _ => continue,
        };
        let path = super::literal::guarded(&Value::from(*path));
        return Err(Misfit::hint(wrong.replace("{}", &path)));
    }
    Ok(paths.into_iter().map(str::to_owned).collect())
}

fn is_served(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    matches!(
        path,
        "/v1/chat/completions" | "/v1/completions" | "/v1/models"
    ) || path.starts_with("/v1/models/")
}

fn is_relayable(path: &str) -> bool {
    let rest = path.strip_prefix("/v1/").unwrap_or_default();
    !rest.is_empty()
        && !rest.contains("..")
        && !rest.strip_suffix('*').unwrap_or(rest).contains('*')
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"?#\\".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint<T: std::fmt::Debug>(parsed: Parsed<T>) -> String {
        parsed.unwrap_err().0.unwrap_or_default()
    }

    #[test]
    fn an_address_that_is_not_one_is_shown_the_right_form() {
        for (text, right) in [
            (":8080", "\"127.0.0.1:8080\" for this machine"),
            ("localhost:8080", "\"0.0.0.0:8080\" for every"),
            ("9000", "127.0.0.1:9000"),
            ("127.0.0.1", "\"127.0.0.1:8080\""),
            ("::1", "\"[::1]:8080\""),
        ] {
            assert!(hint(listen(&text.into())).contains(right), "{text}");
        }
        assert!(hint(listen(&9000_u32.into())).contains("127.0.0.1:9000"));
        for text in ["", "localhost", "127.0.0.1:99999", "256.0.0.1:x"] {
            assert_eq!(listen(&text.into()), Err(Misfit::default()), "{text}");
        }
        for text in ["127.0.0.1:0", "[::1]:8080", "0.0.0.0:80"] {
            assert!(listen(&text.into()).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_for_private_is_public() {
        for (text, public) in [
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("172.16.0.1", false),
            ("192.168.1.1", false),
            ("169.254.1.1", false),
            ("100.64.0.1", false),
            ("::1", false),
            ("fd00::1", false),
            ("fe80::1", false),
            ("::ffff:10.0.0.1", false),
            ("0.0.0.0", true),
            ("::", true),
            ("100.128.0.1", true),
            ("172.32.0.1", true),
            ("8.8.8.8", true),
            ("2a00::1", true),
            ("::ffff:8.8.8.8", true),
        ] {
            assert_eq!(is_public(text.parse().unwrap()), public, "{text}");
        }
    }

    #[test]
    fn a_base_url_is_a_web_address_without_extras() {
        for (text, url) in [
            ("https://api.foxapi.cc", "https://api.foxapi.cc/"),
            ("https://api.foxapi.cc/", "https://api.foxapi.cc/"),
            ("http://127.0.0.1:9090", "http://127.0.0.1:9090/"),
            ("http://[::1]:9090", "http://[::1]:9090/"),
            (
                "https://gateway.example/fox/",
                "https://gateway.example/fox",
            ),
            ("HTTPS://api.foxapi.cc", "https://api.foxapi.cc/"),
        ] {
            let parsed = base_url(&text.into()).unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(parsed.to_string(), url);
        }
        for text in [
            "",
            "api.foxapi.cc",
            "api.foxapi.cc:443",
            "ftp://api.foxapi.cc",
            "https://",
            "https://:443",
            "https:///path",
            "https://h:0",
            "https://h:",
            "https://h:99999",
            "https://user:pass@h",
            "https://@h",
            "https://h?x=1",
            "https://h#x",
            "https://a b",
            "/v1",
        ] {
            assert!(base_url(&text.into()).is_err(), "{text}");
        }
        for text in ["https://api.foxapi.cc/v1", "https://api.foxapi.cc/v1/"] {
            assert!(hint(base_url(&text.into())).contains("\"https://api.foxapi.cc\""));
        }
    }

    #[test]
    fn origins_are_compared_with_what_browsers_send() {
        let list = |items: &[&str]| origins(&Value::from(items.to_vec()));
        assert_eq!(list(&[]), Ok(vec![]));
        assert_eq!(list(&["*"]), Ok(vec!["*".to_owned()]));
        assert_eq!(
            list(&[
                "HTTPS://App.Example",
                "http://localhost:3000",
                "tauri://localhost"
            ]),
            Ok(vec![
                "https://app.example".to_owned(),
                "http://localhost:3000".to_owned(),
                "tauri://localhost".to_owned()
            ])
        );
        for wrong in [
            "https://app.example/",
            "app.example",
            "null",
            "https://",
            "",
            "https://a/b",
            "https://a?x",
        ] {
            assert!(list(&[wrong]).is_err(), "{wrong}");
        }
        assert!(hint(list(&["*", "https://a"])).contains("stands alone"));
        assert!(origins(&"https://a".into()).is_err());
    }

    #[test]
    fn a_passthrough_path_is_one_that_can_be_relayed() {
        let list = |items: &[&str]| passthrough_paths(&Value::from(items.to_vec()));
        assert_eq!(list(&[]), Ok(vec![]));
        for path in [
            "/v1/embeddings",
            "/v1/files/*",
            "/v1/audio*",
            "/v1/*",
            "/v1/chat/completions/*",
            "/v1/images/edits/",
        ] {
            assert_eq!(list(&[path]), Ok(vec![path.to_owned()]));
        }
        for path in [
            "",
            "embeddings",
            "/embeddings",
            "v1/embeddings",
            "/v1",
            "/v1/",
            "/v1embeddings",
            "/v1/*/content",
            "/v1/**",
            "/v1/files?purpose=x",
            "/v1/files#x",
            "/v1/../admin",
            "/v1/a b",
            "/v1/a\\b",
            "/v1/é",
            "https://api.foxapi.cc/v1/files",
        ] {
            assert!(
                hint(list(&["/v1/files", path])).contains("is not one"),
                "{path}"
            );
        }
        for path in [
            "/v1/chat/completions",
            "/v1/completions",
            "/v1/models",
            "/v1/models/",
            "/v1/models/*",
        ] {
            assert!(hint(list(&[path])).contains("itself"), "{path}");
        }
        assert!(passthrough_paths(&"/v1/files".into()).is_err());
    }
}
