//! `[ledger]` and `[responses]`, and the Redis that replicas share.

use std::fs;

use figment::value::Value;

use super::Reader;
use crate::{
    config::{
        files, keys,
        parse::{self, Misfit, Parsed},
    },
    fleet::{Address, IfUnavailable, Settings, Topology},
    ledger::{self, Store},
};

/// Where Redis listens unless told otherwise, and sentinels.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

pub(super) fn ledger(reader: &mut Reader<'_>) -> Option<ledger::Settings> {
    let store = reader.required(&keys::LEDGER_STORE, |value| match scheme(value) {
        Some(_) => Ok(Store::Fleet),
        None => parse::ledger_store(value),
    });
    let if_damaged = reader.required(&keys::LEDGER_IF_DAMAGED, parse::if_damaged);
    let max_age = reader.required(&keys::LEDGER_MAX_AGE, parse::duration);
    let max_entries = reader.required(&keys::LEDGER_MAX_ENTRIES, parse::count);
    let kept_age = reader.required(&keys::RESPONSES_MAX_AGE, parse::duration_or_zero);
    let kept_size = reader.required(&keys::RESPONSES_MAX_SIZE, parse::size);
    Some(ledger::Settings {
        store: store?,
        if_damaged: if_damaged?,
        max_age: max_age?,
        max_entries: max_entries?,
        responses: ledger::Keeping {
            max_age: kept_age?,
            max_size: kept_size?,
        },
    })
}

/// The outer option is empty after a fault, the inner one where nothing is shared.
pub(super) fn fleet(
    reader: &mut Reader<'_>,
    ledger: Option<&ledger::Settings>,
) -> Option<Option<Settings>> {
    let topology = reader.required(&keys::LEDGER_REDIS_TOPOLOGY, topology);
    let password = reader.optional(&keys::LEDGER_REDIS_PASSWORD_FILE, |value| {
        files::api_key(&parse::path(value)?)
    });
    let ca = reader.optional(&keys::LEDGER_REDIS_CA_FILE, |value| {
        let path = parse::path(value)?;
        files::certificates(&path)?;
        fs::read(&path).map_err(|error| Misfit::hint(error.to_string()))
    });
    let timeout = reader.required(&keys::LEDGER_REDIS_TIMEOUT, parse::duration);
    let if_unavailable = reader.required(&keys::LEDGER_IF_UNAVAILABLE, if_unavailable);
    let ledger = ledger?;
    if ledger.store != Store::Fleet {
        // What is no path at all has been told already.
        for (key, is_given) in [
            (&keys::LEDGER_REDIS_PASSWORD_FILE, password?.is_some()),
            (&keys::LEDGER_REDIS_CA_FILE, ca?.is_some()),
        ] {
            if is_given {
                let store = reader.named(&keys::LEDGER_STORE);
                let expected = format!("a ledger.store that is a Redis, and it is {store}");
                reader.fault(key, expected);
                return None;
            }
        }
        return Some(None);
    }
    let topology = topology?;
    let address = reader.required(&keys::LEDGER_STORE, |value| address(value, &topology))?;
    let ca = ca?;
    if ca.is_some() && !address.tls {
        let store = reader.named(&keys::LEDGER_STORE);
        let expected = format!("a ledger.store that begins with rediss://, and it is {store}");
        reader.fault(&keys::LEDGER_REDIS_CA_FILE, expected);
        return None;
    }
    Some(Some(Settings {
        address,
        topology,
        password: password?,
        ca,
        timeout: timeout?,
        if_unavailable: if_unavailable?,
        max_age: ledger.max_age,
        max_rows: ledger.max_entries,
    }))
}

/// Whether it is the URL of a Redis with TLS; `None` where it is no URL of a Redis.
fn scheme(value: &Value) -> Option<bool> {
    let text = parse::text(value).ok()?;
    match text.split_once("://")?.0 {
        "redis" => Some(false),
        "rediss" => Some(true),
        _ => None,
    }
}

