use std::borrow::Cow;

use crate::json::{Raw, RawObject};

/// How often a message is looked into for another error written inside it.
const NESTING: usize = 4;
/// A message longer than this is cut: it is meant to be read.
const LONGEST: usize = 2000;

/// What the upstream says went wrong (CONTRACT.md, section 6), with nested provider errors unwrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A readable sentence; never HTML, never empty.
    pub message: String,
    /// The upstream's `type`, such as `invalid_request_error`.
    pub kind: Option<String>,
    pub code: Option<String>,
}

impl Failure {
    /// Reads the body of a refusal. `None` when it is not the upstream's own: HTML, empty, or no error object.
    pub fn of_reply(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let object = RawObject::parse(text).ok()?;
        let error = object.present("error").or_else(|| {
            // Some fronts leave the envelope out.
            object.get("message").and_then(|_| Raw::parse(text).ok())
        })?;
        Self::read(error)
    }

    /// Reads the `error` of a failed task.
    pub fn of_task(error: Option<Raw>) -> Self {
        error
            .and_then(Self::read)
            .unwrap_or_else(|| Self::plain("the task failed, and the upstream gave no reason"))
    }

    /// Reads what a cancelled task says, which is mostly nothing.
    pub fn cancelled(error: Option<Raw>) -> Self {
        let mut failure = error
            .and_then(Self::read)
            .unwrap_or_else(|| Self::plain("the task was cancelled upstream"));
        failure.code.get_or_insert_with(|| "task_cancelled".into());
        failure
    }

    /// Reads the data of an `error` event, or of a chunk that is one.
    pub fn of_event(data: &[u8]) -> Self {
        Self::of_reply(data).unwrap_or_else(|| {
            let text = String::from_utf8_lossy(data);
            Self::plain(if text.trim().is_empty() {
                "the upstream's stream reported an error"
            } else {
                text.trim()
            })
        })
    }

    fn plain(message: &str) -> Self {
        Self {
            message: shortened(message),
            kind: None,
            code: None,
        }
    }

    fn read(error: Raw) -> Option<Self> {
        if let Some(message) = Raw::string(error) {
            return Some(Self::plain(&innermost(&message)));
        }
        let error = RawObject::of(error)?;
        let nested = error
            .object("metadata")
            .and_then(|metadata| metadata.string("raw"))
            .filter(|raw| !raw.trim().is_empty());
        let message = nested
            .or_else(|| error.string("message"))
            .filter(|message| !message.trim().is_empty());
        let code = error.present("code").map(as_text);
        let message = match (&message, &code) {
            (Some(message), _) => innermost(message),
            (None, Some(code)) => format!("the upstream reported {code}"),
            (None, None) => return None,
        };
        Some(Self {
            message: shortened(&message),
            kind: error.string("type").map(Cow::into_owned),
            code,
        })
    }
}

/// Codes are strings for OpenAI's clients, also where a provider sends a number.
fn as_text(value: Raw) -> String {
    Raw::string(value).map_or_else(|| value.get().to_string(), Cow::into_owned)
}

/// The sentence inside a message that is itself an error written as JSON, possibly several times over.
fn innermost(message: &str) -> String {
    let mut message = message.trim().to_string();
    for _ in 0..NESTING {
        match inner(&message) {
            Some(deeper) if !deeper.trim().is_empty() => message = deeper.trim().to_string(),
            _ => break,
        }
    }
    message
}

fn inner(message: &str) -> Option<String> {
    // Providers like to put a few words in front: `upstream error: {"error":…}`.
    let object = RawObject::parse(message.get(message.find('{')?..)?).ok()?;
    let error = match object.present("error") {
        Some(error) => match Raw::string(error) {
            Some(text) => return Some(text.into_owned()),
            None => RawObject::of(error)?,
        },
        None => object,
    };
    let nested = error
        .object("metadata")
        .and_then(|metadata| metadata.string("raw"));
    ["message", "detail", "msg"]
        .iter()
        .fold(nested, |found, name| found.or_else(|| error.string(name)))
        .map(Cow::into_owned)
}

/// No word is cut in two: it might be a key, which only as a whole can be recognised and taken out.
fn shortened(message: &str) -> String {
    let Some((at, _)) = message.char_indices().nth(LONGEST) else {
        return message.to_string();
    };
    let beginning = message.get(..at).unwrap_or_default();
    let whole_words = beginning.trim_end_matches(|last: char| last.is_ascii_graphic());
    format!("{whole_words}…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::quote;

    #[test]
    fn refusals() {
        let read =
            |body: &str| Failure::of_reply(body.as_bytes()).map(|f| (f.message, f.kind, f.code));
        let some = |m: &str, k: Option<&str>, c: Option<&str>| {
            Some((m.into(), k.map(Into::into), c.map(Into::into)))
        };
        assert_eq!(
            read(
                r#"{"error":{"message":"no","type":"invalid_request_error","code":"invalid_param"}}"#
            ),
            some("no", Some("invalid_request_error"), Some("invalid_param"))
        );
        assert_eq!(
            read(r#"{"error":{"message":"no","code":1234}}"#),
            some("no", None, Some("1234"))
        );
        assert_eq!(
            read(r#"{"error":{"message":"no","code":null}}"#),
            some("no", None, None)
        );
        assert_eq!(read(r#"{"error":"no"}"#), some("no", None, None));
        assert_eq!(read(r#"{"message":"no"}"#), some("no", None, None));
        for foreign in [
            "",
            "<html>502 Bad Gateway</html>",
            "{}",
            "[]",
            "null",
            r#"{"error":null}"#,
            r#"{"error":{}}"#,
        ] {
            assert_eq!(read(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn nested_provider_errors_become_one_sentence() {
        let provider = r#"{"error":{"message":"image too large","code":"bad_image"}}"#;
        let twice = format!(r#"{{"error":{}}}"#, quote(provider));
        for message in [
            provider.to_string(),
            twice,
            format!("upstream error 400: {provider}"),
        ] {
            let error = format!(
                r#"{{"code":"provider_error","message":{}}}"#,
                quote(&message)
            );
            let raw = Raw::parse(&error).unwrap();
            let failure = Failure::of_task(Some(raw));
            assert_eq!(failure.message, "image too large");
            assert_eq!(failure.code.as_deref(), Some("provider_error"));
        }
        let raw = format!(
            r#"{{"message":"Provider returned error","metadata":{{"raw":{}}}}}"#,
            quote(provider)
        );
        let raw = Raw::parse(&raw).unwrap();
        assert_eq!(Failure::of_task(Some(raw)).message, "image too large");
    }

    #[test]
    fn a_failure_always_says_something() {
        assert!(!Failure::of_task(None).message.is_empty());
        assert!(!Failure::of_event(b"").message.is_empty());
        assert_eq!(Failure::of_event(b"broken pipe").message, "broken pipe");
        assert_eq!(
            Failure::cancelled(None).code.as_deref(),
            Some("task_cancelled")
        );
        let cut = Failure::of_event(format!("{} {}", "x".repeat(1990), "k".repeat(40)).as_bytes());
        assert_eq!(cut.message, "x".repeat(1990) + " …");
        assert!(
            Failure::of_event("x".repeat(1 << 20).as_bytes())
                .message
                .len()
                < 3000
        );
    }
}
