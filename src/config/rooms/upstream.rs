//! `[upstream]`: where it is, with which keys it is asked, and how it is spared.

use super::Reader;
use crate::{
    config::{
        address, files,
        key_list::List,
        keys::{self, Key},
        parse,
        share::{share, share_or_off},
        upstream_keys,
    },
    upstream::{Settings, UpstreamKey},
};

/// The settings that give foxbridge a key of its own, of which one may be there.
pub(super) const KEYS: [&Key; 3] = [
    &keys::UPSTREAM_API_KEY,
    &keys::UPSTREAM_API_KEY_FILE,
    &keys::UPSTREAM_KEYS_FILE,
];

pub(super) fn settings(reader: &mut Reader<'_>) -> Option<Settings> {
    let base_url = reader.required(&keys::UPSTREAM_BASE_URL, address::base_url);
    let api_key = reader.optional(&keys::UPSTREAM_API_KEY, parse::api_key);
    let from_file = reader.optional(&keys::UPSTREAM_API_KEY_FILE, |value| {
        files::api_key(&parse::path(value)?)
    });
    let listed = listed(reader);
    only_one(reader);
    let ca = reader.required(&keys::UPSTREAM_CA, parse::authorities);
    let ca_file = reader.optional(&keys::UPSTREAM_CA_FILE, |value| {
        let path = parse::path(value)?;
        files::certificates(&path)?;
        Ok(path)
    });
    let connect_timeout = reader.required(&keys::UPSTREAM_CONNECT_TIMEOUT, parse::duration);
    let request_timeout = reader.required(&keys::UPSTREAM_REQUEST_TIMEOUT, parse::duration);
    reader.at_most(
        (&keys::UPSTREAM_CONNECT_TIMEOUT, connect_timeout),
        (&keys::UPSTREAM_REQUEST_TIMEOUT, request_timeout),
    );
    let max_reply = reader.required(&keys::UPSTREAM_MAX_REPLY, parse::size);
    let models_cache = reader.required(&keys::UPSTREAM_MODELS_CACHE, parse::duration_or_zero);
    let breaker = reader.required(&keys::UPSTREAM_BREAKER, share_or_off);
    let breaker_pause = reader.required(&keys::UPSTREAM_BREAKER_PAUSE, parse::duration);
    let retry_budget = reader.required(&keys::UPSTREAM_RETRY_BUDGET, share);
    Some(Settings {
        base_url: base_url?,
        api_key: api_key?.or(from_file?),
        keys: listed?,
        ca: ca?,
        ca_file: ca_file?,
        connect_timeout: connect_timeout?,
        request_timeout: request_timeout?,
        max_reply: max_reply?,
        models_cache: models_cache?,
        breaker: breaker?,
        breaker_pause: breaker_pause?,
        retry_budget: retry_budget?,
    })
}

/// The outer option is empty after a fault, the inner one where there is no list.
fn listed(reader: &mut Reader<'_>) -> Option<Option<Vec<UpstreamKey>>> {
    let list = reader.optional(&keys::UPSTREAM_KEYS_FILE, |value| {
        List::read(&parse::path(value)?)
    })?;
    match list {
        None => Some(None),
        Some(list) => upstream_keys::entries(&list, reader.faults).map(Some),
    }
}

/// Of two settings nobody could say which key is meant.
fn only_one(reader: &mut Reader<'_>) {
    let set: Vec<&Key> = KEYS.into_iter().filter(|key| reader.is_set(key)).collect();
    let Some((first, others)) = set.split_first() else {
        return;
    };
    let other = reader.named(first);
    for key in others {
        let what = match key.name == keys::UPSTREAM_KEYS_FILE.name {
            true => "either one key or a list of keys",
            false => "only one key",
        };
        reader.fault(key, format!("{what}, and {other} is set too"));
    }
}
