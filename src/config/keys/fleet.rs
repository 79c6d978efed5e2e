//! Where replicas share the ledger: `ledger.redis_*` and `ledger.if_unavailable`.

use super::{DURATION, Form, Key};

pub(in crate::config) const LEDGER_REDIS_TOPOLOGY: Key = Key {
    name: "ledger.redis_topology",
    default: Some("single"),
    form: Form::Text,
    expected: "\"single\", \"cluster\", or \"sentinel:\" and the master's name, such as \"sentinel:mymaster\"",
    why: "What the hosts of ledger.store are: one server, nodes of a Redis Cluster, or sentinels.",
};
pub(in crate::config) const LEDGER_REDIS_PASSWORD_FILE: Key = Key {
    name: "ledger.redis_password_file",
    default: None,
    form: Form::Text,
    expected: "a readable file that holds the password alone: visible ASCII characters without spaces",
    why: "The password for Redis; the user, if it has one, stands in ledger.store.",
};
pub(in crate::config) const LEDGER_REDIS_CA_FILE: Key = Key {
    name: "ledger.redis_ca_file",
    default: None,
    form: Form::Text,
    expected: "a readable PEM file with at least one valid certificate, where ledger.store begins with rediss://",
    why: "Certificate authorities to trust for rediss:// instead of the operating system's.",
};
pub(in crate::config) const LEDGER_REDIS_TIMEOUT: Key = Key {
    name: "ledger.redis_timeout",
    default: Some("250ms"),
    form: Form::Text,
    expected: DURATION,
    why: "How long a request waits for one answer of Redis; then Redis is taken for away until it answers again.",
};
pub(in crate::config) const LEDGER_IF_UNAVAILABLE: Key = Key {
    name: "ledger.if_unavailable",
    default: Some("serve"),
    form: Form::Text,
    expected: "\"serve\" or \"refuse\"",
    why: "While Redis is away: go on, each replica for itself, or refuse whatever would buy with a 503.",
};
