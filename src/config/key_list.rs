//! A list of keys in a file of its own, as `[[key]]` tables. Nothing of it is shown in a fault but names that are sound, members
//! of known names, and numbers that cannot be a key: anything else could be a key that was put into the wrong place.

use std::{collections::HashMap, fs, hash::Hash, path::Path};

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

/// What the operator calls a key, in every list.
pub(super) const NAME: &str = "name";
const NAME_EXPECTED: &str = "1 to 40 letters, digits, dots, dashes and underscores that do not look like a key, such as \"team-a\"";

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

    pub(super) fn reading<'a>(&'a self, faults: &'a mut Vec<Fault>) -> Reading<'a> {
        Reading {
            before: faults.len(),
            list: self,
            faults,
            place: String::new(),
        }
    }
}

/// Reads the list in a text, for the tests of each list.
#[cfg(test)]
pub(super) fn read_in_test<T>(
    content: &str,
    entries: impl FnOnce(&List, &mut Vec<Fault>) -> Option<Vec<T>>,
) -> Result<Vec<T>, String> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), content).expect("to write it");
    let list = List::read(file.path()).map_err(|misfit| format!("{misfit:?}"))?;
    let mut faults = Vec::new();
    entries(&list, &mut faults).ok_or_else(|| {
        let faults: Vec<String> = faults.iter().map(Fault::to_string).collect();
        faults.join("\n")
    })
}

/// A list that is being read.
pub(super) struct Reading<'a> {
    list: &'a List,
    faults: &'a mut Vec<Fault>,
    /// How many faults there were before.
    before: usize,
    /// Which key is being read, as faults name it.
    place: String,
}

/// A key that could be read, and what faults call it.
pub(super) struct Placed<T> {
    place: String,
    pub(super) entry: T,
}

impl Reading<'_> {
    /// Reads each table by `entry`, which gives nothing only after a fault.
    pub(super) fn each<T>(
        &mut self,
        most: usize,
        entry: impl Fn(&mut Self, &Dict) -> Option<T>,
    ) -> Vec<Placed<T>> {
        if self.list.content.keys().any(|name| name != "key") {
            self.fault("the file", None, "nothing beside the [[key]] tables");
        }
        let list = self.list;
        let tables = match list.content.get("key") {
            Some(Value::Array(_, tables)) if !tables.is_empty() => tables.as_slice(),
            _ => {
                self.fault("the file", None, "at least one [[key]] table");
                &[]
            }
        };
        if tables.len() > most {
            self.fault("the file", None, format!("at most {most} keys"));
            return Vec::new();
        }
        let mut entries = Vec::new();
        for (number, table) in (1..).zip(tables) {
            self.place = format!("key {number}");
            let Value::Dict(_, table) = table else {
                self.fault("", None, "a table: [[key]] with its members below");
                continue;
            };
            if let Some(entry) = entry(self, table) {
                let place = self.place.clone();
                entries.push(Placed { place, entry });
            }
        }
        entries
    }

    /// The key's name, by which faults call it from here on; and that there are no members but these.
    pub(super) fn name(&mut self, table: &Dict, members: &[&'static str]) -> Option<String> {
        let found = self.member(table, NAME, NAME_EXPECTED, name);
        if let Some(Some(name)) = &found {
            self.place.push_str(&format!(" (\"{name}\")"));
        }
        for unknown in table
            .keys()
            .filter(|name| !members.contains(&name.as_str()))
        {
            self.fault("", None, suggest::member(unknown, members));
        }
        self.present(found, NAME, NAME_EXPECTED)
    }

    /// A member that every key has.
    pub(super) fn required<T>(
        &mut self,
        table: &Dict,
        name: &'static str,
        expected: &str,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> Option<T> {
        let found = match table.get(name) {
            None => Some(None),
            Some(value) => match parse(value) {
                Ok(parsed) => Some(Some(parsed)),
                Err(_) => {
                    // It may well be a key, or nearly one.
                    self.fault(name, None, expected);
                    None
                }
            },
        };
        self.present(found, name, expected)
    }

    fn present<T>(
        &mut self,
        found: Option<Option<T>>,
        name: &'static str,
        expected: &str,
    ) -> Option<T> {
        if let Some(None) = &found {
            self.fault(name, None, expected);
        }
        found.flatten()
    }

    /// The outer option is empty after a fault, the inner one where the table has no such member.
    pub(super) fn member<T>(
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

    /// Holds that no two keys have the same `member`.
    pub(super) fn apart<'t, T, M: Hash + Eq>(
        &mut self,
        entries: &'t [Placed<T>],
        (name, what): (&'static str, &str),
        member: impl Fn(&'t T) -> M,
    ) {
        let mut known: HashMap<M, &str> = HashMap::new();
        for Placed { place, entry } in entries {
            if let Some(other) = known.insert(member(entry), place) {
                self.place.clone_from(place);
                self.fault(
                    name,
                    None,
                    format!("a {what} of its own, and {other} has the same"),
                );
            }
        }
    }

    /// The entries, unless there was a fault.
    pub(super) fn sound<T>(self, entries: Vec<Placed<T>>) -> Option<Vec<T>> {
        let is_sound = self.faults.len() == self.before;
        is_sound.then(|| entries.into_iter().map(|placed| placed.entry).collect())
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

fn name(value: &Value) -> Parsed<String> {
    match parse::text(value)? {
        name if is_key_name(name) => Ok(name.to_owned()),
        _ => Err(Misfit::default()),
    }
}

/// Whether a key may be called so.
pub fn is_key_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let looks_like_a_key = ["sk-", "fbk-"].iter().any(|start| name.starts_with(start));
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_plain) && !looks_like_a_key
}
