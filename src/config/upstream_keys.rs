//! The list of the upstream's keys (`upstream.keys_file`).

use figment::value::{Dict, Value};
use secrecy::ExposeSecret;

use super::{
    fault::Fault,
    key_list::{List, NAME, Reading},
    parse::{self, Parsed},
};
use crate::upstream::{MOST_UPSTREAM_KEYS, UpstreamKey};

const KEY: &str = "key";
const WEIGHT: &str = "weight";
/// All that a `[[key]]` has.
const MEMBERS: [&str; 3] = [NAME, KEY, WEIGHT];

const KEY_EXPECTED: &str = "the key alone, in quotes: visible ASCII characters without spaces";
const WEIGHT_EXPECTED: &str = "a whole number from 1 to 1000; leave it out for 1";

/// The keys of the list, or nothing after at least one fault was added to `faults`.
pub(super) fn entries(list: &List, faults: &mut Vec<Fault>) -> Option<Vec<UpstreamKey>> {
    let mut reading = list.reading(faults);
    let entries = reading.each(MOST_UPSTREAM_KEYS, entry);
    reading.apart(&entries, (NAME, "name"), |entry| &entry.name);
    reading.apart(&entries, (KEY, "key"), |entry| entry.key.expose_secret());
    reading.sound(entries)
}

fn entry(reading: &mut Reading<'_>, table: &Dict) -> Option<UpstreamKey> {
    let name = reading.name(table, &MEMBERS);
    let key = reading.required(table, KEY, KEY_EXPECTED, parse::api_key);
    let weight = reading.member(table, WEIGHT, WEIGHT_EXPECTED, weight);
    Some(UpstreamKey {
        name: name?,
        key: key?,
        weight: weight?.unwrap_or(1),
    })
}

fn weight(value: &Value) -> Parsed<u32> {
    parse::whole(value, 1, 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::key_list::read_in_test;

    fn read(content: &str) -> Result<Vec<UpstreamKey>, String> {
        read_in_test(content, entries)
    }

    #[test]
    fn a_key_has_a_name_and_a_weight() {
        let keys = read(
            "[[key]]\nname = \"main\"\nkey = \"sk-hidden-1\"\nweight = 3\n[[key]]\nname = \"spare\"\nkey = \"sk-hidden-2\"\n",
        )
        .expect("a sound list");
        let shown = format!("{keys:?} {keys:#?}");
        assert!(
            shown.contains("spare") && !shown.contains("hidden"),
            "{shown}"
        );
        let keys: Vec<_> = keys
            .iter()
            .map(|key| (key.name.as_str(), key.key.expose_secret(), key.weight))
            .collect();
        assert_eq!(
            keys,
            [("main", "sk-hidden-1", 3), ("spare", "sk-hidden-2", 1)]
        );
    }

    #[test]
    fn every_fault_is_told_and_no_key() {
        let told = read(
            "sk-hidden = 1\n[[key]]\nname = \"sk-hidden\"\nkey = \"sk hidden\"\nweight = 0\n\
             [[key]]\nname = \"a\"\nkey = \"sk-hidden-1\"\nweihgt = 3\n\
             [[key]]\nname = \"a\"\nkey = \"sk-hidden-1\"\nweight = \"sk-hidden\"\n\
             [[key]]\nname = \"b\"\nkey = \"sk-hidden-1\"\n[[key]]\nname = \"b\"\nkey = \"sk-hidden-1\"\n\
             [[key]]\nname = \"c\"\nkey = 918273645\n\
             [[key]]\n[[key]]\nname = \"d\"\nkey = \"sk-hidden-2\"\nweight = 1001\n",
        )
        .expect_err("faults");
        for words in [
            "nothing beside the [[key]] tables",
            "key 1: name (file",
            "key 1: key (file",
            "key 1: weight = 0 (file",
            "did you mean weight?",
            "key 3 (\"a\"): weight (file",
            "a name of its own, and key 4 (\"b\") has the same",
            "a key of its own, and key 4 (\"b\") has the same",
            "key 6 (\"c\"): key (file",
            "key 7: name (file",
            "key 7: key (file",
            "key 8 (\"d\"): weight = 1001 (file",
        ] {
            assert!(told.contains(words), "{words} is not in\n{told}");
        }
        assert!(
            !told.contains("hidden") && !told.contains("91827"),
            "{told}"
        );
    }

    #[test]
    fn a_list_without_keys_is_a_fault() {
        for content in ["", "# none\n", "key = []\n", "key = 1\n"] {
            let told = read(content).expect_err(content);
            assert!(told.contains("at least one [[key]] table"), "{told}");
        }
    }

    #[test]
    fn there_is_a_bound() {
        let key = |number| format!("[[key]]\nname = \"k{number}\"\nkey = \"sk-{number}\"\n");
        let many = |count| (0..count).map(key).collect::<String>();
        assert_eq!(read(&many(64)).map(|keys| keys.len()), Ok(64));
        let told = read(&many(65)).expect_err("too many");
        assert!(told.contains("at most 64 keys"), "{told}");
    }
}
