//! JSON as text: objects whose members keep their bytes and their order, and what makes a text acceptable.
//!
//! What foxbridge does not understand it must not change, so nothing here goes through a value tree: large
//! integers, `1e400`, escapes and key order survive because their bytes are never rewritten.

mod object;
mod raw;
mod strict;
mod syntax;

pub use object::{Edit, RawObject};
pub use raw::{MAX_ELEMENTS, Raw};
pub use strict::{Fault, MAX_DEPTH, check};

/// A string as JSON text, quotes included.
pub fn quote(text: &str) -> String {
    // A string has no way to fail to serialize; an empty string stands for the impossible.
    serde_json::to_string(text).unwrap_or_else(|_| String::from("\"\""))
}

/// What a person calls the type of this value.
pub fn kind(value: Raw) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}
