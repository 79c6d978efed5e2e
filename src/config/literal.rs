//! Values as TOML literals, with and without what could be a secret.

use figment::value::{Num, Value};

pub(super) const MASK: &str = "********";

/// Long enough for every sensible value, short enough for a terminal.
const LONGEST_SHOWN: usize = 120;

/// The value exactly as TOML would have it.
pub(super) fn exact(value: &Value) -> String {
    render(value, &str::to_owned)
}

/// The value for a fault: a key that was put into the wrong setting must not be shown either.
pub(super) fn guarded(value: &Value) -> String {
    render(value, &guarded_text)
}

/// Hides what looks like a key or like a URL's user and password, and shortens what is too long.
pub(super) fn guarded_text(text: &str) -> String {
    if looks_like_a_key(text) {
        return MASK.to_owned();
    }
    let shown = match text.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            let separator = if scheme.is_empty() { "" } else { "://" };
            format!("{scheme}{separator}{MASK}@{host}")
        }
        None => text.to_owned(),
    };
    match shown.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

fn looks_like_a_key(text: &str) -> bool {
    let begins = |(at, _)| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric())
    };
    // FoxAPI's, and those that are made here for clients.
    ["sk-", "fbk-"]
        .iter()
        .any(|prefix| text.match_indices(prefix).any(begins))
}

fn render(value: &Value, show: &dyn Fn(&str) -> String) -> String {
    match value {
        Value::String(_, text) => quoted(&show(text)),
        Value::Char(_, char) => quoted(&char.to_string()),
        Value::Bool(_, bool) => bool.to_string(),
        Value::Num(_, num) => number(*num),
        Value::Array(_, items) => {
            let items: Vec<String> = items.iter().map(|item| render(item, show)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Dict(_, table) if table.is_empty() => "{}".to_owned(),
        Value::Dict(_, table) => {
            // A bare key takes no dot and no star, a quoted one takes all that a model can be called.
            let entry = |(name, value): (&String, &Value)| {
                format!("{} = {}", quoted(&show(name)), render(value, show))
            };
            let entries: Vec<String> = table.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Empty(..) => "nothing".to_owned(),
    }
}

fn number(num: Num) -> String {
    num.to_u128()
        .map(|n| n.to_string())
        .or_else(|| num.to_i128().map(|n| n.to_string()))
        .or_else(|| num.to_f64().map(|n| format!("{n:?}")))
        .unwrap_or_else(|| "a number".to_owned())
}

/// A TOML basic string. JSON escapes the same way, but leaves DEL, which TOML forbids.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests {
    use figment::value::Dict;

    use super::*;

    #[test]
    fn a_literal_is_what_toml_reads_back() {
        for (value, literal) in [
            (Value::from("590s"), r#""590s""#),
            (
                Value::from("a\"b\\c\n\u{1}\u{7f}"),
                r#""a\"b\\c\n\u0001\u007F""#,
            ),
            (Value::from(2_u32), "2"),
            (Value::from(-2_i64), "-2"),
            (Value::from(1.5_f64), "1.5"),
            (Value::from(true), "true"),
            (Value::from(vec!["a", "b"]), r#"["a", "b"]"#),
            (Value::from(Dict::new()), "{}"),
            (
                Value::from(Dict::from([
                    ("gpt-5.5".to_owned(), Value::from(1_u32)),
                    ("a\"*\n".to_owned(), Value::from("b")),
                ])),
                r#"{ "a\"*\n" = "b", "gpt-5.5" = 1 }"#,
            ),
        ] {
            assert_eq!(exact(&value), literal);
        }
    }

    #[test]
    fn what_could_be_a_secret_is_not_shown() {
        for (text, shown) in [
            ("sk-live-1", MASK),
            ("Bearer sk-live-1", MASK),
            ("fbk-0123", MASK),
            ("https://api.example/?key=sk-live-1", MASK),
            ("https://me:pass@host/x", "https://********@host/x"),
            ("me:p@ss@host", "********@host"),
            ("https://task-host.example", "https://task-host.example"),
            ("590s", "590s"),
        ] {
            assert_eq!(guarded_text(text), shown);
        }
        assert_eq!(
            guarded_text(&"x".repeat(500)).chars().count(),
            LONGEST_SHOWN + 1
        );
    }
}
