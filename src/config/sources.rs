//! Where settings come from: defaults, then the file, then the environment, then flags; the last one wins.

use std::{borrow::Cow, ffi::OsString, fs, path::Path, path::PathBuf};

use figment::{
    Figment,
    providers::{Format, Toml},
    value::{Dict, Value},
};

use super::{
    fault::Fault,
    keys::{self, Key, VARIABLE_PREFIX},
    layer::{self, Layer},
    literal, suggest,
};

/// Everything that a configuration is made of. It may hold a key, so it has no `Debug`.
#[derive(Default)]
pub struct Sources {
    pub file: File,
    /// All variables of the process; those that do not begin with `FOXBRIDGE_` are passed over.
    pub environment: Vec<(OsString, OsString)>,
    /// A later flag wins over an earlier one.
    pub flags: Vec<Flag>,
}

/// Which proxy.toml.
#[derive(Debug, Clone, Default)]
pub enum File {
    #[default]
    None,
    /// Read where it exists.
    IfPresent(PathBuf),
    /// Named by somebody, so its absence is a fault.
    Named(PathBuf),
}

/// One setting given on the command line.
pub struct Flag {
    /// As typed, for the fault: `--listen`.
    pub name: &'static str,
    /// The setting: `listen`.
    pub key: String,
    /// `None` where the flag takes both and only one came.
    pub value: Option<String>,
}

/// Lays the sources over each other. What no source may say is a fault and left out.
pub(super) fn merge(sources: &Sources) -> (Figment, Vec<Fault>) {
    let mut gathering = Gathering::default();
    gathering.defaults();
    gathering.file(&sources.file);
    gathering.environment(&sources.environment);
    for flag in &sources.flags {
        gathering.flag(flag);
    }
    (gathering.figment, gathering.faults)
}

#[derive(Default)]
struct Gathering {
    figment: Figment,
    faults: Vec<Fault>,
}

impl Gathering {
    fn lay(&mut self, layer: Layer) {
        self.figment = std::mem::take(&mut self.figment).merge(layer);
    }

    fn defaults(&mut self) {
        for key in keys::ALL {
            if let Some(text) = key.default {
                self.lay(Layer::of("default".to_owned(), key, text));
            }
        }
    }

    fn file(&mut self, file: &File) {
        let path = match file {
            File::None => return,
            File::IfPresent(path) if !path.exists() => return,
            File::IfPresent(path) | File::Named(path) => path,
        };
        let origin = format!("file {}", path.display());
        match read(path) {
            Ok(found) => {
                let values = self.known_only(found, &[], &origin);
                self.lay(Layer { origin, values });
            }
            Err((subject, expected)) => self.faults.push(Fault {
                subject,
                value: None,
                expected,
                origin,
            }),
        }
    }

    fn known_only(&mut self, found: Dict, above: &[String], origin: &str) -> Dict {
        let mut known = Dict::new();
        for (name, value) in found {
            let path = [above, std::slice::from_ref(&name)].concat();
            if let Some(key) = key_at(&path) {
                known.insert(name, layer::sealed(key.form, value));
                continue;
            }
            let expected = match value {
                Value::Dict(tag, inner) if is_section(&path) => {
                    let inner = self.known_only(inner, &path, origin);
                    known.insert(name, Value::Dict(tag, inner));
                    continue;
                }
                _ if is_section(&path) => format!("a section: [{name}] with its settings below"),
                Value::Dict(..) if above.is_empty() => suggest::section(&name),
                _ => suggest::key(&path.join(".")),
            };
            self.faults.push(Fault {
                subject: as_written(&path),
                value: None,
                expected,
                origin: origin.to_owned(),
            });
        }
        known
    }

