//! The list of clients' keys (`server.keys_file`). Nothing of it is shown in a fault but names that are sound, members of
//! known names, and numbers: anything else could be a key that was put into the wrong place.

use std::{collections::HashMap, fs, path::Path};

use figment::{
    providers::{Format, Toml},
    value::{Dict, Value},
};

use super::{
    fault::Fault,
    literal,
    parse::{self, Misfit, Parsed},
    suggest,
};
use crate::{
    keys::{Entry, Hash, Limits, MOST_KEYS},
    translate::Pattern,
};

const NAME: &str = "name";
const HASH: &str = "hash";
const MODELS: &str = "models";
const REQUESTS: &str = "requests_per_minute";
const TOKENS: &str = "tokens_per_minute";
const CONCURRENCY: &str = "concurrency";
/// All that a `[[key]]` has.
const MEMBERS: [&str; 6] = [NAME, HASH, MODELS, REQUESTS, TOKENS, CONCURRENCY];

/// Shorter than any key that is made here, so that none of them can pass for a name.
const LONGEST_NAME: usize = 40;

/// A file that could be read, as TOML.
pub(super) struct List {
    /// As faults name it.
    origin: String,
    content: Dict,
}

impl List {
    pub(super) fn read(path: &Path) -> Parsed<Self> {
        let text = fs::read_to_string(path).map_err(|error| Misfit::hint(error.to_string()))?;
        let content = Toml::from_str(&text).map_err(|error| {
            // The error's own text quotes the line, which may hold a key.
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            Misfit::hint(format!("line {line} of the file is not TOML"))
        })?;
        Ok(Self {
            origin: format!("file {}", path.display()),
            content,
        })
    }

    /// Its keys, or nothing after at least one fault was added to `faults`.
    pub(super) fn entries(&self, faults: &mut Vec<Fault>) -> Option<Vec<Entry>> {
        let before = faults.len();
        let mut reading = Reading {
            list: self,
            faults,
            place: String::new(),
        };
        let entries = reading.all();
        (faults.len() == before).then_some(entries)
    }
}

struct Reading<'a> {
    list: &'a List,
    faults: &'a mut Vec<Fault>,
    /// Which key is being read, as faults name it.
    place: String,
}