fn address(value: &Value, topology: &Topology) -> Parsed<Address> {
    let (tls, text) = (scheme(value).ok_or(Misfit::default())?, parse::text(value)?);
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    if rest.contains(['?', '#']) {
        return Err(Misfit::hint(
            "leave out everything behind the database's number",
        ));
    }
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => {
            return Err(Misfit::hint(
                "the password does not belong here, where logs and 'foxbridge check' show it: put it into a file and name that in \
                 ledger.redis_password_file",
            ));
        }
        // Neither stands in a user's name, whose letters are taken as they are.
        Some((user, _)) if user.contains(['@', '%']) => {
            return Err(Misfit::hint(
                "before the last @ stands the user's name alone, as Redis knows it and not percent-encoded",
            ));
        }
        Some((user, hosts)) if !user.is_empty() => (Some(user.to_owned()), hosts),
        Some(_) => return Err(Misfit::hint("the user before @ is empty")),
        None => (None, authority),
    };
    let usual = match topology {
        Topology::Sentinel(_) => SENTINEL_PORT,
        Topology::Single | Topology::Cluster => PORT,
    };
    let hosts: Parsed<Vec<_>> = hosts
        .split(',')
        .map(|host| host_and_port(host, usual))
        .collect();
    let hosts = hosts?;
    if hosts.len() > 1 && *topology == Topology::Single {
        return Err(Misfit::hint(
            "several hosts are nodes of a Cluster or sentinels: set ledger.redis_topology",
        ));
    }
    let database = match database {
        "" => 0,
        number => number
            .parse()
            .map_err(|_| Misfit::hint("behind the last / stands the database's number"))?,
    };
    if database != 0 && *topology == Topology::Cluster {
        return Err(Misfit::hint("a Cluster has only database 0"));
    }
    Ok(Address {
        hosts,
        user,
        database,
        tls,
    })
}

fn host_and_port(text: &str, usual: u16) -> Parsed<(String, u16)> {
    let is_literal = text.starts_with('[') && text.ends_with(']');
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !is_literal => {
            let port = port.parse().ok().filter(|port| *port != 0);
            (
                host,
                port.ok_or(Misfit::hint("a port is a number from 1 to 65535"))?,
            )
        }
        _ => (text, usual),
    };
    let literal = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if literal.is_none() && host.contains([':', '[', ']']) {
        return Err(Misfit::hint(
            "an IPv6 address stands in brackets, and a port behind them: redis://[::1]:6379",
        ));
    }
    let host = literal.unwrap_or(host);
    match host.is_empty() || host.contains(char::is_whitespace) {
        true => Err(Misfit::hint("a host is missing")),
        false => Ok((host.to_owned(), port)),
    }
}

fn topology(value: &Value) -> Parsed<Topology> {
    match parse::text(value)? {
        "single" => Ok(Topology::Single),
        "cluster" => Ok(Topology::Cluster),
        text => match text.strip_prefix("sentinel:") {
            Some(name) if !name.is_empty() => Ok(Topology::Sentinel(name.to_owned())),
            _ => Err(Misfit::default()),
        },
    }
}

fn if_unavailable(value: &Value) -> Parsed<IfUnavailable> {
    match parse::text(value)? {
        "serve" => Ok(IfUnavailable::Serve),
        "refuse" => Ok(IfUnavailable::Refuse),
        _ => Err(Misfit::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str, topology: &Topology) -> Parsed<Address> {
        address(&Value::from(url), topology)
    }

    #[test]
    fn a_redis_is_named_by_its_url() {
        let (single, cluster) = (Topology::Single, Topology::Cluster);
        let sentinel = Topology::Sentinel("m".to_owned());
        for (url, topology, hosts, user, database, tls) in [
            ("redis://a", &single, &[("a", 6379)][..], None, 0, false),
            ("redis://a:1/3", &single, &[("a", 1)], None, 3, false),
            (
                "rediss://bob@a:1/",
                &single,
                &[("a", 1)],
                Some("bob"),
                0,
                true,
            ),
            (
                "redis://[::1]:7,[::2]",
                &cluster,
                &[("::1", 7), ("::2", 6379)],
                None,
                0,
                false,
            ),
            (
                "redis://a,b:5",
                &sentinel,
                &[("a", 26379), ("b", 5)],
                None,
                0,
                false,
            ),
        ] {
            let address = parsed(url, topology).unwrap();
            let named: Vec<_> = address
                .hosts
                .iter()
                .map(|(host, port)| (host.as_str(), *port))
                .collect();
            assert_eq!(named, hosts, "{url}");
            assert_eq!(
                (address.user.as_deref(), address.database, address.tls),
                (user, database, tls),
                "{url}"
            );
        }
        for url in [
            "redis://",
            "redis://a:0",
            "redis://a,b",
            "redis://a/x",
            "redis://@a",
            "redis://a?b=c",
            "redis://a:b",
            "redis://::1",
            "redis://a:1:2",
            "redis://[::1",
            "redis://]a[",
            "redis://[a]b:1",
            "redis://a@b@c",
            "redis://a%40b@c",
        ] {
            assert!(parsed(url, &single).is_err(), "{url}");
        }
        assert!(parsed("redis://a/1", &cluster).is_err());
    }

    #[test]
    fn a_password_in_the_url_is_told_where_it_belongs() {
        for url in ["redis://:geheim@a", "rediss://bob:geheim@a:1/0"] {
            let hint = parsed(url, &Topology::Single).unwrap_err().0.unwrap();
            assert!(
                hint.contains("ledger.redis_password_file") && !hint.contains("geheim"),
                "{hint}"
            );
        }
    }
}
