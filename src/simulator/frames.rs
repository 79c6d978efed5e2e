//! How a stream is written down: server-sent events, properly or with a twist.

use std::fmt::Write;

use serde_json::Value;

/// The twists of a stream's writing (`frame=` in a marker).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Dialect {
    line_end: LineEnd,
    /// A byte-order mark comes first.
    pub(super) bom: bool,
    /// Chunks have no `event:` line.
    bare: bool,
    /// One JSON text is spread over several `data:` lines.
    multiline: bool,
    comments: bool,
    heartbeats: bool,
    unknown: bool,
    ids: bool,
    malformed: bool,
    /// The whole stream is one write, when all of it is there.
    pub(super) one_write: bool,
    /// No write is longer than so many bytes.
    pub(super) split: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum LineEnd {
    #[default]
    Lf,
    CrLf,
    Cr,
}

impl Dialect {
    /// Reads a comma-separated list of twists.
    pub(super) fn parse(value: &str) -> Result<Self, String> {
        let mut dialect = Self::default();
        for word in value.split(',') {
            match word {
                "crlf" => dialect.line_end = LineEnd::CrLf,
                "cr" => dialect.line_end = LineEnd::Cr,
                "bom" => dialect.bom = true,
                "bare" => dialect.bare = true,
                "multiline" => dialect.multiline = true,
                "comments" => dialect.comments = true,
                "heartbeats" => dialect.heartbeats = true,
                "unknown" => dialect.unknown = true,
                "ids" => dialect.ids = true,
                "malformed" => dialect.malformed = true,
                "noise" => {
                    dialect.comments = true;
                    dialect.heartbeats = true;
                    dialect.unknown = true;
                    dialect.ids = true;
                }
                "one-write" => dialect.one_write = true,
                _ => dialect.split = Some(split(word)?),
            }
        }
        Ok(dialect)
    }

    /// A `chunk` event.
    pub(super) fn chunk(&self, data: &Value) -> String {
        self.event((!self.bare).then_some("chunk"), data)
    }

    /// Any other event with JSON data.
    pub(super) fn named(&self, name: &str, data: &Value) -> String {
        self.event(Some(name), data)
    }

    /// OpenAI's end of a stream.
    pub(super) fn marker(&self) -> String {
        self.lines(&["data: [DONE]", ""])
    }

    /// A sign of life.
    pub(super) fn heartbeat(&self) -> String {
        self.lines(&["event: heartbeat", "data: {}", ""])
    }

    /// What comes before the `nth` chunk and means nothing.
    pub(super) fn noise(&self, nth: usize) -> String {
        let mut noise = String::new();
        if self.comments {
            noise.push_str(&self.lines(&[": still here", ""]));
        }
        if self.heartbeats {
            noise.push_str(&self.heartbeat());
        }
        if self.unknown {
            noise.push_str(&self.lines(&["event: weather", "data: sunny, not JSON", ""]));
        }
        if self.ids {
            noise.push_str(&self.lines(&[&format!("id: {nth}"), "retry: 3000", ""]));
        }
        if self.malformed {
            noise.push_str(&self.lines(&["event: chunk", r#"data: {"choices":[{"delta":"#, ""]));
        }
        noise
    }

    fn event(&self, name: Option<&str>, data: &Value) -> String {
        let text = if self.multiline {
            format!("{data:#}")
        } else {
            data.to_string()
        };
        let name = name.map(|name| format!("event: {name}"));
        let data: Vec<_> = text.lines().map(|line| format!("data: {line}")).collect();
        let lines: Vec<&str> = name
            .iter()
            .chain(&data)
            .map(String::as_str)
            .chain([""])
            .collect();
        self.lines(&lines)
    }

    fn lines(&self, lines: &[&str]) -> String {
        let end = match self.line_end {
            LineEnd::Lf => "\n",
            LineEnd::CrLf => "\r\n",
            LineEnd::Cr => "\r",
        };
        lines.iter().fold(String::new(), |mut text, line| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{line}{end}");
            text
        })
    }
}

fn split(word: &str) -> Result<usize, String> {
    word.strip_prefix("split:")
        .and_then(|bytes| bytes.parse().ok())
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| {
            format!(
                "{word:?} is none of crlf, cr, bom, bare, multiline, comments, heartbeats, unknown, ids, noise, \
                 malformed, one-write, split:BYTES"
            )
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn twists_change_how_a_chunk_is_written() {
        let data = json!({"a": 1});
        for (frame, text) in [
            ("crlf", "event: chunk\r\ndata: {\"a\":1}\r\n\r\n"),
            ("cr", "event: chunk\rdata: {\"a\":1}\r\r"),
            ("bare", "data: {\"a\":1}\n\n"),
            (
                "multiline",
                "event: chunk\ndata: {\ndata:   \"a\": 1\ndata: }\n\n",
            ),
        ] {
            assert_eq!(Dialect::parse(frame).unwrap().chunk(&data), text);
        }
        let noisy = Dialect::parse("noise,crlf").unwrap();
        assert_eq!(
            noisy.noise(4),
            ": still here\r\n\r\nevent: heartbeat\r\ndata: {}\r\n\r\nevent: weather\r\ndata: sunny, not JSON\r\n\r\n\
             id: 4\r\nretry: 3000\r\n\r\n"
        );
        assert!(Dialect::parse("split:0").is_err());
    }
}