impl Reading<'_> {
    fn all(&mut self) -> Vec<Entry> {
        if self.list.content.keys().any(|name| name != "key") {
            self.fault("the file", None, "nothing beside the [[key]] tables");
        }
        let tables = match self.list.content.get("key") {
            Some(Value::Array(_, tables)) if !tables.is_empty() => tables.as_slice(),
            _ => {
                self.fault("the file", None, "at least one [[key]] table");
                &[]
            }
        };
        if tables.len() > MOST_KEYS {
            self.fault("the file", None, format!("at most {MOST_KEYS} keys"));
            return Vec::new();
        }
        let entries: Vec<(String, Option<Entry>)> = (1..)
            .zip(tables)
            .map(|(number, table)| {
                self.place = format!("key {number}");
                let entry = self.entry(table);
                (self.place.clone(), entry)
            })
            .collect();
        self.hold_apart(&entries);
        entries.into_iter().filter_map(|(_, entry)| entry).collect()
    }

    fn entry(&mut self, table: &Value) -> Option<Entry> {
        let Value::Dict(_, table) = table else {
            self.fault("", None, "a table: [[key]] with its members below");
            return None;
        };
        let name = self.member(table, NAME, NAME_EXPECTED, name);
        if let Some(Some(name)) = &name {
            self.place.push_str(&format!(" (\"{name}\")"));
        }
        for unknown in table
            .keys()
            .filter(|name| !MEMBERS.contains(&name.as_str()))
        {
            self.fault("", None, suggest::member(unknown, &MEMBERS));
        }
        let hash = self.member(table, HASH, HASH_EXPECTED, hash);
        let models = self.member(table, MODELS, MODELS_EXPECTED, models);
        let requests_per_minute = self.limit(table, REQUESTS);
        let tokens_per_minute = self.limit(table, TOKENS);
        let concurrency = self.limit(table, CONCURRENCY);
        if let Some(None) = &name {
            self.fault(NAME, None, NAME_EXPECTED);
        }
        if let Some(None) = &hash {
            self.fault(HASH, None, HASH_EXPECTED);
        }
        Some(Entry {
            name: name??,
            hash: hash??,
            models: models?,
            limits: Limits {
                requests_per_minute: requests_per_minute?,
                tokens_per_minute: tokens_per_minute?,
                concurrency: concurrency?,
            },
        })
    }

    fn limit(&mut self, table: &Dict, name: &'static str) -> Option<Option<u32>> {
        self.member(table, name, LIMIT_EXPECTED, parse::tokens)
    }

    /// The outer option is empty after a fault, the inner one where the table has no such member.
    fn member<T>(
        &mut self,
        table: &Dict,
        name: &'static str,
        expected: &str,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> Option<Option<T>> {
        let Some(value) = table.get(name) else {
            return Some(None);
        };
        match parse(value) {
            Ok(parsed) => Some(Some(parsed)),
            Err(_) => {
                let shown = matches!(value, Value::Num(..) | Value::Bool(..));
                let shown = shown.then(|| literal::guarded(value));
                self.fault(name, shown, expected);
                None
            }
        }
    }

    /// No two keys have the same name, and no two names the same key.
    fn hold_apart(&mut self, entries: &[(String, Option<Entry>)]) {
        let (mut names, mut hashes) = (HashMap::new(), HashMap::new());
        for (place, entry) in entries {
            let Some(entry) = entry else { continue };
            self.place.clone_from(place);
            if let Some(other) = names.insert(&entry.name, place) {
                self.fault(
                    NAME,
                    None,
                    format!("a name of its own, and {other} has the same"),
                );
            }
            if let Some(other) = hashes.insert(&entry.hash, place) {
                self.fault(
                    HASH,
                    None,
                    format!("a key of its own, and {other} has the same"),
                );
            }
        }
    }

    fn fault(&mut self, subject: &str, value: Option<String>, expected: impl Into<String>) {
        let subject = match (self.place.as_str(), subject) {
            ("", subject) => subject.to_owned(),
            (place, "") => place.to_owned(),
            (place, subject) => format!("{place}: {subject}"),
        };
        self.faults.push(Fault {
            subject,
            value,
            expected: expected.into(),
            origin: self.list.origin.clone(),
        });
    }
}

const NAME_EXPECTED: &str = "1 to 40 letters, digits, dots, dashes and underscores that do not look like a key, such as \"team-a\"";
const HASH_EXPECTED: &str =
    "\"sha256:\" and 64 hexadecimal digits, as \"foxbridge key\" prints them";
const MODELS_EXPECTED: &str = "a list of models such as [\"gpt-*\", \"claude-opus-4-7\"], each with at most one *; leave it out for all";
const LIMIT_EXPECTED: &str = "a whole number from 1 to 4294967295; leave it out for no limit";

fn name(value: &Value) -> Parsed<String> {
    match parse::text(value)? {
        name if is_client_name(name) => Ok(name.to_owned()),
        _ => Err(Misfit::default()),
    }
}

/// Whether a client's key may be called so.
pub fn is_client_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let looks_like_a_key = ["sk-", "fbk-"].iter().any(|start| name.starts_with(start));
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_plain) && !looks_like_a_key
}

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

    const ONE: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn read(content: &str) -> Result<Vec<Entry>, String> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), content).expect("to write it");
        let list = List::read(file.path()).map_err(|misfit| format!("{misfit:?}"))?;
        let mut faults = Vec::new();
        list.entries(&mut faults).ok_or_else(|| {
            let faults: Vec<String> = faults.iter().map(Fault::to_string).collect();
            faults.join("\n")
        })
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
