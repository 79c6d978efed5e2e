//! Finds `[[fox: key=value …]]` in a text.

const OPEN: &str = "[[fox:";
const CLOSE: &str = "]]";

/// A text that may have carried markers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Marked {
    /// What is left without them.
    pub(super) text: String,
    /// All keys and values, in the order in which they were written.
    pub(super) pairs: Vec<(String, String)>,
}

/// Takes the markers out of `text`; the error says what is wrong with one.
pub(super) fn take(text: &str) -> Result<Marked, String> {
    let mut rest = text;
    let mut left = String::new();
    let mut pairs = Vec::new();
    while let Some((before, inside)) = rest.split_once(OPEN) {
        left.push_str(before);
        rest = read_pairs(inside, &mut pairs)?;
    }
    left.push_str(rest);
    let text = if pairs.is_empty() {
        left
    } else {
        left.trim().to_owned()
    };
    Ok(Marked { text, pairs })
}

/// Reads up to and including the closing brackets; what follows them is returned.
fn read_pairs<'a>(mut rest: &'a str, pairs: &mut Vec<(String, String)>) -> Result<&'a str, String> {
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(CLOSE) {
            return Ok(after);
        }
        if rest.is_empty() {
            return Err(format!("a {OPEN} marker has no closing {CLOSE}"));
        }
        let key_end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .unwrap_or(rest.len());
        let (key, after) = rest.split_at(key_end);
        let Some(after) = after.strip_prefix('=').filter(|_| !key.is_empty()) else {
            let word: String = rest.chars().take_while(|c| !c.is_whitespace()).collect();
            return Err(format!("{word:?} in a {OPEN} marker is not key=value"));
        };
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => read_quoted(quoted)?,
            None => {
                let end = after
                    .find(char::is_whitespace)
                    .into_iter()
                    .chain(after.find(CLOSE))
                    .min()
                    .unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        pairs.push((key.to_owned(), value));
        rest = after;
    }
}

fn read_quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped)) => value.push(escaped),
                None => break,
            },
            plain => value.push(plain),
        }
    }
    Err(format!("a quoted value in a {OPEN} marker has no end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_taken_out_and_read() {
        let check = |text: &str, left: &str, pairs: &[(&str, &str)]| {
            let marked = take(text).unwrap();
            assert_eq!(marked.text, left, "{text}");
            let read: Vec<_> = marked
                .pairs
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect();
            assert_eq!(read, pairs, "{text}");
        };
        check(" no marker ", " no marker ", &[]);
        check("hi [[fox: a=1]]", "hi", &[("a", "1")]);
        check(
            "[[fox:a=1 b-c=d,e]] hi",
            "hi",
            &[("a", "1"), ("b-c", "d,e")],
        );
        check("[[fox: a=1]]x[[fox: a=2]]", "x", &[("a", "1"), ("a", "2")]);
        check(
            r#"[[fox: text="say \"]]\"\n and \\ stop" b=é]]"#,
            "",
            &[("text", "say \"]]\"\n and \\ stop"), ("b", "é")],
        );
        check("[[fox: a= b=\"\"]]", "", &[("a", ""), ("b", "")]);
    }

    #[test]
    fn a_broken_marker_is_named() {
        for (text, complaint) in [
            ("[[fox: a=1", "no closing ]]"),
            ("[[fox: a=\"1]]", "has no end"),
            ("[[fox: hello]]", "\"hello]]\""),
            ("[[fox: =1]]", "\"=1]]\""),
        ] {
            let error = take(text).unwrap_err();
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }
}
