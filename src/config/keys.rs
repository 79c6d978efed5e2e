//! Every setting by name: the one table behind the unknown-key check, the faults, `foxbridge check` and the
//! tables in README.md and proxy.toml.

mod fleet;
mod serving;
mod upstream;

pub(super) use fleet::*;
pub(super) use serving::*;
pub(super) use upstream::*;

/// One setting of proxy.toml.
#[derive(Debug)]
pub struct Key {
    /// Dotted as in TOML: `task.deadline`.
    pub name: &'static str,
    /// As typed into an environment variable; `None` where the setting is absent unless somebody gives it.
    pub default: Option<&'static str>,
    pub form: Form,
    /// Completes the sentence "expected …" in a fault.
    pub expected: &'static str,
    /// One line on why one would change it.
    pub why: &'static str,
}

/// What a setting is in TOML. Environment and flags only have text, which is read accordingly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    /// Text that no output may show.
    Secret,
    Whole,
    /// true or false.
    Bool,
    /// Separated by commas where there is only text.
    List,
    /// From model names to text or a list; `NAME=VALUE` separated by commas where there is only text.
    Table,
}

impl Key {
    /// The environment variable of this setting: `FOXBRIDGE_TASK_DEADLINE`.
    pub fn variable(&self) -> String {
        format!(
            "{VARIABLE_PREFIX}{}",
            self.name.to_uppercase().replace('.', "_")
        )
    }

    /// The TOML table that it is written in, empty for the top of the file; and its name there.
    pub fn section_and_leaf(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }
}

pub(super) const VARIABLE_PREFIX: &str = "FOXBRIDGE_";

const DURATION: &str =
    "a duration above zero, at most 30 days, such as \"590s\", \"250ms\" or \"5m\"";
const DURATION_OR_ZERO: &str =
    "a duration of at most 30 days, such as \"30s\" or \"5m\"; \"0s\" is allowed";
const SIZE: &str = "a size above zero, at most 4GiB, such as \"32MiB\" or \"512KiB\"";
const TOKENS: &str = "a whole number from 1 to 4294967295";
const COUNT: &str = "a whole number from 1 to 1000000";
const COUNT_OR_ZERO: &str = "a whole number from 0 to 1000000";

