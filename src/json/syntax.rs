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

/// Whether a text is valid for sure. It may be valid all the same when this does not say so: if it nests too deep.
fn is_plainly_valid(text: &[u8]) -> bool {
    let mut reader = Reader { text, at: 0 };
    reader.skip_space();
    reader.document().is_some() && reader.at == text.len()
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// Reads a value and the white space behind it; `None` if it is not valid.
    fn document(&mut self) -> Option<()> {
        // Which of the open containers are objects, the innermost in the lowest bit.
        let (mut objects, mut depth) = (0u128, 0u32);
        loop {
            // A value begins here, or an empty container ends.
            let is_open = match self.next()? {
                b'{' => {
                    (objects, depth) = (objects << 1 | 1, depth + 1);
                    true
                }
                b'[' => {
                    (objects, depth) = (objects << 1, depth + 1);
                    true
                }
                b'"' => {
                    self.string()?;
                    false
                }
                b't' => {
                    self.word(b"rue")?;
                    false
                }
                b'f' => {
                    self.word(b"alse")?;
                    false
                }
                b'n' => {
                    self.word(b"ull")?;
                    false
                }
                byte => {
                    self.number(byte)?;
                    false
                }
            };
            self.skip_space();
            if is_open {
                if depth > DEEPEST {
                    return None;
                }
                let closing = if objects & 1 == 1 { b'}' } else { b']' };
                if self.peek() != Some(closing) {
                    if objects & 1 == 1 {
                        self.name()?;
                    }
                    continue;
                }
            }
            // A value has ended, or the innermost container ends.
            loop {
                if depth == 0 {
                    return Some(());
                }
                match (self.next()?, objects & 1 == 1) {
                    (b',', true) => {
                        self.skip_space();
                        self.name()?;
                        break;
                    }
                    (b',', false) => {
                        self.skip_space();
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        (objects, depth) = (objects >> 1, depth - 1);
                        self.skip_space();
                    }
                    _ => return None,
                }
            }
        }
    }

    /// A name, its colon, and the white space around them.
    fn name(&mut self) -> Option<()> {
        self.expect(b'"')?;
        self.string()?;
        self.skip_space();
        self.expect(b':')?;
        self.skip_space();
        Some(())
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn serde_json_takes(text: &str) -> bool {
        serde_json::from_str::<IgnoredAny>(text).is_ok()
    }

    /// serde_json keeps its own count of levels, which does not concern values that are skipped.
    fn agree(text: &str) {
        assert_eq!(
            is_plainly_valid(text.as_bytes()),
            serde_json_takes(text),
            "{text}"
        );
    }

    #[test]
    fn it_agrees_with_serde_json_on_every_corner() {
        for text in [
            "",
            " ",
            "null",
            " null ",
            "nul",
            "nulll",
            "true",
            "tru",
            "false",
            "falsey",
            "True",
            "0",
            "-0",
            "-",
            "--1",
            "+1",
            "01",
            "-01",
            "1.",
            "1.0",
            ".5",
            "1.e1",
            "1e",
            "1e+",
            "1e+5",
            "1E-05",
            "1e400",
            "0x1",
            "1_0",
            "NaN",
            "Infinity",
            "1 2",
            "\u{feff}1",
            r#""""#,
            r#"""#,
            r#""a"#,
            r#""\""#,
            r#""\"""#,
            r#""\\""#,
            r#""\\\""#,
            r#""\x""#,
            r#""\u12""#,
            r#""\u12g4""#,
            r#""\u1234""#,
            r#""\ud800""#,
            "\"\u{1}\"",
            "\"\t\"",
            "\"\u{7f}\"",
            r#""\/\b\f\n\r\t""#,
            r#"'a'"#,
            r#""0123456789abcdef\"#,
            r#""0123456789abcde\""#,
            r#""0123456789abcde\"""#,
            r#""0123456789abcdefg\u00zz""#,
            "[]",
            "[ ]",
            "[,]",
            "[1,]",
            "[1 2]",
            "[1,2]",
            "[",
            "]",
            "[1",
            "[1,",
            "[}",
            "[[]]",
            "[[],[]]",
            "[]]",
            "{}",
            "{ }",
            "{,}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1}"#,
            r#"{"a":1,}"#,
            r#"{"a" : 1 , "b":[]}"#,
            r#"{a:1}"#,
            r#"{"a":1 "b":2}"#,
            r#"{1:2}"#,
            "{",
            "}",
            r#"{"a""#,
            r#"{"a":"#,
            "{]",
            r#"{"a":{}}"#,
            r#"{"a":1]"#,
            r#"[{"a":[{"b":[]}]}]"#,
            "/**/1",
            "1//",
            "[1,/**/2]",
        ] {
            agree(text);
        }
    }

    #[test]
    fn deep_nesting_is_left_to_serde_json() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_plainly_valid(nested(DEEPEST as usize).as_bytes()));
        assert!(!is_plainly_valid(nested(DEEPEST as usize + 1).as_bytes()));
        assert!(validate(&nested(DEEPEST as usize + 1)).is_ok());
        assert!(validate(&nested(100_000)).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn it_agrees_with_serde_json(text in r#"[\[\]{},:"\\a0-9eE.+\-tu\n \u{1}é]{0,24}"#) {
            agree(&text);
        }

        #[test]
        fn it_agrees_with_serde_json_on_texts_that_are_nearly_right(
            at in 0usize..200,
            instead in r#"[\[\]{},:"\\a0-9e.\-tu\n ]{0,2}"#,
            cut in 0usize..3,
        ) {
            let text = r#"{"model":"gpt-5.5","messages":[{"role":"user","content":"a \"quoted\" w\u00f6rd\n"}],"n":-1.5e+3,"stop":null,"stream":true,"deep":[[],{},[{"x":[false,0]}]]}"#;
            let at = at.min(text.len());
            let behind = (at + cut).min(text.len());
            let changed = format!("{}{instead}{}", &text[..at], &text[behind..]);
            agree(&changed);
        }
    }
}
