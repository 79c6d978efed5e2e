use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::syntax;

/// How many elements an array may have that is looked into: elements cost memory, and nobody writes as many.
pub const MAX_ELEMENTS: usize = 100_000;

/// The text of one JSON value, known to be valid, without white space around it.
///
/// That it is valid was found out once, from the outside; what lies inside is then only cut, never parsed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    /// Takes a text that is a JSON value.
    pub fn parse(text: &'a str) -> serde_json::Result<Self> {
        syntax::validate(text)?;
        Ok(Self(text.trim_matches([' ', '\t', '\r', '\n'])))
    }

    /// A name and a value that were read as such.
    pub(super) fn of_member((name, value): (&'a str, &'a str)) -> (Self, Self) {
        (Self(name), Self(value))
    }

    pub fn get(self) -> &'a str {
        self.0
    }

    /// The text of a JSON string; `None` for any other type, and where an escape stands for no character.
    pub fn string(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if memchr::memchr(b'\\', inner.as_bytes()).is_some() {
            serde_json::from_str(self.0).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// Each member of an object as its quoted name and its value; none for any other type.
    pub fn members(self) -> impl Iterator<Item = (Raw<'a>, Raw<'a>)> {
        let mut cutter = Cutter::inside(self.0, '{');
        std::iter::from_fn(move || {
            let name = cutter.next_value()?;
            Some((name, cutter.next_value()?))
        })
    }

    /// Each element of an array; none for any other type.
    pub fn elements(self) -> impl Iterator<Item = Raw<'a>> {
        let mut cutter = Cutter::inside(self.0, '[');
        std::iter::from_fn(move || cutter.next_value())
    }

    /// The elements of an array; `None` for any other type, and for one with more than [`MAX_ELEMENTS`].
    pub fn array(self) -> Option<Vec<Raw<'a>>> {
        if !self.0.starts_with('[') {
            return None;
        }
        let mut elements = Vec::new();
        for element in self.elements() {
            if elements.len() == MAX_ELEMENTS {
                return None;
            }
            elements.push(element);
        }
        Some(elements)
    }
}

/// From serde_json only, as a member of what it reads.
impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'a RawValue>::deserialize(deserializer).map(|raw| Self(raw.get()))
    }
}

/// Cuts what is inside of an object or array into its values. Between two of them are white space, a comma or a colon.
struct Cutter<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cutter<'a> {
    fn inside(text: &'a str, opening: char) -> Self {
        let text = match text.starts_with(opening) {
            true => text,
            false => "",
        };
        Self { text, at: 1 }
    }

    fn next_value(&mut self) -> Option<Raw<'a>> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\r' | b'\n' | b',' | b':') = bytes.get(self.at) {
            self.at += 1;
        }
        let start = self.at;
        self.at = match bytes.get(start)? {
            b'"' => behind_string(bytes, start + 1),
            b'{' | b'[' => behind_nested(bytes, start),
            b'}' | b']' => return None,
            _ => behind_word(bytes, start),
        };
        self.text.get(start..self.at).map(Raw)
    }
}

/// Where a string ends, quote included; `at` is behind its opening quote.
fn behind_string(bytes: &[u8], at: usize) -> usize {
    string_at(bytes, at).0
}

/// The same, and whether the string has an escape.
pub(super) fn string_at(bytes: &[u8], mut at: usize) -> (usize, bool) {
    let mut has_escape = false;
    loop {
        at = special(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return (at + 1, has_escape),
            Some(b'\\') => {
                has_escape = true;
                at += 2;
            }
            Some(_) => at += 1,
            None => return (bytes.len(), has_escape),
        }
    }
}

/// The first place from `at` on with a byte that is not for itself inside of a string: a quote, a backslash or a control
/// character. The end if there is none.
pub(super) fn special(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    let rest = bytes.get(at..).unwrap_or_default();
    let (words, tail) = rest.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        // In each byte that is looked for, the highest bit gets set; the lowest one set is right, whatever is above it.
        let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGHS;
        let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let found = below(word, 0x20) | is(b'"') | is(b'\\');
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let in_tail = tail
        .iter()
        .position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
    at + in_tail.unwrap_or(tail.len())
}

