//! From merged values to the settings of each room. Everything is read before anything is given up, so that
//! every fault shows at once.

mod ledger;
mod tls;
mod trace;
mod upstream;

use std::{net::SocketAddr, num::NonZero, path::PathBuf, thread};

use figment::{Figment, value::Value};

use super::{
    Config, address, by_model, client_keys,
    fault::Fault,
    key_list,
    keys::{self, Form, Key},
    layer,
    literal::{self, MASK},
    parse::{self, Misfit, Parsed},
};
use crate::{
    relay, server, task, telemetry,
    translate::{self, ByModel, Pattern},
};

/// The configuration, or nothing after at least one fault was added to `faults`.
pub(super) fn furnish(figment: &Figment, faults: &mut Vec<Fault>) -> Option<Config> {
    let mut reader = Reader { figment, faults };
    let listen = reader.required(&keys::LISTEN, address::listen);
    let admin_listen = admin_listen(&mut reader, listen);
    let upstream = upstream::settings(&mut reader);
    let task = task(&mut reader);
    let ledger = ledger::ledger(&mut reader);
    let fleet = ledger::fleet(&mut reader, ledger.as_ref());
    let stream = stream(&mut reader);
    let models = models(&mut reader);
    let server = server(&mut reader);
    let log = log(&mut reader);
    let trace = trace::traces(&mut reader);
    Some(Config {
        listen: listen?,
        admin_listen: admin_listen?,
        upstream: upstream?,
        task: task?,
        ledger: ledger?,
        fleet: fleet?,
        stream: stream?,
        models: models?,
        server: server?,
        log: log?,
        trace: trace?,
    })
}

/// The files that settings name and that are read with them; certificates for clients are read by whoever shows them.
pub(super) fn files(figment: &Figment) -> Vec<PathBuf> {
    let named = [
        &keys::UPSTREAM_API_KEY_FILE,
        &keys::UPSTREAM_KEYS_FILE,
        &keys::UPSTREAM_CA_FILE,
        &keys::SERVER_KEYS_FILE,
    ];
    named
        .into_iter()
        .filter_map(|key| parse::path(&layer::find(figment, key)?).ok())
        .collect()
}

fn admin_listen(reader: &mut Reader<'_>, listen: Option<SocketAddr>) -> Option<Option<SocketAddr>> {
    let admin = reader.optional(&keys::ADMIN_LISTEN, address::listen)?;
    // With port 0, the operating system chooses two different ones.
    if admin.is_some() && admin == listen.filter(|address| address.port() != 0) {
        let other = reader.named(&keys::LISTEN);
        reader.fault(
            &keys::ADMIN_LISTEN,
            format!("an address of its own, and {other} is the same"),
        );
    }
    let may_be_public = reader.required(&keys::ADMIN_ALLOW_PUBLIC, parse::boolean);
    if let (Some(address), Some(false)) = (admin, may_be_public)
        && address::is_public(address.ip())
    {
        reader.fault(
            &keys::ADMIN_LISTEN,
            "an address of this machine or of a private network, because whoever reaches it learns how the process is; \
             where a firewall keeps strangers away, set admin.allow_public = true: in a Kubernetes pod, whose probes \
             come from outside, together with this address"
                .to_owned(),
        );
    }
    Some(admin)
}

fn task(reader: &mut Reader<'_>) -> Option<task::Patience> {
    let deadline = reader.required(&keys::TASK_DEADLINE, parse::duration);
    let poll_first = reader.required(&keys::TASK_POLL_FIRST, parse::duration);
    let poll_max = reader.required(&keys::TASK_POLL_MAX, parse::duration);
    reader.at_most(
        (&keys::TASK_POLL_FIRST, poll_first),
        (&keys::TASK_POLL_MAX, poll_max),
    );
    let results_grace = reader.required(&keys::TASK_RESULTS_GRACE, parse::duration_or_zero);
    let submit_retries = reader.required(&keys::TASK_SUBMIT_RETRIES, parse::retries);
    let finishes_orphans = reader.required(&keys::TASK_ORPHAN, parse::finishes_orphans);
    let orphan_grace = reader.required(&keys::TASK_ORPHAN_GRACE, parse::orphan_grace);
    Some(task::Patience {
        deadline: deadline?,
        poll_first: poll_first?,
        poll_max: poll_max?,
        results_grace: results_grace?,
        submit_retries: submit_retries?,
        orphan_grace: finishes_orphans?.then_some(orphan_grace?),
    })
}

