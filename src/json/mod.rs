//! JSON as text: objects whose members keep their bytes and their order, and what makes a text acceptable.
//!
//! What foxbridge does not understand it must not change, so nothing here goes through a value tree: large
//! integers, `1e400`, escapes and key order survive because their bytes are never rewritten.

mod object;
mod strict;

pub use object::{Edit, RawObject};
pub use strict::{Fault, MAX_DEPTH, check};

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The text of a JSON string; `None` for any other type.
pub fn string(value: &RawValue) -> Option<std::borrow::Cow<'_, str>> {
    let text = value.get();
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(text).ok().map(std::borrow::Cow::Owned)
    } else {
        Some(std::borrow::Cow::Borrowed(inner))
    }
}

/// How many elements an array may have that is looked into: elements cost memory, and nobody writes as many.
pub const MAX_ELEMENTS: usize = 100_000;

/// The elements of a JSON array; `None` for any other type, and for one with more than [`MAX_ELEMENTS`].
pub fn array(value: &RawValue) -> Option<Vec<&RawValue>> {
    if !value.get().starts_with('[') {
        return None;
    }
    serde_json::from_str(value.get())
        .ok()
        .map(|Elements(elements)| elements)
}

struct Elements<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "an array of at most {MAX_ELEMENTS} elements")
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut sequence: A,
            ) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = sequence.next_element()? {
                    if elements.len() == MAX_ELEMENTS {
                        return Err(A::Error::invalid_length(MAX_ELEMENTS + 1, &self));
                    }
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }

        deserializer.deserialize_seq(Each)
    }
}

/// A string as JSON text, quotes included.
pub fn quote(text: &str) -> String {
    // A string has no way to fail to serialize; an empty string stands for the impossible.
    serde_json::to_string(text).unwrap_or_else(|_| String::from("\"\""))
}

/// What a person calls the type of this value.
pub fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_bounded() {
        let count =
            |text: &str| array(serde_json::from_str(text).unwrap()).map(|elements| elements.len());
        assert_eq!(count("[]"), Some(0));
        assert_eq!(count("[1, [2], {}]"), Some(3));
        assert_eq!(count("{}"), None);
        assert_eq!(
            count(&format!("[{}0]", "0,".repeat(MAX_ELEMENTS - 1))),
            Some(MAX_ELEMENTS)
        );
        assert_eq!(count(&format!("[{}0]", "0,".repeat(MAX_ELEMENTS))), None);
    }

    #[test]
    fn strings_are_borrowed_unless_escaped() {
        let read = |text: &str| {
            let raw: &RawValue = serde_json::from_str(text).unwrap();
            string(raw).map(|text| {
                (
                    text.to_string(),
                    matches!(text, std::borrow::Cow::Borrowed(_)),
                )
            })
        };
        assert_eq!(read(r#""plain""#), Some(("plain".into(), true)));
        assert_eq!(read(r#""a\nb""#), Some(("a\nb".into(), false)));
        assert_eq!(read("1"), None);
    }
}
