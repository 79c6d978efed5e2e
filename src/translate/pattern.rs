/// A model name, or many: `*` stands once for any text, also none. Case matters, as it does upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    before: String,
    /// What follows the `*`; without one, the pattern is a plain name.
    after: Option<String>,
}

impl Pattern {
    /// `None` for an empty pattern or one with two stars.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.split_once('*') {
            _ if text.is_empty() => None,
            Some((_, after)) if after.contains('*') => None,
            Some((before, after)) => Some(Self {
                before: before.to_owned(),
                after: Some(after.to_owned()),
            }),
            None => Some(Self {
                before: text.to_owned(),
                after: None,
            }),
        }
    }

    /// The name that this is, when it is only one.
    pub fn plain(&self) -> Option<&str> {
        self.after.is_none().then_some(self.before.as_str())
    }

    /// What the `*` stands for in `name` (nothing, for a plain name); `None` when it is another name.
    pub fn matched<'a>(&self, name: &'a str) -> Option<&'a str> {
        let rest = name.strip_prefix(self.before.as_str())?;
        match &self.after {
            Some(after) => rest.strip_suffix(after.as_str()),
            None => rest.is_empty().then_some(""),
        }
    }

    /// A plain name is more specific than any pattern, and a longer pattern than a shorter one.
    fn specificity(&self) -> (bool, usize) {
        let length = self.before.len() + self.after.as_ref().map_or(0, String::len);
        (self.after.is_none(), length)
    }
}

/// Values by model name; of several patterns that match, the most specific one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByModel<T> {
    /// The most specific first.
    entries: Vec<(Pattern, T)>,
}

impl<T> ByModel<T> {
    pub fn new(mut entries: Vec<(Pattern, T)>) -> Self {
        entries.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.specificity()));
        Self { entries }
    }

    /// The value for `name`, and what the `*` of its pattern stands for.
    pub fn get<'a>(&self, name: &'a str) -> Option<(&T, &'a str)> {
        self.entries
            .iter()
            .find_map(|(pattern, value)| Some((value, pattern.matched(name)?)))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Pattern, &T)> {
        self.entries.iter().map(|(pattern, value)| (pattern, value))
    }
}

impl<T> Default for ByModel<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_model(entries: &[(&str, &'static str)]) -> ByModel<&'static str> {
        let entries = entries
            .iter()
            .map(|(pattern, value)| (Pattern::new(pattern).unwrap(), *value));
        ByModel::new(entries.collect())
    }

    #[test]
    fn the_most_specific_pattern_counts() {
        let names = by_model(&[
            ("*", "any"),
            ("gpt-*", "gpt"),
            ("gpt-4o", "exact"),
            ("gpt-*-mini", "mini"),
        ]);
        for (name, value, star) in [
            ("gpt-4o", "exact", ""),
            ("gpt-4o-mini", "mini", "4o"),
            ("gpt-", "gpt", ""),
            ("kimi", "any", "kimi"),
        ] {
            assert_eq!(names.get(name), Some((&value, star)), "{name}");
        }
        assert_eq!(by_model(&[("ab*ba", "x")]).get("aba"), None);
        assert_eq!(by_model(&[("GPT-4", "x")]).get("gpt-4"), None);
    }

    #[test]
    fn what_is_no_pattern() {
        for text in ["", "  ", "a*b*"] {
            assert_eq!(Pattern::new(text), None, "{text:?}");
        }
        assert_eq!(Pattern::new("gpt-4o").unwrap().plain(), Some("gpt-4o"));
        assert_eq!(Pattern::new("gpt-*").unwrap().plain(), None);
    }
}
