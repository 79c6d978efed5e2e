//! The settings in force, as TOML that says where each came from.

use std::fmt;

use figment::Figment;

use super::{
    keys::{self, Form},
    layer,
    literal::{self, MASK},
    rooms,
};

/// Displays as valid TOML with its secrets masked.
#[derive(Debug)]
pub struct Effective(Vec<Line>);

#[derive(Debug)]
struct Line {
    section: &'static str,
    name: &'static str,
    /// A TOML literal; `None` where nobody set it.
    value: Option<String>,
    origin: String,
}

impl Effective {
    pub(super) fn of(figment: &Figment) -> Self {
        let line = |key: &keys::Key| {
            let (section, name) = key.section_and_leaf();
            let value = layer::find(figment, key);
            Line {
                section,
                name,
                value: value.map(|value| match key.form {
                    Form::Secret => format!("\"{MASK}\""),
                    _ => literal::exact(&value),
                }),
                origin: rooms::origin(figment, key),
            }
        };
        Self(keys::ALL.iter().map(line).collect())
    }
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
