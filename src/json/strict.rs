use std::borrow::Cow;

use memchr::memchr;

use super::raw::string_at;

/// How deep objects and arrays may nest: what serde_json and most other readers take at most.
pub const MAX_DEPTH: usize = 128;

/// Why a syntactically valid text is refused all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("it nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Readers disagree about which of the two counts, so neither can be trusted.
    #[error("the name {0:?} appears twice in one object")]
    RepeatedName(String),
    /// Half of a pair: most readers refuse it, the others replace it.
    #[error("it has an escape such as \\ud800 that stands for no character")]
    LoneSurrogate,
}

/// Checks a text that is known to be valid JSON for what serde_json lets pass in skipped parts: bottomless
/// nesting, and names that appear twice in one object. Iterative, so no input can exhaust the stack.
pub fn check(text: &str) -> Result<(), Fault> {
    let bytes = text.as_bytes();
    let mut open: Vec<Open> = Vec::with_capacity(16);
    let mut names: Vec<&str> = Vec::with_capacity(32);
    // In an object, a string is a name when it follows `{` or `,`.
    let mut name_is_next = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => {
                let (behind, has_escape) = string_at(bytes, at);
                let end = behind - 1;
                let string = text.get(at..end).unwrap_or_default();
                if has_escape && has_lone_surrogate(string) {
                    return Err(Fault::LoneSurrogate);
                }
                if name_is_next {
                    names.push(string);
                    name_is_next = false;
                }
                at = behind;
            }
            b'{' | b'[' => {
                if open.len() == MAX_DEPTH {
                    return Err(Fault::TooDeep);
                }
                name_is_next = byte == b'{';
                open.push(Open {
                    is_object: name_is_next,
                    first_name: names.len(),
                });
            }
            b'}' | b']' => {
                name_is_next = false;
                if let Some(Open {
                    is_object: true,
                    first_name,
                }) = open.pop()
                {
                    let own = names.get_mut(first_name..).unwrap_or_default();
                    if let Some(name) = repeated(own) {
                        return Err(Fault::RepeatedName(name));
                    }
                    names.truncate(first_name);
                }
            }
            b',' => name_is_next = open.last().is_some_and(|open| open.is_object),
            _ => {}
        }
    }
    Ok(())
}

struct Open {
    is_object: bool,
    first_name: usize,
}

/// Whether the inside of a string has half a surrogate pair among its escapes.
fn has_lone_surrogate(string: &str) -> bool {
    let mut rest = string;
    while let Some(at) = memchr(b'\\', rest.as_bytes()) {
        let escape = rest.get(at..).unwrap_or_default();
        let length = match unit(escape) {
            Some(0xD800..=0xDBFF) => {
                let low = escape.get(6..).and_then(unit);
                if !matches!(low, Some(0xDC00..=0xDFFF)) {
                    return true;
                }
                12
            }
            Some(0xDC00..=0xDFFF) => return true,
            Some(_) => 6,
            None => 2,
        };
        rest = escape.get(length..).unwrap_or_default();
    }
    false
}

/// The UTF-16 unit of the `\u` escape that `text` begins with.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

/// A name that occurs more than once. Few names are compared pair by pair; many are sorted first, so that a
/// hostile object costs no more than sorting it.
fn repeated(names: &mut [&str]) -> Option<String> {
    const FEW: usize = 12;
    if names.iter().any(|name| name.contains('\\')) {
        let mut spelled: Vec<Cow<str>> = names.iter().map(|name| unescaped(name)).collect();
        spelled.sort_unstable();
        return adjacent(&spelled);
    }
    if names.len() <= FEW {
        return names
            .iter()
            .enumerate()
            .find(|(at, name)| names.iter().take(*at).any(|earlier| earlier == *name))
            .map(|(_, name)| name.to_string());
    }
    names.sort_unstable();
    adjacent(names)
}

fn adjacent<S: AsRef<str>>(sorted: &[S]) -> Option<String> {
    sorted
        .iter()
        .zip(sorted.iter().skip(1))
        .find(|(one, next)| one.as_ref() == next.as_ref())
        .map(|(one, _)| one.as_ref().to_owned())
}

fn unescaped(name: &str) -> Cow<'_, str> {
    if !name.contains('\\') {
        return Cow::Borrowed(name);
    }
    serde_json::from_str::<String>(&format!("\"{name}\"")).map_or(Cow::Borrowed(name), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn repeated_names_are_found_at_any_depth() {
        for (text, name) in [
            (r#"{"a":1,"a":2}"#, "a"),
            (r#"{"x":[{"b":{},"c":"}","b":[]}]}"#, "b"),
            (r#"{"a":1,"\u0061":2}"#, "a"),
            (r#"{"a\"":1,"b":"\\","a\"":2}"#, "a\""),
        ] {
            assert_eq!(check(text), Err(Fault::RepeatedName(name.into())), "{text}");
        }
        let many: String = (0..50).map(|n| format!("\"k{n}\":{n},")).collect();
        assert_eq!(
            check(&format!("{{{many}\"k7\":0}}")),
            Err(Fault::RepeatedName("k7".into()))
        );
    }

    #[test]
    fn the_same_name_in_different_objects_is_fine() {
        for text in [
            r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}"#,
            r#"{"a":"a","b":"a","c":["a","a"]}"#,
            "[]",
            "1e400",
            r#""a""#,
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn half_a_pair_is_no_character() {
        for lone in [
            r#""\ud800""#,
            r#"{"a":["x\udc00"]}"#,
            r#"{"\ud83e\ud83e":1}"#,
            r#""\ud83ex\udd8a""#,
            r#""\\\ud800""#,
        ] {
            assert_eq!(check(lone), Err(Fault::LoneSurrogate), "{lone}");
        }
        for whole in [
            r#""\ud83e\udd8a""#,
            r#""\\ud800""#,
            r#""\u00e9\n\"\\""#,
            r#""\uD83E\uDD8A""#,
        ] {
            assert_eq!(check(whole), Ok(()), "{whole}");
        }
    }

    #[test]
    fn depth_is_bounded_exactly() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check(&nested(MAX_DEPTH + 1)), Err(Fault::TooDeep));
        assert_eq!(check(&nested(100_000)), Err(Fault::TooDeep));
    }

    proptest! {
        #[test]
        fn texts_written_from_a_value_tree_pass(names in proptest::collection::hash_set(".{0,6}", 0..30)) {
            let object: serde_json::Map<String, serde_json::Value> =
                names.into_iter().map(|name| (name.clone(), serde_json::json!({ name: [1, "{"] }))).collect();
            prop_assert_eq!(check(&serde_json::to_string(&object).unwrap()), Ok(()));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = check(&text);
        }
    }
}