fn stream(reader: &mut Reader<'_>) -> Option<relay::Settings> {
    let idle = reader.required(&keys::STREAM_IDLE, parse::duration);
    let keepalive = reader.required(&keys::STREAM_KEEPALIVE, parse::keepalive);
    Some(relay::Settings {
        idle: idle?,
        keepalive: keepalive?,
    })
}

fn models(reader: &mut Reader<'_>) -> Option<translate::Settings> {
    let claude_max_tokens = reader.required(&keys::MODELS_CLAUDE_MAX_TOKENS, parse::tokens);
    let gpt_min_tokens = reader.required(&keys::MODELS_GPT_MIN_TOKENS, parse::tokens);
    let aliases = reader.by_model(&keys::MODELS_ALIASES, by_model::alias);
    let fallbacks = reader.by_model(&keys::MODELS_FALLBACKS, by_model::fallbacks);
    let wait = reader.by_model(&keys::MODELS_WAIT, by_model::wait);
    let inline_max = reader.required(&keys::MEDIA_INLINE_MAX, parse::size);
    Some(translate::Settings {
        claude_max_tokens: claude_max_tokens?,
        gpt_min_tokens: gpt_min_tokens?,
        aliases: aliases?,
        fallbacks: fallbacks?,
        wait: wait?,
        inline_max: inline_max?,
    })
}

fn server(reader: &mut Reader<'_>) -> Option<server::Settings> {
    let threads = reader.optional(&keys::SERVER_THREADS, parse::threads);
    let max_body = reader.required(&keys::SERVER_MAX_BODY, parse::size);
    let max_in_flight = reader.required(&keys::SERVER_MAX_IN_FLIGHT, parse::count);
    let max_connections = reader.required(&keys::SERVER_MAX_CONNECTIONS, parse::count);
    let max_of_address = reader.required(
        &keys::SERVER_MAX_CONNECTIONS_PER_ADDRESS,
        parse::count_or_zero,
    );
    let read_timeout = reader.required(&keys::SERVER_READ_TIMEOUT, parse::duration);
    let drain_delay = reader.required(&keys::SERVER_DRAIN_DELAY, parse::duration_or_zero);
    let shutdown_grace = reader.required(&keys::SERVER_SHUTDOWN_GRACE, parse::duration_or_zero);
    let sync_keepalive = reader.required(&keys::SERVER_SYNC_KEEPALIVE, parse::optional_keepalive);
    let cors_origins = reader.required(&keys::SERVER_CORS_ORIGINS, address::origins);
    let passthrough = reader.required(&keys::PASSTHROUGH_PATHS, address::passthrough_paths);
    let clients = clients(reader);
    let tls = tls::files(reader);
    Some(server::Settings {
        threads: threads?.unwrap_or_else(half_the_cores),
        max_body: max_body?,
        max_in_flight: max_in_flight?,
        max_connections: max_connections?,
        max_connections_per_address: max_of_address?,
        read_timeout: read_timeout?,
        drain_delay: drain_delay?,
        shutdown_grace: shutdown_grace?,
        sync_keepalive: sync_keepalive?,
        cors_origins: cors_origins?,
        passthrough: passthrough?,
        clients: clients?,
        tls: tls?,
    })
}

/// The outer option is empty after a fault, the inner one where clients need no key of this proxy's.
fn clients(reader: &mut Reader<'_>) -> Option<Option<Vec<crate::keys::Entry>>> {
    let list = reader.optional(&keys::SERVER_KEYS_FILE, |value| {
        key_list::List::read(&parse::path(value)?)
    })?;
    let Some(list) = list else { return Some(None) };
    let has_key = |key: &&Key| reader.is_set(key);
    if !upstream::KEYS.iter().any(has_key) {
        reader.fault(
            &keys::SERVER_KEYS_FILE,
            "upstream.api_key or upstream.keys_file to be set too, because a client's own key never goes to FoxAPI"
                .to_owned(),
        );
    }
    client_keys::entries(&list, reader.faults).map(Some)
}

