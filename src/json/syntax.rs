use std::ops::Range;

use serde::de::IgnoredAny;

use super::raw::special;

/// Containers inside of each other that are followed here: one bit each.
const DEEPEST: u32 = u128::BITS;

/// Whether a text is one JSON value.
///
/// serde_json is the judge. What is quickly seen to be valid need not be brought before it, and nearly everything is; it
/// also says what is wrong.
pub(super) fn validate(text: &str) -> serde_json::Result<()> {
    match is_plainly_valid(text.as_bytes()) {
        true => Ok(()),
        false => serde_json::from_str::<IgnoredAny>(text).map(drop),
    }
}

/// The members of the object that a text is, as `text` is found to be valid; `None` where it is no object, or not plainly
/// valid, or has more than `most` members.
pub(super) fn members(text: &str, most: usize) -> Option<Vec<(&str, &str)>> {
    let mut members = Vec::with_capacity(8);
    let mut reader = Reader::new(text.as_bytes());
    if reader.peek() != Some(b'{') {
        return None;
    }
    let is_valid = reader.document(|name, value| {
        let member = text.get(name).zip(text.get(value));
        members.extend(member);
        members.len() <= most
    });
    is_valid.then_some(members)
}

/// Whether a text is valid for sure. It may be valid all the same when this does not say so: if it nests too deep.
fn is_plainly_valid(text: &[u8]) -> bool {
    Reader::new(text).document(|_, _| true)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a [u8]) -> Self {
        let mut reader = Self { text, at: 0 };
        reader.skip_space();
        reader
    }

    /// Reads all of the text, and whether it is one value. Of an object, `take` is told where each name and value is,
    /// and says whether to go on.
    fn document(&mut self, take: impl FnMut(Range<usize>, Range<usize>) -> bool) -> bool {
        self.value(take).is_some() && self.at == self.text.len()
    }

    /// Reads a value and the white space behind it; `None` if it is not valid.
    fn value(&mut self, mut take: impl FnMut(Range<usize>, Range<usize>) -> bool) -> Option<()> {
        // Which of the open containers are objects, the innermost in the lowest bit.
        let (mut objects, mut depth) = (0u128, 0u32);
        // The name of the outermost object's member that is being read, and where its value begins.
        let mut member = (0..0, 0);
        loop {
            // A value begins here, or an empty container ends.
            let opened = match self.next()? {
                b'{' => Some(true),
                b'[' => Some(false),
                b'"' => {
                    self.string()?;
                    None
                }
                b't' => {
                    self.word(b"rue")?;
                    None
                }
                b'f' => {
                    self.word(b"alse")?;
                    None
                }
                b'n' => {
                    self.word(b"ull")?;
                    None
                }
                byte => {
                    self.number(byte)?;
                    None
                }
            };
            let mut end = self.at;
            self.skip_space();
            if let Some(is_object) = opened {
                if depth == DEEPEST {
                    return None;
                }
                (objects, depth) = (objects << 1 | u128::from(is_object), depth + 1);
                if self.peek() != Some(if is_object { b'}' } else { b']' }) {
                    if is_object {
                        let name = self.name()?;
                        if depth == 1 {
                            member = (name, self.at);
                        }
                    }
                    continue;
                }
            }
            // A value has ended, or an empty container does.
            let mut is_empty = opened.is_some();
            loop {
                if depth == 0 {
                    return Some(());
                }
                let is_object = objects & 1 == 1;
                if depth == 1 && is_object && !is_empty && !take(member.0.clone(), member.1..end) {
                    return None;
                }
                match (self.next()?, is_object) {
                    (b',', true) => {
                        self.skip_space();
                        let name = self.name()?;
                        if depth == 1 {
                            member = (name, self.at);
                        }
                        break;
                    }
                    (b',', false) => {
                        self.skip_space();
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        (objects, depth) = (objects >> 1, depth - 1);
                        end = self.at;
                        is_empty = false;
                        self.skip_space();
                    }
                    _ => return None,
                }
            }
        }
    }

    /// A name, its colon, and the white space around them. Gives where the name is.
    fn name(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        self.expect(b'"')?;
        self.string()?;
        let name = start..self.at;
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Some(name)
    }

    /// Behind the opening quote, up to behind the closing one.
    fn string(&mut self) -> Option<()> {
        loop {
            self.at = special(self.text, self.at);
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    /// Behind its backslash.
    fn escape(&mut self) -> Option<()> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    /// Behind its first byte.
    fn number(&mut self, first: u8) -> Option<()> {
        let first = if first == b'-' { self.next()? } else { first };
        match first {
            b'0' => {}
            b'1'..=b'9' => self.skip_digits(),
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        self.next()?.is_ascii_digit().then(|| self.skip_digits())
    }

    fn skip_digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        let is_there = self.text.get(self.at..)?.starts_with(rest);
        self.at += rest.len();
        is_there.then_some(())
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }
}

#[cfg(test)]
#[path = "syntax_tests.rs"]
mod tests;