    fn environment(&mut self, variables: &[(OsString, OsString)]) {
        let mut ours: Vec<(Cow<'_, str>, Cow<'_, str>)> = variables
            .iter()
            .map(|(name, value)| (name.to_string_lossy(), value.to_string_lossy()))
            .filter(|(name, _)| name.starts_with(VARIABLE_PREFIX))
            .filter(|(name, value)| !is_set_by_kubernetes(name, value))
            .collect();
        ours.sort_unstable();
        for (name, value) in ours {
            let origin = format!("environment variable {name}");
            match keys::ALL.iter().find(|key| key.variable() == name) {
                Some(key) => self.lay(Layer::of(origin, key, &value)),
                None => self.faults.push(Fault {
                    subject: literal::guarded_text(&name),
                    value: None,
                    expected: suggest::variable(&name),
                    origin: "environment".to_owned(),
                }),
            }
        }
    }

    fn flag(&mut self, flag: &Flag) {
        let origin = format!("flag {}", flag.name);
        let key = keys::ALL.iter().find(|key| key.name == flag.key);
        let expected = match (key, &flag.value) {
            (Some(key), Some(value)) => return self.lay(Layer::of(origin, key, value)),
            (_, None) => "KEY=VALUE, such as task.deadline=5m".to_owned(),
            (None, _) => suggest::key(&flag.key),
        };
        self.faults.push(Fault {
            subject: literal::guarded_text(&flag.key),
            value: None,
            expected,
            origin,
        });
    }
}

fn read(path: &Path) -> Result<Dict, (String, String)> {
    let text = fs::read_to_string(path).map_err(|error| {
        (
            "the configuration file".to_owned(),
            format!("a readable TOML file: {error}"),
        )
    })?;
    Toml::from_str(&text).map_err(|error| {
        // The error's own text quotes the line, which may hold a key.
        let line = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map_or(1, |before| before.matches('\n').count() + 1);
        (
            format!("line {line}"),
            format!("TOML: {}", error.message().replace('\n', ", ")),
        )
    })
}

fn key_at(path: &[String]) -> Option<&'static Key> {
    keys::ALL.iter().find(|key| key.name.split('.').eq(path))
}

fn is_section(path: &[String]) -> bool {
    matches!(path, [name] if keys::ALL.iter().any(|key| key.section_and_leaf().0 == name))
}

/// The path as it stands in the file: a quoted name with a dot in it is not a section and a name.
fn as_written(path: &[String]) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let names: Vec<String> = path
        .iter()
        .map(|name| match name.chars().all(bare) && !name.is_empty() {
            true => literal::guarded_text(name),
            false => literal::guarded(&Value::from(name.as_str())),
        })
        .collect();
    names.join(".")
}

/// Kubernetes describes every Service of the namespace in variables named after it, and a Service in front of
/// this proxy is likely to be named foxbridge or foxbridge-something.
fn is_set_by_kubernetes(name: &str, value: &str) -> bool {
    let is_link = |rest: &str| {
        let mut words = rest.split('_');
        words.next().is_some_and(|port| port.parse::<u16>().is_ok())
            && matches!(words.next(), Some("TCP" | "UDP" | "SCTP"))
    };
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && value.contains("://"))
        || name
            .split_once("_PORT_")
            .is_some_and(|(_, rest)| is_link(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_kubernetes_sets_is_passed_over() {
        for name in [
            "FOXBRIDGE_SERVICE_HOST",
            "FOXBRIDGE_SERVICE_PORT_HTTP",
            "FOXBRIDGE_PORT",
            "FOXBRIDGE_PORT_8080_TCP_ADDR",
            "FOXBRIDGE_METRICS_SERVICE_HOST",
            "FOXBRIDGE_METRICS_SERVICE_PORT",
            "FOXBRIDGE_METRICS_PORT",
            "FOXBRIDGE_METRICS_PORT_9090_TCP",
        ] {
            assert!(is_set_by_kubernetes(name, "tcp://10.0.0.1:8080"), "{name}");
        }
        for name in ["FOXBRIDGE_PORT", "FOXBRIDGE_LISTEN", "FOXBRIDGE_PORT_X"] {
            assert!(!is_set_by_kubernetes(name, "8080"), "{name}");
        }
        for key in keys::ALL {
            let variable = key.variable();
            assert!(!is_set_by_kubernetes(&variable, "tcp://x"), "{variable}");
        }
    }
}
