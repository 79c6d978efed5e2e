//! The settings in force, as TOML that says where each came from.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use figment::Figment;

use super::{
    keys::{self, Form},
    layer,
    literal::{self, MASK},
    rooms,
};

/// Displays as valid TOML with its secrets masked.
#[derive(Debug, Clone)]
pub struct Effective(Vec<Line>);

#[derive(Debug, Clone)]
struct Line {
    section: &'static str,
    name: &'static str,
    /// A TOML literal; `None` where nobody set it.
    value: Option<String>,
    origin: String,
    /// What it is, secrets too, so that a change shows; as a hash, so that nothing else does.
    digest: u64,
}

impl Effective {
    pub(super) fn of(figment: &Figment) -> Self {
        let line = |key: &keys::Key| {
            let (section, name) = key.section_and_leaf();
            let value = layer::find(figment, key);
            Line {
                section,
                name,
                digest: digest(value.as_ref().map(literal::exact)),
                value: value.map(|value| match key.form {
                    Form::Secret => format!("\"{MASK}\""),
                    _ => literal::exact(&value),
                }),
                origin: rooms::origin(figment, key),
            }
        };
        Self(keys::ALL.iter().map(line).collect())
    }

    /// The names of the settings that are others in `later`.
    pub fn changes(&self, later: &Self) -> Vec<String> {
        let pairs = self.0.iter().zip(&later.0);
        let changed = pairs.filter(|(before, after)| before.digest != after.digest);
        changed
            .map(|(line, _)| match line.section {
                "" => line.name.to_owned(),
                section => format!("{section}.{}", line.name),
            })
            .collect()
    }
}

fn digest(value: Option<String>) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = "";
        for line in &self.0 {
            if line.section != section {
                section = line.section;
                writeln!(f, "\n[{section}]")?;
            }
            match &line.value {
                // A file name may have a line break in it, which would end the comment.
                Some(value) => writeln!(
                    f,
                    "{} = {value} # {}",
                    line.name,
                    line.origin.escape_debug()
                )?,
                None => writeln!(f, "# {} is not set", line.name)?,
            }
        }
        Ok(())
    }
}