/// Where the object or array that begins at `at` ends.
fn behind_nested(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = behind_string(bytes, at),
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return at,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    bytes.len()
}

/// Where a number or a literal ends.
fn behind_word(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at)
        && !matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n')
    {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn raw(text: &str) -> Raw<'_> {
        Raw::parse(text).expect("JSON")
    }

    #[test]
    fn arrays_are_bounded() {
        let count = |text: &str| raw(text).array().map(|elements| elements.len());
        assert_eq!(count("[]"), Some(0));
        assert_eq!(count(" [1, [2], {}]\n"), Some(3));
        assert_eq!(count("{}"), None);
        let most = format!("[{}0]", "0,".repeat(MAX_ELEMENTS - 1));
        assert_eq!(count(&most), Some(MAX_ELEMENTS));
        assert_eq!(count(&format!("[{}0]", "0,".repeat(MAX_ELEMENTS))), None);
    }

    #[test]
    fn strings_are_borrowed_unless_escaped() {
        let read = |text| {
            raw(text)
                .string()
                .map(|text| (text.to_string(), matches!(text, Cow::Borrowed(_))))
        };
        assert_eq!(read(r#""plain""#), Some(("plain".into(), true)));
        assert_eq!(read(r#""a\nb""#), Some(("a\nb".into(), false)));
        assert_eq!(read(r#""\ud800""#), None);
        assert_eq!(read("1"), None);
    }

    #[test]
    fn values_keep_their_bytes() {
        let text = r#" { "a\"b" : [1 , -2.50e+3,"]"] ,"c":{"d" : {} },"e":null } "#;
        let members = raw(text)
            .members()
            .map(|(name, value)| (name.get(), value.get()));
        let members: Vec<_> = members.collect();
        assert_eq!(
            members,
            [
                (r#""a\"b""#, r#"[1 , -2.50e+3,"]"]"#),
                (r#""c""#, r#"{"d" : {} }"#),
                (r#""e""#, "null")
            ]
        );
        let elements = raw(members[0].1).elements().map(Raw::get);
        assert_eq!(elements.collect::<Vec<_>>(), ["1", "-2.50e+3", r#""]""#]);
    }

    /// Any JSON value, written with white space here and there.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::hash_map(".{0,20}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// Puts a value together again from the pieces that it was cut into.
    fn rebuilt(raw: Raw) -> Value {
        match raw.get().as_bytes().first() {
            Some(b'{') => Value::Object(
                raw.members()
                    .map(|(name, value)| (name.string().expect("a name").into(), rebuilt(value)))
                    .collect(),
            ),
            Some(b'[') => raw.elements().map(rebuilt).collect(),
            _ => serde_json::from_str(raw.get()).expect("a leaf"),
        }
    }

    proptest! {
        #[test]
        fn cutting_agrees_with_serde_json(value in value(), is_pretty: bool) {
            let text = match is_pretty {
                true => serde_json::to_string_pretty(&value),
                false => serde_json::to_string(&value),
            }.expect("text");
            let value: Value = serde_json::from_str(&text).expect("its own text");
            prop_assert_eq!(rebuilt(Raw::parse(&text).expect("JSON")), value);
        }

        #[test]
        fn special_bytes_are_found_wherever_they_are(text in r#"[a-zé~"\\\u{1}\n ]{0,40}"#, at in 0usize..50) {
            let bytes = text.as_bytes();
            let slowly = bytes.iter().enumerate().skip(at)
                .find(|(_, byte)| matches!(byte, b'"' | b'\\' | 0..=0x1f))
                .map_or(bytes.len().max(at), |(place, _)| place);
            prop_assert_eq!(special(bytes, at), slowly);
        }

        #[test]
        fn what_is_not_json_is_cut_without_a_panic(text in ".*") {
            for text in [text.clone(), format!("{{{text}"), format!("[{text}")] {
                let raw = Raw(&text);
                prop_assert!(raw.members().count() <= text.len());
                prop_assert!(raw.elements().count() <= text.len());
            }
        }
    }
}