pub(super) const LISTEN: Key = Key {
    name: "listen",
    default: Some("127.0.0.1:8080"),
    form: Form::Text,
    expected: "an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"",
    why: "Where clients reach the proxy; loopback until you decide who else may.",
};
pub(super) const TASK_DEADLINE: Key = Key {
    name: "task.deadline",
    default: Some("590s"),
    form: Form::Text,
    expected: DURATION,
    why: "The whole client request; below the 600s at which the OpenAI SDKs give up and send it again.",
};
pub(super) const TASK_POLL_FIRST: Key = Key {
    name: "task.poll_first",
    default: Some("250ms"),
    form: Form::Text,
    expected: DURATION,
    why: "From the submit to the first query, for a model that nothing is known of yet.",
};
pub(super) const TASK_POLL_MAX: Key = Key {
    name: "task.poll_max",
    default: Some("5s"),
    form: Form::Text,
    expected: DURATION,
    why: "The longest gap between queries; mostly they are as dense as what is known of the model makes it worth.",
};
pub(super) const TASK_RESULTS_GRACE: Key = Key {
    name: "task.results_grace",
    default: Some("10s"),
    form: Form::Text,
    expected: DURATION_OR_ZERO,
    why: "How long a completed task may lack its results, which the upstream fills in a little later.",
};
pub(super) const TASK_SUBMIT_RETRIES: Key = Key {
    name: "task.submit_retries",
    default: Some("2"),
    form: Form::Whole,
    expected: "a whole number from 0 to 20",
    why: "How often a submit refused with 429 is sent again; after any other failure it could be billed twice.",
};
pub(super) const TASK_ORPHAN: Key = Key {
    name: "task.orphan",
    default: Some("stop"),
    form: Form::Text,
    expected: "\"stop\" or \"finish\"",
    why: "What becomes of a task whose client leaves: \"stop\" lets go of it, \"finish\" follows it on to its end.",
};
pub(super) const TASK_ORPHAN_GRACE: Key = Key {
    name: "task.orphan_grace",
    default: Some("10m"),
    form: Form::Text,
    expected: "a duration above zero, at most \"1h\", such as \"10m\"",
    why: "How long \"finish\" follows a task on; each costs queries, or a stream that is held open.",
};
pub(super) const LEDGER_STORE: Key = Key {
    name: "ledger.store",
    default: Some("memory"),
    form: Form::Text,
    expected: "\"memory\", \"file:\" and a path, such as \"file:/var/lib/foxbridge/ledger.redb\", or a Redis without its password, \
               such as \"redis://host:6379/0\" or \"rediss://user@host:6379/0\"",
    why: "Where bought tasks are remembered; a file survives a crash or restart, a Redis is shared by all replicas.",
};
pub(super) const LEDGER_IF_DAMAGED: Key = Key {
    name: "ledger.if_damaged",
    default: Some("refuse"),
    form: Form::Text,
    expected: "\"refuse\" or \"move-aside\"",
    why: "A ledger file that cannot be read: refuse to start, or rename it and begin a new one.",
};
pub(super) const LEDGER_MAX_AGE: Key = Key {
    name: "ledger.max_age",
    default: Some("1h"),
    form: Form::Text,
    expected: DURATION,
    why: "How long a request that is sent again finds the task it has bought.",
};
pub(super) const LEDGER_MAX_ENTRIES: Key = Key {
    name: "ledger.max_entries",
    default: Some("100000"),
    form: Form::Whole,
    expected: COUNT,
    why: "The most requests that are remembered for that, on Redis those of one caller; the oldest are forgotten first.",
};
pub(super) const RESPONSES_MAX_AGE: Key = Key {
    name: "responses.max_age",
    default: Some("24h"),
    form: Form::Text,
    expected: DURATION_OR_ZERO,
    why: "How long a response of /v1/responses is kept for later requests, where ledger.store says; 0s keeps none.",
};
pub(super) const RESPONSES_MAX_SIZE: Key = Key {
    name: "responses.max_size",
    default: Some("64MiB"),
    form: Form::Text,
    expected: SIZE,
    why: "The most memory that kept responses take, the oldest going first; on Redis, the most that one of them takes.",
};
pub(super) const STREAM_IDLE: Key = Key {
    name: "stream.idle",
    default: Some("20s"),
    form: Form::Text,
    expected: DURATION,
    why: "Upstream silence after which the task query decides whether the stream is dead.",
};
pub(super) const STREAM_KEEPALIVE: Key = Key {
    name: "stream.keepalive",
    default: Some("15s"),
    form: Form::Text,
    expected: "a duration above zero and below \"60s\", the silence at which load balancers cut, such as \"15s\"",
    why: "Silence towards the client after which a comment is sent; load balancers cut at 60s.",
};
pub(super) const MODELS_CLAUDE_MAX_TOKENS: Key = Key {
    name: "models.claude_max_tokens",
    default: Some("4096"),
    form: Form::Whole,
    expected: TOKENS,
    why: "max_tokens for claude-* requests that give none; the upstream requires it there.",
};
pub(super) const MODELS_GPT_MIN_TOKENS: Key = Key {
    name: "models.gpt_min_tokens",
    default: Some("16"),
    form: Form::Whole,
    expected: TOKENS,
    why: "gpt-* requests below this are raised to it; the upstream refuses fewer, clients send 1 as a check.",
};
pub(super) const MODELS_ALIASES: Key = Key {
    name: "models.aliases",
    default: Some(""),
    form: Form::Table,
    expected: "a table such as { \"gpt-4o\" = \"gpt-5.5\", \"claude-3-*\" = \"claude-opus-4-7\" }",
    why: "Names that clients use, and FoxAPI's names for them; a * on the left is any text, on the right the same text.",
};
pub(super) const MODELS_FALLBACKS: Key = Key {
    name: "models.fallbacks",
    default: Some(""),
    form: Form::Table,
    expected: "a table such as { \"gpt-5.5\" = [\"gpt-5.4\", \"kimi-k2.6\"] }; in a variable gpt-5.5=gpt-5.4 kimi-k2.6",
    why: "FoxAPI's names of models, and who is asked in turn where FoxAPI does not have one; never once a task may exist.",
};
pub(super) const MODELS_WAIT: Key = Key {
    name: "models.wait",
    default: Some("kimi-*=stream"),
    form: Form::Table,
    expected: "a table such as { \"kimi-*\" = \"stream\", \"gpt-*\" = \"poll\" }",
    why: "How FoxAPI's models are waited for: \"poll\", or \"stream\" for the reasoning; your table replaces this one whole.",
};
pub(super) const MEDIA_INLINE_MAX: Key = Key {
    name: "media.inline_max",
    default: Some("5MiB"),
    form: Form::Text,
    expected: SIZE,
    why: "Inline media longer than this, as a data URI, is uploaded to FoxAPI first and sent as a URL.",
};
/// In the order of proxy.toml.
pub const ALL: &[Key] = &[
    LISTEN,
    UPSTREAM_BASE_URL,
    UPSTREAM_API_KEY,
    UPSTREAM_API_KEY_FILE,
    UPSTREAM_KEYS_FILE,
    UPSTREAM_CA,
    UPSTREAM_CA_FILE,
    UPSTREAM_CONNECT_TIMEOUT,
    UPSTREAM_REQUEST_TIMEOUT,
    UPSTREAM_MAX_REPLY,
    UPSTREAM_MODELS_CACHE,
    UPSTREAM_BREAKER,
    UPSTREAM_BREAKER_PAUSE,
    UPSTREAM_RETRY_BUDGET,
    TASK_DEADLINE,
    TASK_POLL_FIRST,
    TASK_POLL_MAX,
    TASK_RESULTS_GRACE,
    TASK_SUBMIT_RETRIES,
    TASK_ORPHAN,
    TASK_ORPHAN_GRACE,
    LEDGER_STORE,
    LEDGER_REDIS_TOPOLOGY,
    LEDGER_REDIS_PASSWORD_FILE,
    LEDGER_REDIS_CA_FILE,
    LEDGER_REDIS_TIMEOUT,
    LEDGER_IF_UNAVAILABLE,
    LEDGER_IF_DAMAGED,
    LEDGER_MAX_AGE,
    LEDGER_MAX_ENTRIES,
    RESPONSES_MAX_AGE,
    RESPONSES_MAX_SIZE,
    STREAM_IDLE,
    STREAM_KEEPALIVE,
    MODELS_CLAUDE_MAX_TOKENS,
    MODELS_GPT_MIN_TOKENS,
    MODELS_ALIASES,
    MODELS_FALLBACKS,
    MODELS_WAIT,
    MEDIA_INLINE_MAX,
    SERVER_THREADS,
    SERVER_MAX_BODY,
    SERVER_MAX_IN_FLIGHT,
    SERVER_MAX_CONNECTIONS,
    SERVER_MAX_CONNECTIONS_PER_ADDRESS,
    SERVER_READ_TIMEOUT,
    SERVER_DRAIN_DELAY,
    SERVER_SHUTDOWN_GRACE,
    SERVER_SYNC_KEEPALIVE,
    SERVER_CORS_ORIGINS,
    SERVER_KEYS_FILE,
    SERVER_TLS_CERT,
    SERVER_TLS_KEY,
    SERVER_TLS_CLIENT_CA,
    ADMIN_LISTEN,
    ADMIN_ALLOW_PUBLIC,
    PASSTHROUGH_PATHS,
    LOG_LEVEL,
    LOG_FORMAT,
    TRACE_ENDPOINT,
    TRACE_SAMPLE,
];
