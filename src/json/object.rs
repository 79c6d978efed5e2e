use std::{borrow::Cow, collections::HashMap};

use serde::de::{Error, IgnoredAny};

use super::{Raw, syntax};

/// How many members an object may have that is looked into: members cost memory, and nobody writes as many.
const MAX_MEMBERS: usize = 10_000;

/// A JSON object whose members are known by name and kept as the bytes that they came in.
#[derive(Debug, Clone, Default)]
pub struct RawObject<'a> {
    members: Vec<(Raw<'a>, Raw<'a>)>,
    /// Whether a name is written with an escape, which is allowed and rare.
    has_escapes: bool,
}

impl<'a> RawObject<'a> {
    /// Reads the outermost level of `text`; deeper levels are checked for syntax only.
    pub fn parse(text: &'a str) -> serde_json::Result<Self> {
        if let Some(members) = syntax::members(text, MAX_MEMBERS) {
            return Ok(Self::new(members.into_iter().map(Raw::of_member).collect()));
        }
        let raw = Raw::parse(text)?;
        if !raw.get().starts_with('{') {
            // serde_json has the words for it.
            return serde_json::from_str::<HashMap<String, IgnoredAny>>(text)
                .map(|_| Self::default());
        }
        Self::of(raw).ok_or_else(|| {
            serde_json::Error::custom(format_args!(
                "an object has more than {MAX_MEMBERS} members"
            ))
        })
    }

    /// Reads `value` if it is an object, and one of a size that is looked into.
    pub fn of(value: Raw<'a>) -> Option<Self> {
        if !value.get().starts_with('{') {
            return None;
        }
        let mut members = Vec::with_capacity(8);
        for member in value.members() {
            if members.len() == MAX_MEMBERS {
                return None;
            }
            members.push(member);
        }
        Some(Self::new(members))
    }

    fn new(members: Vec<(Raw<'a>, Raw<'a>)>) -> Self {
        let is_escaped = |(name, _): &(Raw, Raw)| name.get().as_bytes().contains(&b'\\');
        Self {
            has_escapes: members.iter().any(is_escaped),
            members,
        }
    }

    /// The member of this name, `null` included; the last one where a careless writer repeats a name.
    pub fn get(&self, name: &str) -> Option<Raw<'a>> {
        let mut members = self.members.iter().rev();
        let found = match self.has_escapes {
            false => members.find(|(key, _)| {
                key.get().get(1..=name.len()) == Some(name) && key.get().len() == name.len() + 2
            }),
            true => members.find(|(key, _)| is_named(key.get(), name)),
        };
        found.map(|&(_, value)| value)
    }

    /// The member of this name unless it is `null`.
    pub fn present(&self, name: &str) -> Option<Raw<'a>> {
        self.get(name).filter(|value| value.get() != "null")
    }

    /// Each member as its quoted name and its value.
    pub fn members(&self) -> impl Iterator<Item = (Raw<'a>, Raw<'a>)> {
        self.members.iter().copied()
    }

    /// The text of the member of this name, if it is a string.
    pub fn string(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).and_then(Raw::string)
    }

    /// The object that is the member of this name.
    pub fn object(&self, name: &str) -> Option<RawObject<'a>> {
        self.get(name).and_then(RawObject::of)
    }

    /// Starts a changed copy; what is not touched stays as it is, byte for byte.
    pub fn edit(&self) -> Edit<'_> {
        Edit {
            before: &self.members,
            changed: None,
        }
    }
}

/// An object being changed. Values are JSON text.
#[derive(Debug)]
pub struct Edit<'a> {
    before: &'a [(Raw<'a>, Raw<'a>)],
    /// `None` while nothing has been changed.
    changed: Option<Vec<Member<'a>>>,
}

/// A quoted name and a value.
type Member<'a> = (Cow<'a, str>, Cow<'a, str>);

impl<'a> Edit<'a> {
    /// Gives the member of this name another value, where it stands; adds it last where there is none.
    pub fn set(&mut self, name: &str, value: impl Into<Cow<'a, str>>) {
        let value = value.into();
        let members = self.changed();
        match members.iter_mut().find(|(key, _)| is_named(key, name)) {
            Some(member) => member.1 = value,
            None => members.push((Cow::Owned(super::quote(name)), value)),
        }
    }

    /// Takes the member of this name away and gives back its value.
    pub fn remove(&mut self, name: &str) -> Option<Cow<'a, str>> {
        if self.changed.is_none() && !self.before.iter().any(|(key, _)| is_named(key.get(), name)) {
            return None;
        }
        let members = self.changed();
        let at = members.iter().position(|(key, _)| is_named(key, name))?;
        Some(members.remove(at).1)
    }

    /// The new text, or `None` when nothing was changed and the old text still serves.
    pub fn finish(self) -> Option<String> {
        self.changed.as_deref().map(text)
    }

    /// The text, changed or not.
    pub fn text(mut self) -> String {
        text(self.changed())
    }

    fn changed(&mut self) -> &mut Vec<Member<'a>> {
        self.changed.get_or_insert_with(|| {
            let members = self.before.iter();
            let borrowed = |&(key, value): &(Raw<'a>, Raw<'a>)| {
                (Cow::Borrowed(key.get()), Cow::Borrowed(value.get()))
            };
            members.map(borrowed).collect()
        })
    }
}

fn text(members: &[Member]) -> String {
    let length: usize = members.iter().map(|(k, v)| k.len() + v.len() + 2).sum();
    let mut text = String::with_capacity(length + 2);
    text.push('{');
    for (at, (key, value)) in members.iter().enumerate() {
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

/// Whether the quoted JSON text `key` spells `name`.
fn is_named(key: &str, name: &str) -> bool {
    let Some(inner) = key.get(1..key.len().saturating_sub(1)) else {
        return false;
    };
    // A name that is written with escapes is longer than what it spells.
    inner == name
        || inner.len() > name.len()
            && inner.contains('\\')
            && serde_json::from_str::<String>(key).is_ok_and(|spelled| spelled == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_however_their_name_is_spelled() {
        let object = RawObject::parse(r#" {"a":1, "m\u006fdel" : "x", "n":null} "#).unwrap();
        assert_eq!(object.string("model").as_deref(), Some("x"));
        assert_eq!(object.get("n").map(Raw::get), Some("null"));
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
