//! Tables from model names to text.

use figment::value::{Dict, Value};

use super::{
    literal,
    parse::{Misfit, Parsed},
};
use crate::translate::{Pattern, Wait};

/// The table in `gpt-4o=gpt-5.5,claude-3-*=claude-opus-4-7`; `None` where an entry has no `=` or a name comes twice.
pub(super) fn entries(text: &str) -> Option<Dict> {
    let mut table = Dict::new();
    for entry in text.split(',').map(str::trim) {
        if entry.is_empty() {
            continue;
        }
        let (name, value) = entry.split_once('=')?;
        let earlier = table.insert(name.trim().to_owned(), Value::from(value.trim()));
        if earlier.is_some() {
            return None;
        }
    }
    Some(table)
}

/// Text is only left where it is no table, or where a file has in quotes what a variable takes.
pub(super) fn table(value: &Value) -> Parsed<Dict> {
    match value {
        Value::Dict(_, table) => Ok(table.clone()),
        Value::String(_, text) => Err(Misfit::hint(match entries(text) {
            Some(table) => format!("in a file: {}", literal::guarded(&Value::from(table))),
            None => "as text it is NAME=VALUE,NAME=VALUE with no name twice".to_owned(),
        })),
        _ => Err(Misfit::default()),
    }
}

/// What clients call a model, and what it is called upstream.
pub(super) fn alias(name: &str, value: &Value) -> Parsed<(Pattern, String)> {
    let pattern = pattern(name)?;
    let target = text(value)?;
    let stars = target.matches('*').count();
    if target.is_empty() || target != target.trim() {
        return Err(Misfit::hint(
            "FoxAPI's name of a model, without spaces around it",
        ));
    }
    if stars > 0 && pattern.plain().is_some() {
        return Err(Misfit::hint(
            "FoxAPI's name without a *, since the name on the left has none",
        ));
    }
    if stars > 1 {
        return Err(Misfit::hint("FoxAPI's name with at most one *"));
    }
    if target == name {
        return Err(Misfit::hint("another name: this one is an alias of itself"));
    }
    Ok((pattern, target.to_owned()))
}

/// How a model of the upstream is waited for.
pub(super) fn wait(name: &str, value: &Value) -> Parsed<(Pattern, Wait)> {
    let pattern = pattern(name)?;
    match text(value)? {
        "poll" => Ok((pattern, Wait::Poll)),
        "stream" => Ok((pattern, Wait::Stream)),
        _ => Err(Misfit::hint("\"poll\" or \"stream\"")),
    }
}

/// `Pattern` drops spaces around a name, so that two names in the file could be one.
fn pattern(name: &str) -> Parsed<Pattern> {
    let pattern = Pattern::new(name).filter(|_| name == name.trim());
    pattern.ok_or_else(|| {
        Misfit::hint("a name with at most one * on the left, not empty, without spaces around it")
    })
}

fn text(value: &Value) -> Parsed<&str> {
    match value {
        Value::String(_, text) => Ok(text),
        Value::Dict(..) => Err(Misfit::hint(
            "quotes around a name that has a dot in it, such as \"gpt-5.5\"",
        )),
        _ => Err(Misfit::hint("text in quotes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected<T: std::fmt::Debug>(parsed: Parsed<T>) -> String {
        parsed.unwrap_err().0.expect("what is expected")
    }

    #[test]
    fn text_is_a_table_where_nothing_of_it_is_lost() {
        for (text, pairs) in [
            ("", vec![]),
            (" , ", vec![]),
            ("a=b", vec![("a", "b")]),
            (" a = b , c*=d*,", vec![("a", "b"), ("c*", "d*")]),
            ("a=b=c", vec![("a", "b=c")]),
            ("=", vec![("", "")]),
        ] {
            let pairs = pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), Value::from(value)));
            assert_eq!(entries(text), Some(pairs.collect()), "{text}");
        }
        for text in ["a", "a=b,c", "a=b,a=c", "a=b, a =b"] {
            assert_eq!(entries(text), None, "{text}");
            assert!(expected(table(&text.into())).contains("NAME=VALUE"));
        }
        assert_eq!(
            expected(table(&"a=b".into())),
            "in a file: { \"a\" = \"b\" }"
        );
        assert!(table(&Value::from(vec!["a=b"])).is_err());
    }

    #[test]
    fn an_alias_leads_to_another_name() {
        for (name, target) in [
            ("gpt-4o", "gpt-5.5"),
            ("claude-3-*", "claude-opus-4-7"),
            ("openai/*", "*"),
            ("*", "gpt-5.5"),
        ] {
            let pattern = Pattern::new(name).expect("a pattern");
            let parsed = alias(name, &target.into());
            assert_eq!(parsed, Ok((pattern, target.to_owned())));
        }
        for (name, target, hint) in [
            ("", "x", "on the left"),
            ("a*b*", "x", "at most one * on the left"),
            (" a", "x", "on the left"),
            ("a", "", "FoxAPI's name"),
            ("a", "x ", "FoxAPI's name"),
            ("a", "x*", "without a *"),
            ("a*", "*x*", "at most one *"),
            ("a", "a", "an alias of itself"),
            ("a*", "a*", "an alias of itself"),
        ] {
            let expected = expected(alias(name, &target.into()));
            assert!(expected.contains(hint), "{name} = {target}: {expected}");
        }
        assert!(expected(alias("a", &5_u32.into())).contains("text in quotes"));
        // Without quotes, TOML reads gpt-5.5 as a table gpt-5 with a 5 in it.
        let dotted = Value::from(Dict::from([("5".to_owned(), Value::from("x"))]));
        assert!(expected(alias("gpt-5", &dotted)).contains("\"gpt-5.5\""));
    }

    #[test]
    fn a_model_is_polled_or_followed() {
        let any = Pattern::new("*").expect("a pattern");
        assert_eq!(wait("*", &"poll".into()), Ok((any.clone(), Wait::Poll)));
        assert_eq!(wait("*", &"stream".into()), Ok((any, Wait::Stream)));
        for value in ["", "Poll", "streem"] {
            assert!(expected(wait("*", &value.into())).contains("\"poll\" or"));
        }
        assert!(wait("", &"poll".into()).is_err());
    }
}
