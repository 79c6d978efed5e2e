//! Just enough reading of Rust to see which names a source file mentions.

/// What a pure room never names: runtimes, sockets, files, clocks and chance.
const IMPURE: [&str; 16] = [
    "tokio",
    "tokio_util",
    "tokio_rustls",
    "hyper",
    "hyper_util",
    "hyper_rustls",
    "rustls",
    "ring",
    "fastrand",
    "uuid",
    "Instant",
    "SystemTime",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
];

/// The tokens of a source file, without comments and literals.
pub(crate) struct Code(Vec<String>);

impl Code {
    pub(crate) fn read(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = skipped(rest).unwrap_or_else(|| {
                let word = rest
                    .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .unwrap_or(rest.len());
                let length = if word > 0 {
                    word
                } else if rest.starts_with("::") {
                    2
                } else {
                    first.len_utf8()
                };
                if !first.is_whitespace() {
                    tokens.push(rest[..length].to_owned());
                }
                length
            });
            rest = &rest[length..];
        }
        Self(tokens)
    }

    fn at(&self, index: usize) -> &str {
        self.0.get(index).map_or("", String::as_str)
    }

    /// Every name directly below the crate root that a path in this file leads to: by `crate::`, also in braces,
    /// and by enough `super::`. `depth` is the number of `super` that reach the root from the file's own module.
    pub(crate) fn rooms_named(&self, depth: usize) -> Vec<String> {
        let mut names = Vec::new();
        let mut braces = 0_usize;
        let mut inline_modules: Vec<usize> = Vec::new();
        let mut index = 0;
        while index < self.0.len() {
            match self.at(index) {
                "{" => {
                    braces += 1;
                    if index >= 2 && self.at(index - 2) == "mod" {
                        inline_modules.push(braces);
                    }
                }
                "}" => {
                    if inline_modules.last() == Some(&braces) {
                        inline_modules.pop();
                    }
                    braces = braces.saturating_sub(1);
                }
                "crate" if self.at(index + 1) == "::" => {
                    names.extend(self.first_names(index + 2));
                    index += 1;
                }
                "super" => {
                    let mut climbed = 1;
                    while self.at(index + 1) == "::" && self.at(index + 2) == "super" {
                        climbed += 1;
                        index += 2;
                    }
                    if climbed >= depth + inline_modules.len() && self.at(index + 1) == "::" {
                        names.extend(self.first_names(index + 2));
                    }
                }
                _ => {}
            }
            index += 1;
        }
        names
    }

    /// The name at `index`, or each first name inside the braces there.
    fn first_names(&self, index: usize) -> Vec<String> {
        if self.at(index) != "{" {
            return vec![self.at(index).to_owned()];
        }
        let mut names = Vec::new();
        let mut nested = 0;
        for position in index..self.0.len() {
            match self.at(position) {
                "{" => nested += 1,
                "}" => nested -= 1,
                name if nested == 1 && matches!(self.at(position - 1), "{" | ",") => {
                    names.push(name.to_owned());
                }
                _ => {}
            }
            if nested == 0 {
                break;
            }
        }
        names
    }

    pub(crate) fn impure_words(&self) -> Vec<&'static str> {
        IMPURE
            .into_iter()
            .filter(|word| {
                let parts: Vec<&str> = word.split("::").collect();
                (0..self.0.len()).any(|index| match parts[..] {
                    [root, item] => {
                        self.at(index) == root
                            && self.at(index + 1) == "::"
                            && self.first_names(index + 2).iter().any(|name| name == item)
                    }
                    _ => self.at(index) == *word,
                })
            })
            .collect()
    }
}

/// How many `super` lead from a file's own module to the crate root.
pub(crate) fn depth(file: &str) -> usize {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    path.trim_end_matches("/mod").split('/').count()
}

/// How long the comment or literal is that `rest` begins with, if it does.
fn skipped(rest: &str) -> Option<usize> {
    let until = |end: &str, from: usize| {
        rest[from..]
            .find(end)
            .map_or(rest.len(), |at| from + at + end.len())
    };
    if rest.starts_with("//") {
        return Some(until("\n", 2));
    }
    if rest.starts_with("/*") {
        return Some(until("*/", 2));
    }
    if let Some(raw) = rest
        .strip_prefix('r')
        .filter(|raw| raw.starts_with(['"', '#']))
    {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            return Some(until(&format!("\"{}", "#".repeat(hashes)), hashes + 2));
        }
    }
    if rest.starts_with('"') {
        let mut escaped = false;
        for (at, c) in rest.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return Some(at + 1),
                _ => {}
            }
        }
        return Some(rest.len());
    }
    if rest.starts_with("'\\") {
        return Some(until("'", 3));
    }
    // A quote that closes one character later is a literal; any other begins a lifetime.
    let mut characters = rest.char_indices();
    match (characters.next(), characters.next(), characters.next()) {
        (Some((_, '\'')), Some(_), Some((at, '\''))) => Some(at + 1),
        _ => None,
    }
}

mod tests {
    use super::*;

    fn imports(file: &str, text: &str) -> Vec<String> {
        Code::read(text).rooms_named(depth(file))
    }

    #[test]
    fn every_way_to_write_an_import_is_seen() {
        for (file, text) in [
            ("src/fox/a.rs", "use crate::relay::Wait;"),
            ("src/fox/a.rs", "use crate::{relay::{Wait, Live}};"),
            ("src/fox/a.rs", "fn f() -> crate :: relay::Wait { g() }"),
            ("src/fox/a.rs", "use super::super::relay;"),
            ("src/fox/mod.rs", "use super::relay;"),
            ("src/fox.rs", "use super::{relay};"),
            ("src/fox/a.rs", "mod t { use super::super::super::relay; }"),
            (
                "src/fox/a.rs",
                "mod t { fn f() {} } use super::super::relay;",
            ),
            ("src/fox/a.rs", "const C: char = '\\''; use crate::relay;"),
            ("src/fox/a.rs", "fn f<'a>(x: &'a str) {} use crate::relay;"),
        ] {
            assert_eq!(imports(file, text), ["relay"], "{file}: {text}");
        }
    }

    #[test]
    fn what_is_no_import_is_not_seen() {
        for (file, text) in [
            (
                "src/fox/a.rs",
                "// crate::relay is below\n/* crate::relay */",
            ),
            (
                "src/fox/a.rs",
                r##"const T: &str = "crate::relay \" crate::relay";"##,
            ),
            (
                "src/fox/a.rs",
                r###"const T: &str = r#"crate::relay "quoted" crate::relay"#;"###,
            ),
            ("src/fox/a.rs", "pub(crate) fn relay() {}"),
            ("src/fox/a.rs", "use super::relay;"),
            ("src/fox/a.rs", "mod tests { use super::super::relay; }"),
            ("src/fox/mod.rs", "mod tests { use super::*; }"),
        ] {
            assert_eq!(imports(file, text), [""; 0], "{file}: {text}");
        }
    }

    #[test]
    fn each_impurity_is_seen() {
        for word in IMPURE {
            let text = format!("// {word}\nuse {word};");
            assert_eq!(Code::read(&text).impure_words(), [word]);
        }
        for (text, words) in [
            ("use std::{fs, time::Duration};", vec!["std::fs"]),
            ("use std::time::{Duration, Instant};", vec!["Instant"]),
            ("use std::time::Duration; // tokio", vec![]),
            ("let tokio_like = \"tokio\";", vec![]),
        ] {
            assert_eq!(Code::read(text).impure_words(), words, "{text}");
        }
    }
}
