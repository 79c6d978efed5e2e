//! JSON as text: objects whose members keep their bytes and their order, and what makes a text acceptable.
//!
//! What foxbridge does not understand it must not change, so nothing here goes through a value tree: large
//! integers, `1e400`, escapes and key order survive because their bytes are never rewritten.

mod object;
mod strict;

pub use object::{Edit, RawObject};
pub use strict::{Fault, MAX_DEPTH, check};

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

/// The elements of a JSON array; `None` for any other type.
pub fn array(value: &RawValue) -> Option<Vec<&RawValue>> {
    if !value.get().starts_with('[') {
        return None;
    }
    serde_json::from_str(value.get()).ok()
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
