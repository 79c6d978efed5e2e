//! How clients and supervisors are served, and what is told.

use super::{COUNT, COUNT_OR_ZERO, DURATION, DURATION_OR_ZERO, Form, Key, SIZE};

pub(in crate::config) const SERVER_THREADS: Key = Key {
    name: "server.threads",
    default: None,
    form: Form::Whole,
    expected: "a whole number from 1 to 1000",
    why: "How many threads serve clients; one for every two cores that foxbridge may use, unless you set it.",
};
pub(in crate::config) const SERVER_MAX_BODY: Key = Key {
    name: "server.max_body",
    default: Some("32MiB"),
    form: Form::Text,
    expected: SIZE,
    why: "The longest request that is read; room for 20 MB of inline media.",
};
pub(in crate::config) const SERVER_MAX_IN_FLIGHT: Key = Key {
    name: "server.max_in_flight",
    default: Some("10000"),
    form: Form::Whole,
    expected: COUNT,
    why: "The most requests that are being answered; one more is refused at once, for a queue without end helps nobody.",
};
pub(in crate::config) const SERVER_MAX_CONNECTIONS: Key = Key {
    name: "server.max_connections",
    default: Some("12000"),
    form: Form::Whole,
    expected: COUNT,
    why: "The most connections of clients; more than requests in flight, because clients keep idle ones for the next request.",
};
pub(in crate::config) const SERVER_MAX_CONNECTIONS_PER_ADDRESS: Key = Key {
    name: "server.max_connections_per_address",
    default: Some("0"),
    form: Form::Whole,
    expected: COUNT_OR_ZERO,
    why: "The most of these from one address, an IPv6 /64 being one; 0 is no limit, as all clients may come through one.",
};
pub(in crate::config) const SERVER_READ_TIMEOUT: Key = Key {
    name: "server.read_timeout",
    default: Some("60s"),
    form: Form::Text,
    expected: DURATION,
    why: "How long a client may take to send its headers, then its body; how long it may read nothing, and how long ask nothing.",
};
pub(in crate::config) const SERVER_DRAIN_DELAY: Key = Key {
    name: "server.drain_delay",
    default: Some("0s"),
    form: Form::Text,
    expected: DURATION_OR_ZERO,
    why: "How long requests are still taken after SIGTERM, when /readyz says no already; for load balancers that need to see it.",
};
pub(in crate::config) const SERVER_SHUTDOWN_GRACE: Key = Key {
    name: "server.shutdown_grace",
    default: Some("30s"),
    form: Form::Text,
    expected: DURATION_OR_ZERO,
    why: "How long requests in flight may go on after SIGTERM; keep it below the supervisor's own limit.",
};
pub(in crate::config) const SERVER_SYNC_KEEPALIVE: Key = Key {
    name: "server.sync_keepalive",
    default: Some("0s"),
    form: Form::Text,
    expected: "a duration below \"60s\", the silence at which load balancers cut, such as \"20s\"; \"0s\" is off",
    why: "How often a space keeps a load balancer waiting for an answer in one piece; a failure then breaks off a 200.",
};
pub(in crate::config) const SERVER_CORS_ORIGINS: Key = Key {
    name: "server.cors_origins",
    default: Some(""),
    form: Form::List,
    expected: "a list of origins such as [\"https://app.example\"], or [\"*\"] alone",
    why: "Web pages whose browsers may call; none by default, [\"*\"] is any.",
};
pub(in crate::config) const SERVER_KEYS_FILE: Key = Key {
    name: "server.keys_file",
    default: None,
    form: Form::Text,
    expected: "a readable TOML file with a [[key]] for each client, as \"foxbridge key\" prints it",
    why: "Clients' own keys, each with its models and limits; nobody else is served then. None: whoever likes may call.",
};
pub(in crate::config) const SERVER_TLS_CERT: Key = Key {
    name: "server.tls_cert",
    default: None,
    form: Form::Text,
    expected: "a readable PEM file with the certificate and what leads to its authority, together with server.tls_key",
    why: "The certificate that clients are shown, and its chain, in PEM; then they speak TLS. Read again when it changes.",
};
pub(in crate::config) const SERVER_TLS_KEY: Key = Key {
    name: "server.tls_key",
    default: None,
    form: Form::Text,
    expected: "a readable PEM file with the private key of the certificate, together with server.tls_cert",
    why: "Its private key, in PEM and without a password.",
};
pub(in crate::config) const SERVER_TLS_CLIENT_CA: Key = Key {
    name: "server.tls_client_ca",
    default: None,
    form: Form::Text,
    expected: "a readable PEM file with at least one valid certificate, together with server.tls_cert and server.tls_key",
    why: "Certificate authorities for clients: who has no certificate of theirs is turned away during the handshake.",
};
pub(in crate::config) const ADMIN_LISTEN: Key = Key {
    name: "admin.listen",
    default: None,
    form: Form::Text,
    expected: "an IP address and a port of its own, such as \"127.0.0.1:9090\" or \"0.0.0.0:9090\"",
    why: "Where supervisors ask GET /livez, GET /readyz and GET /metrics; keep clients away from it.",
};
pub(in crate::config) const ADMIN_ALLOW_PUBLIC: Key = Key {
    name: "admin.allow_public",
    default: Some("false"),
    form: Form::Bool,
    expected: "true or false",
    why: "Whether admin.listen may be an address that strangers could reach; for pods, whose probes come from outside.",
};
pub(in crate::config) const PASSTHROUGH_PATHS: Key = Key {
    name: "passthrough.paths",
    default: Some(""),
    form: Form::List,
    expected: "a list of paths under /v1/ such as [\"/v1/embeddings\", \"/v1/files/*\"], without query, .. or a * before the end",
    why: "What foxbridge does not serve itself and relays unchanged to FoxAPI; a * at the end is any text.",
};
pub(in crate::config) const LOG_LEVEL: Key = Key {
    name: "log.level",
    default: Some("info"),
    form: Form::Text,
    expected: "off, error, warn, info, debug or trace, or a list with targets such as \"info,hyper=warn\"",
    why: "How much is logged, if need be for each target.",
};
pub(in crate::config) const LOG_FORMAT: Key = Key {
    name: "log.format",
    default: Some("text"),
    form: Form::Text,
    expected: "\"text\" or \"json\"",
    why: "text for people, json (one object a line) for a log collector.",
};
