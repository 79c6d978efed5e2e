use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// How many members an object may have that is looked into: members cost memory, and nobody writes as many.
const MAX_MEMBERS: usize = 10_000;

/// A JSON object whose members are known by name and kept as the bytes that they came in.
#[derive(Debug, Clone, Default)]
pub struct RawObject<'a> {
    members: Vec<(&'a RawValue, &'a RawValue)>,
}

impl<'a> RawObject<'a> {
    /// Reads the outermost level of `text`; deeper levels are checked for syntax only.
    pub fn parse(text: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// Reads `value` if it is an object.
    pub fn of(value: &'a RawValue) -> Option<Self> {
        if !value.get().starts_with('{') {
            return None;
        }
        Self::parse(value.get()).ok()
    }

    /// The member of this name, `null` included; the last one where a careless writer repeats a name.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.members
            .iter()
            .rev()
            .find(|(key, _)| is_named(key.get(), name))
            .map(|&(_, value)| value)
    }

    /// The member of this name unless it is `null`.
    pub fn present(&self, name: &str) -> Option<&'a RawValue> {
        self.get(name).filter(|value| value.get() != "null")
    }

    /// Each member as its quoted name and its value.
    pub fn members(&self) -> impl Iterator<Item = (&'a RawValue, &'a RawValue)> {
        self.members.iter().copied()
    }

    /// The text of the member of this name, if it is a string.
    pub fn string(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).and_then(super::string)
    }

    /// The object that is the member of this name.
    pub fn object(&self, name: &str) -> Option<RawObject<'a>> {
        self.get(name).and_then(RawObject::of)
    }

    /// Starts a changed copy; what is not touched stays as it is, byte for byte.
    pub fn edit(&self) -> Edit<'a> {
        Edit {
            members: self
                .members
                .iter()
                .map(|(key, value)| (Cow::Borrowed(key.get()), Cow::Borrowed(value.get())))
                .collect(),
            changed: false,
        }
    }
}

/// An object being changed. Values are JSON text.
#[derive(Debug)]
pub struct Edit<'a> {
    members: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    changed: bool,
}

impl<'a> Edit<'a> {
    /// Gives the member of this name another value, where it stands; adds it last where there is none.
    pub fn set(&mut self, name: &str, value: impl Into<Cow<'a, str>>) {
        let value = value.into();
        self.changed = true;
        match self.members.iter_mut().find(|(key, _)| is_named(key, name)) {
            Some(member) => member.1 = value,
            None => self.members.push((Cow::Owned(super::quote(name)), value)),
        }
    }

    /// Takes the member of this name away and gives back its value.
    pub fn remove(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let at = self
            .members
            .iter()
            .position(|(key, _)| is_named(key, name))?;
        self.changed = true;
        Some(self.members.remove(at).1)
    }

    /// The new text, or `None` when nothing was changed and the old text still serves.
    pub fn finish(self) -> Option<String> {
        self.changed.then(|| self.text())
    }

    /// The text, changed or not.
    pub fn text(&self) -> String {
        let length: usize = self
            .members
            .iter()
            .map(|(k, v)| k.len() + v.len() + 2)
            .sum();
        let mut text = String::with_capacity(length + 2);
        text.push('{');
        for (at, (key, value)) in self.members.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push_str(key);
            text.push(':');
            text.push_str(value);
        }
        text.push('}');
        text
    }
}

/// Whether the quoted JSON text `key` spells `name`.
fn is_named(key: &str, name: &str) -> bool {
    match key
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        Some(inner) if inner == name => true,
        Some(inner) if inner.contains('\\') => {
            serde_json::from_str::<String>(key).is_ok_and(|spelled| spelled == name)
        }
        _ => false,
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = RawObject<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some(member) = map.next_entry::<&RawValue, &RawValue>()? {
                    if members.len() == MAX_MEMBERS {
                        return Err(A::Error::custom(format_args!(
                            "an object has more than {MAX_MEMBERS} members"
                        )));
                    }
                    members.push(member);
                }
                Ok(RawObject { members })
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_however_their_name_is_spelled() {
        let object = RawObject::parse(r#" {"a":1, "m\u006fdel" : "x", "n":null} "#).unwrap();
        assert_eq!(object.string("model").as_deref(), Some("x"));
        assert_eq!(object.get("n").map(RawValue::get), Some("null"));
        assert!(object.present("n").is_none());
        assert!(object.get("b").is_none());
    }

    #[test]
    fn an_edit_keeps_every_other_byte() {
        let text = r#"{"big":123456789012345678901234567890,"x" : 1e400,"k\u0061":"\ud83e\udd8a", "drop":[1, 2]}"#;
        let object = RawObject::parse(text).unwrap();
        assert_eq!(object.edit().finish(), None);
        let mut edit = object.edit();
        edit.set("x", "2");
        edit.set("new", "true");
        assert_eq!(edit.remove("drop").as_deref(), Some("[1, 2]"));
        assert_eq!(edit.remove("absent"), None);
        assert_eq!(
            edit.finish().as_deref(),
            Some(
                r#"{"big":123456789012345678901234567890,"x":2,"k\u0061":"\ud83e\udd8a","new":true}"#
            )
        );
    }

    #[test]
    fn members_are_bounded() {
        let object = |count: usize| {
            let members: Vec<String> = (0..count).map(|n| format!("\"k{n}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(RawObject::parse(&object(MAX_MEMBERS)).is_ok());
        let error = RawObject::parse(&object(MAX_MEMBERS + 1)).unwrap_err();
        assert!(
            error.to_string().contains("more than 10000 members"),
            "{error}"
        );
    }

    #[test]
    fn other_types_are_not_objects() {
        for text in ["[]", "1", "\"{}\"", "null", "", "{\"a\":1"] {
            assert!(RawObject::parse(text).is_err(), "{text}");
        }
    }
}
