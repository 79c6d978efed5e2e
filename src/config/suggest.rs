//! "Did you mean": what somebody probably wanted to write.

use super::keys;

/// What to expect instead of an unknown setting.
pub(super) fn key(unknown: &str) -> String {
    let same_leaf = keys::ALL
        .iter()
        .find(|key| key.section_and_leaf().1 == unknown || key.name.replace('.', "_") == unknown)
        .map(|key| key.name.to_owned());
    let names = keys::ALL.iter().map(|key| key.name.to_owned());
    expected(
        "a known setting",
        same_leaf.or_else(|| closest(unknown, names)),
    )
}

/// What to expect instead of an unknown `[section]`.
pub(super) fn section(unknown: &str) -> String {
    let sections = keys::ALL.iter().map(|key| key.section_and_leaf().0);
    let sections = sections.filter(|section| !section.is_empty());
    let closest = closest(unknown, sections.map(str::to_owned));
    expected("a known section", closest.map(|name| format!("[{name}]")))
}

/// What to expect instead of an unknown `FOXBRIDGE_` variable.
pub(super) fn variable(unknown: &str) -> String {
    let without_prefix = |name: &str| {
        let rest = name.strip_prefix(keys::VARIABLE_PREFIX).unwrap_or(name);
        rest.to_owned()
    };
    let unknown = without_prefix(unknown);
    let same_leaf = keys::ALL
        .iter()
        .find(|key| key.section_and_leaf().1.eq_ignore_ascii_case(&unknown))
        .map(|key| without_prefix(&key.variable()));
    let variables = keys::ALL.iter().map(|key| without_prefix(&key.variable()));
    let meant = same_leaf.or_else(|| closest(&unknown, variables));
    let meant = meant.map(|rest| format!("{}{rest}", keys::VARIABLE_PREFIX));
    expected("the variable of a known setting", meant)
}

/// What to expect instead of an unknown member of a table that has these.
pub(super) fn member(unknown: &str, known: &[&str]) -> String {
    let all = known.join(", ");
    let meant = closest(unknown, known.iter().map(|&name| name.to_owned()));
    match meant {
        Some(meant) => format!("only {all}; did you mean {meant}?"),
        None => format!("only {all}"),
    }
}

fn expected(what: &str, meant: Option<String>) -> String {
    match meant {
        Some(meant) => format!("{what}; did you mean {meant}?"),
        None => format!("{what}; the proxy.toml that comes with foxbridge names them all"),
    }
}

/// A third of the letters may differ: more and the guess is noise.
fn closest(unknown: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(unknown, &candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len() / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        for (unknown, meant) in [
            ("task.dedline", "did you mean task.deadline?"),
            ("api_key", "did you mean upstream.api_key?"),
            ("upstream.apikey", "did you mean upstream.api_key?"),
            ("upstream_base_url", "did you mean upstream.base_url?"),
            ("weather", "names them all"),
        ] {
            let expected = key(unknown);
            assert!(expected.contains(meant), "{unknown}: {expected}");
        }
        assert!(section("upstrem").contains("did you mean [upstream]?"));
        assert!(variable("FOXBRIDGE_API_KEY").contains("FOXBRIDGE_UPSTREAM_API_KEY?"));
        assert!(variable("FOXBRIDGE_TASK_DEADLIEN").contains("FOXBRIDGE_TASK_DEADLINE?"));
    }
}