/// Of those that the cgroup and the affinity of this process allow. The other half is for whoever is served, and threads
/// that have little to do each wake for less at a time.
fn half_the_cores() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    (cores / 2).max(1)
}

fn log(reader: &mut Reader<'_>) -> Option<telemetry::Settings> {
    let level = reader.required(&keys::LOG_LEVEL, parse::log_level);
    let format = reader.required(&keys::LOG_FORMAT, parse::log_format);
    Some(telemetry::Settings {
        level: level?,
        format: format?,
    })
}

/// Reads one setting after the other and notes what is wrong.
struct Reader<'a> {
    figment: &'a Figment,
    faults: &'a mut Vec<Fault>,
}

impl Reader<'_> {
    fn required<T>(&mut self, key: &Key, parse: impl FnOnce(&Value) -> Parsed<T>) -> Option<T> {
        match self.optional(key, parse)? {
            Some(parsed) => Some(parsed),
            None => {
                self.fault(key, key.expected.to_owned());
                None
            }
        }
    }

    /// The outer option is empty after a fault, the inner one where nobody set the key.
    fn optional<T>(
        &mut self,
        key: &Key,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> Option<Option<T>> {
        let Some(value) = self.value(key) else {
            return Some(None);
        };
        match parse(&value) {
            Ok(parsed) => Some(Some(parsed)),
            Err(Misfit(hint)) => {
                let expected = match hint {
                    Some(hint) => format!("{}; {hint}", key.expected),
                    None => key.expected.to_owned(),
                };
                self.fault(key, expected);
                None
            }
        }
    }

    /// Each entry that does not fit is a fault of its own.
    fn by_model<T>(
        &mut self,
        key: &Key,
        parse: impl Fn(&str, &Value) -> Parsed<(Pattern, T)>,
    ) -> Option<ByModel<T>> {
        let table = self.required(key, by_model::table)?;
        let entries: Vec<_> = table
            .iter()
            .filter_map(|(name, value)| match parse(name, value) {
                Ok(entry) => Some(entry),
                Err(Misfit(hint)) => {
                    let entry = literal::guarded(&name.as_str().into());
                    self.faults.push(Fault {
                        subject: format!("{}.{entry}", key.name),
                        value: Some(literal::guarded(value)),
                        expected: hint.unwrap_or_else(|| key.expected.to_owned()),
                        origin: origin(self.figment, key),
                    });
                    None
                }
            })
            .collect();
        (entries.len() == table.len()).then(|| ByModel::new(entries))
    }

    /// Holds `small` to `large` where both could be read.
    fn at_most<T: PartialOrd>(&mut self, small: (&Key, Option<T>), large: (&Key, Option<T>)) {
        if let (Some(less), Some(more)) = (small.1, large.1)
            && less > more
        {
            let limit = self.named(large.0);
            self.fault(small.0, format!("at most {limit}"));
        }
    }

    fn is_set(&self, key: &Key) -> bool {
        self.value(key).is_some()
    }

    fn value(&self, key: &Key) -> Option<Value> {
        layer::find(self.figment, key)
    }

    fn fault(&mut self, key: &Key, expected: String) {
        self.faults.push(Fault {
            subject: key.name.to_owned(),
            value: self.shown(key),
            expected,
            origin: origin(self.figment, key),
        });
    }

    /// A setting that another one is held to: `task.poll_max = "2s" (default)`.
    fn named(&self, key: &Key) -> String {
        let value = self.shown(key).unwrap_or_default();
        format!("{} = {value} ({})", key.name, origin(self.figment, key))
    }

    fn shown(&self, key: &Key) -> Option<String> {
        let value = self.value(key)?;
        Some(match key.form {
            Form::Secret => format!("\"{MASK}\""),
            _ => literal::guarded(&value),
        })
    }
}

/// Which source had the last word on a setting.
pub(super) fn origin(figment: &Figment, key: &Key) -> String {
    figment.find_metadata(key.name).map_or_else(
        || "default".to_owned(),
        |metadata| metadata.name.to_string(),
    )
}
