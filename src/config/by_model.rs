//! Tables from model names to text.

use figment::value::{Dict, Value};

use super::{
    literal,
    parse::{self, Misfit, Parsed},
};
use crate::translate::{Pattern, Wait};

/// Each is one more submit for a request that may be refused all the same.
const MOST_FALLBACKS: usize = 8;

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

/// Who is asked in turn where the upstream does not have a model; all by the upstream's names.
pub(super) fn fallbacks(name: &str, value: &Value) -> Parsed<(Pattern, Vec<String>)> {
    const EXPECTED: &str = "a list of FoxAPI's names such as [\"gpt-5.4\", \"kimi-k2.6\"], none of them twice, empty or with a *";
    let pattern = pattern(name)?;
    let models: Vec<&str> = match value {
        Value::Array(_, _) => parse::texts(value).map_err(|_| Misfit::hint(EXPECTED))?,
        // No model has a space in its name.
        _ => text(value)?.split_whitespace().collect(),
    };
    let is_name = |model: &&str| !model.is_empty() && !model.contains(['*', ' ']);
    let is_first =
        |(at, model): (usize, &&str)| models.iter().position(|it| it == model) == Some(at);
    if models.is_empty()
        || models.len() > MOST_FALLBACKS
        || !models.iter().all(is_name)
        || !models.iter().enumerate().all(is_first)
    {
        return Err(Misfit::hint(EXPECTED));
    }
    if let Some(plain) = pattern.plain()
        && models.contains(&plain)
    {
        return Err(Misfit::hint(
            "other models: this one is a fallback of itself",
        ));
    }
    let models = models.into_iter().map(str::to_owned).collect();
    Ok((pattern, models))
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
    fn fallbacks_are_a_list_of_others() {
        let list = |names: &[&str]| Value::from(names.to_vec());
        let models = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        for (name, value, expected) in [
            ("a", list(&["b", "c"]), ["b", "c"].as_slice()),
            ("a*", list(&["ab"]), &["ab"]),
            ("a", "b  c".into(), &["b", "c"]),
        ] {
            let pattern = Pattern::new(name).expect("a pattern");
            assert_eq!(fallbacks(name, &value), Ok((pattern, models(expected))));
        }
        let nine: Vec<String> = (0..9).map(|number| number.to_string()).collect();
        for (name, value) in [
            ("a", list(&[])),
            ("a", "".into()),
            ("a", list(&["b", "b"])),
            ("a", list(&["a"])),
            ("a", list(&["b*"])),
            ("a", list(&[""])),
            ("a", list(&["b c"])),
            ("a", Value::from(vec![1])),
            ("a", Value::from(5)),
            ("a", Value::from(nine)),
            ("*a*", list(&["b"])),
        ] {
            assert!(fallbacks(name, &value).is_err(), "{name} = {value:?}");
        }
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
