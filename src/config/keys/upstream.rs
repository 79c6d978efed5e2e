//! Where the upstream is, with which keys it is asked, and how it is spared.

use super::{DURATION, DURATION_OR_ZERO, Form, Key, SIZE};

pub(in crate::config) const UPSTREAM_BASE_URL: Key = Key {
    name: "upstream.base_url",
    default: Some("https://api.foxapi.cc"),
    form: Form::Text,
    expected: "an http or https URL with a host, without user, query or fragment, such as \"https://api.foxapi.cc\"",
    why: "Which FoxAPI is asked; without /v1, a path prefix is kept.",
};
pub(in crate::config) const UPSTREAM_API_KEY: Key = Key {
    name: "upstream.api_key",
    default: None,
    form: Form::Secret,
    expected: "the key alone: visible ASCII characters without spaces",
    why: "One FoxAPI key for all callers; when absent, each caller's own bearer key goes upstream.",
};
pub(in crate::config) const UPSTREAM_API_KEY_FILE: Key = Key {
    name: "upstream.api_key_file",
    default: None,
    form: Form::Text,
    expected: "a readable file that holds the key alone: visible ASCII characters without spaces",
    why: "The same key from a file, such as a mounted secret; a trailing newline is ignored.",
};
pub(in crate::config) const UPSTREAM_KEYS_FILE: Key = Key {
    name: "upstream.keys_file",
    default: None,
    form: Form::Text,
    expected: "a readable TOML file of [[key]] tables with name, key and, if you like, weight",
    why: "Several FoxAPI keys instead of one, with weights; a refused one rests, and the next is taken for the same request.",
};
pub(in crate::config) const UPSTREAM_CA: Key = Key {
    name: "upstream.ca",
    default: Some("bundled"),
    form: Form::Text,
    expected: "\"bundled\" or \"system\"",
    why: "Certificate authorities to trust: the public ones that foxbridge brings, or those of the operating system instead.",
};
pub(in crate::config) const UPSTREAM_CA_FILE: Key = Key {
    name: "upstream.ca_file",
    default: None,
    form: Form::Text,
    expected: "a readable PEM file with at least one valid certificate",
    why: "Certificate authorities to trust besides those, for a private gateway or a test.",
};
pub(in crate::config) const UPSTREAM_CONNECT_TIMEOUT: Key = Key {
    name: "upstream.connect_timeout",
    default: Some("10s"),
    form: Form::Text,
    expected: DURATION,
    why: "DNS, TCP and TLS together; nothing was sent yet, so failing early costs nothing.",
};
pub(in crate::config) const UPSTREAM_REQUEST_TIMEOUT: Key = Key {
    name: "upstream.request_timeout",
    default: Some("60s"),
    form: Form::Text,
    expected: DURATION,
    why: "One submit or one query until its whole reply is read; a submit cut off here may still be billed.",
};
pub(in crate::config) const UPSTREAM_MAX_REPLY: Key = Key {
    name: "upstream.max_reply",
    default: Some("64MiB"),
    form: Form::Text,
    expected: SIZE,
    why: "The longest upstream reply that is read into memory.",
};
pub(in crate::config) const UPSTREAM_MODELS_CACHE: Key = Key {
    name: "upstream.models_cache",
    default: Some("60s"),
    form: Form::Text,
    expected: DURATION_OR_ZERO,
    why: "How long a caller's model list is kept; 0s asks every time.",
};
pub(in crate::config) const UPSTREAM_BREAKER: Key = Key {
    name: "upstream.breaker",
    default: Some("80%"),
    form: Form::Text,
    expected: "a share above \"0%\" and at most \"100%\", such as \"80%\"; or \"off\"",
    why: "How many of the last 20 submits must fail (10 at least) for new ones to be refused at once for a while.",
};
pub(in crate::config) const UPSTREAM_BREAKER_PAUSE: Key = Key {
    name: "upstream.breaker_pause",
    default: Some("5s"),
    form: Form::Text,
    expected: DURATION,
    why: "How long that is before one submit finds out; twice as long each time that it fails too, up to a minute.",
};
pub(in crate::config) const UPSTREAM_RETRY_BUDGET: Key = Key {
    name: "upstream.retry_budget",
    default: Some("20%"),
    form: Form::Text,
    expected: "a share from \"0%\" to \"100%\", such as \"20%\"",
    why: "How many calls may be repeated for each new submit, besides 10 a second: a sick upstream is not hit harder.",
};
