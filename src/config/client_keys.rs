//! The list of clients' keys (`server.keys_file`).

use figment::value::{Dict, Value};

use super::{
    fault::Fault,
    key_list::{List, NAME, Reading},
    parse::{self, Misfit, Parsed},
};
use crate::{
    keys::{Entry, Hash, Limits, MOST_KEYS},
    translate::Pattern,
};

const HASH: &str = "hash";
const MODELS: &str = "models";
const REQUESTS: &str = "requests_per_minute";
const TOKENS: &str = "tokens_per_minute";
const CONCURRENCY: &str = "concurrency";
/// All that a `[[key]]` has.
const MEMBERS: [&str; 6] = [NAME, HASH, MODELS, REQUESTS, TOKENS, CONCURRENCY];

/// The keys of the list, or nothing after at least one fault was added to `faults`.
pub(super) fn entries(list: &List, faults: &mut Vec<Fault>) -> Option<Vec<Entry>> {
    let mut reading = list.reading(faults);
    let entries = reading.each(MOST_KEYS, entry);
    reading.apart(&entries, (NAME, "name"), |entry| &entry.name);
    reading.apart(&entries, (HASH, "key"), |entry| &entry.hash);
    reading.sound(entries)
}

fn entry(reading: &mut Reading<'_>, table: &Dict) -> Option<Entry> {
    let name = reading.name(table, &MEMBERS);
    let hash = reading.required(table, HASH, HASH_EXPECTED, hash);
    let models = reading.member(table, MODELS, MODELS_EXPECTED, models);
    let mut limit = |name| reading.member(table, name, LIMIT_EXPECTED, parse::tokens);
    let (requests, tokens, concurrency) = (limit(REQUESTS), limit(TOKENS), limit(CONCURRENCY));
    Some(Entry {
        name: name?,
        hash: hash?,
        models: models?,
        limits: Limits {
            requests_per_minute: requests?,
            tokens_per_minute: tokens?,
            concurrency: concurrency?,
        },
    })
}

const HASH_EXPECTED: &str =
    "\"sha256:\" and 64 hexadecimal digits, as \"foxbridge key\" prints them";
const MODELS_EXPECTED: &str = "a list of models such as [\"gpt-*\", \"claude-opus-4-7\"], each with at most one *; leave it out for all";
const LIMIT_EXPECTED: &str = "a whole number from 1 to 4294967295; leave it out for no limit";

fn hash(value: &Value) -> Parsed<Hash> {
    Hash::parse(parse::text(value)?).ok_or_else(Misfit::default)
}

fn models(value: &Value) -> Parsed<Vec<Pattern>> {
    let patterns = parse::texts(value)?.into_iter().map(Pattern::new);
    patterns.collect::<Option<_>>().ok_or_else(Misfit::default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::key_list::read_in_test;

    const ONE: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn read(content: &str) -> Result<Vec<Entry>, String> {
        read_in_test(content, entries)
    }

    #[test]
    fn a_key_has_a_name_a_hash_and_what_it_may() {
        let two = ONE.replace("ba78", "ab87");
        let entries = read(&format!(
            "[[key]]\nname = \"team-a\"\nhash = \"{ONE}\"\n\n[[key]]\nname = \"b\"\nhash = \"{two}\"\n\
             models = [\"gpt-*\", \"kimi\"]\nrequests_per_minute = 60\ntokens_per_minute = 4294967295\nconcurrency = 1\n"
        ))
        .expect("a sound list");
        assert_eq!(entries.len(), 2);
        assert_eq!(
            (entries[0].name.as_str(), &entries[0].models),
            ("team-a", &None)
        );
        assert_eq!(entries[0].hash, Hash::of(b"abc"));
        assert_eq!(entries[0].limits, Limits::default());
        let limits = Limits {
            requests_per_minute: Some(60),
            tokens_per_minute: Some(u32::MAX),
            concurrency: Some(1),
        };
        assert_eq!(entries[1].limits, limits);
        assert_eq!(entries[1].models.as_ref().map(Vec::len), Some(2));
        let shown = format!("{entries:?} {entries:#?}");
        assert!(
            shown.contains("team-a") && !shown.contains("f8bf"),
            "{shown}"
        );
    }

    #[test]
    fn every_fault_is_told_and_nothing_that_could_be_a_key() {
        let told = read(&format!(
            "fbk-hidden = 1\n[[key]]\nname = \"fbk-hidden\"\nhash = \"fbk-hidden\"\nmodels = [\"a*b*\"]\n\
             [[key]]\nname = \"a\"\nhash = \"{ONE}\"\nconcurency = 3\nfbk-hidden = \"x\"\n\
             [[key]]\nname = \"a\"\nhash = \"{ONE}\"\n\
             [[key]]\nname = \"c\"\nhash = \"{ONE}0\"\nrequests_per_minute = 0\ntokens_per_minute = \"fbk-hidden\"\n\
             [[key]]\n"
        ))
        .expect_err("faults");
        for words in [
            "the file (file ",
            "nothing beside the [[key]] tables",
            "key 1: name (file",
            "key 1: hash (file",
            "key 1: models (file",
            "key 2 (\"a\") (file",
            "did you mean concurrency?",
            "key 3 (\"a\"): name (file",
            "a name of its own, and key 2 (\"a\") has the same",
            "a key of its own, and key 2 (\"a\") has the same",
            "key 4 (\"c\"): hash (file",
            "key 4 (\"c\"): requests_per_minute = 0 (file",
            "key 4 (\"c\"): tokens_per_minute (file",
            "key 5: name (file",
            "key 5: hash (file",
        ] {
            assert!(told.contains(words), "{words} is not in\n{told}");
        }
        assert!(
            !told.contains("hidden") && !told.contains("ba7816bf"),
            "{told}"
        );
        assert_eq!(told.matches("expected").count(), 13, "{told}");
    }

    #[test]
    fn a_file_that_is_no_list() {
        for (content, words) in [
            ("", "at least one [[key]]"),
            ("key = 1", "at least one [[key]]"),
            ("key = [\"fbk-hidden\"]", "a table: [[key]]"),
            ("[key]\nname = \"a\"", "at least one [[key]]"),
            (
                "[[key]]\nname = fbk-hidden\n",
                "line 2 of the file is not TOML",
            ),
            (
                "[[key]]\nfbk-hidden = 1\nfbk-hidden = 2\n",
                "of the file is not TOML",
            ),
        ] {
            let told = read(content).expect_err("a fault");
            assert!(
                told.contains(words) && !told.contains("hidden"),
                "{content}: {told}"
            );
        }
    }
}
