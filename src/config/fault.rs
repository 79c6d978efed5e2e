//! What is wrong with a configuration, told so that it can be put right without reading the code.

use std::fmt;

/// One thing that is wrong. No part of it holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A setting, a variable, a flag or a place in the file.
    pub subject: String,
    /// As a TOML literal, masked where it could be a secret; `None` where there is none to show.
    pub value: Option<String>,
    /// Completes "expected …".
    pub expected: String,
    /// `default`, `file proxy.toml`, `environment variable FOXBRIDGE_LISTEN`, `flag --listen`.
    pub origin: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            subject,
            value,
            expected,
            origin,
        } = self;
        f.write_str(subject)?;
        if let Some(value) = value {
            write!(f, " = {value}")?;
        }
        write!(f, " ({origin})\n    expected {expected}")
    }
}

/// Everything that is wrong with a configuration; never empty.
#[derive(Debug)]
pub struct Faults(pub(super) Vec<Fault>);

impl Faults {
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("1 fault in the configuration:")?,
            n => write!(f, "{n} faults in the configuration:")?,
        }
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}
