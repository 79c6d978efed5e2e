use std::fmt::Write;

use figment::{
    providers::{Format, Toml},
    value::Dict,
};
use secrecy::ExposeSecret;

use super::{
    keys::{self, Form, Key},
    *,
};

const PROXY_TOML: &str = include_str!("../../proxy.toml");
const README: &str = include_str!("../../README.md");

fn with_file(content: &str) -> Result<Loaded, Faults> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), content).expect("to write it");
    load(&Sources {
        file: File::Named(file.path().to_owned()),
        ..Sources::default()
    })
}

/// As it stands in a TOML file.
fn default_literal(key: &Key) -> Option<String> {
    let text = key.default?;
    Some(match key.form {
        Form::Text | Form::Secret => format!("\"{text}\""),
        Form::Whole => text.to_owned(),
        Form::List if text.is_empty() => "[]".to_owned(),
        Form::List => format!("[\"{}\"]", text.replace(',', "\", \"")),
    })
}

#[test]
fn nothing_set_is_the_documented_default() {
    let config = load(&Sources::default()).expect("sound defaults").config;
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.upstream.base_url.host(), Some("api.foxapi.cc"));
    assert!(config.upstream.api_key.is_none());
    assert_eq!(config.task.deadline.as_secs(), 590);
    assert_eq!(config.task.submit_retries, 2);
    assert_eq!(config.server.max_body, 32 << 20);
    assert_eq!(config.upstream.max_reply, 64 << 20);
    assert!(config.server.cors_origins.is_empty());
    assert!(config.warnings().is_empty());
}

#[test]
fn proxy_toml_is_the_defaults() {
    let shipped = with_file(PROXY_TOML).expect("a sound proxy.toml").config;
    let built_in = load(&Sources::default()).expect("sound defaults").config;
    assert_eq!(format!("{shipped:?}"), format!("{built_in:?}"));
}

#[test]
fn proxy_toml_says_every_setting_and_why() {
    let mut section = "";
    for key in keys::ALL {
        let (under, leaf) = key.section_and_leaf();
        let line = match default_literal(key) {
            Some(literal) => format!("# {}\n{leaf} = {literal}\n", key.why),
            None => format!("# {}\n# {leaf} = ", key.why),
        };
        let from = match under {
            "" => 0,
            under => PROXY_TOML.find(&format!("[{under}]\n")).expect(under),
        };
        let room = &PROXY_TOML[from..];
        let room = &room[..room.find("\n[").unwrap_or(room.len())];
        assert!(
            room.contains(&line),
            "proxy.toml lacks under [{under}]:\n{line}"
        );
        section = under;
    }
    assert_eq!(section, "log", "the table follows the order of the file");
    let written: Dict = Toml::from_str(PROXY_TOML).expect("TOML");
    assert!(written.contains_key("listen"));
}

#[test]
fn the_readme_has_every_setting() {
    let mut table = String::new();
    for key in keys::ALL {
        let default = default_literal(key).map_or("–".to_owned(), |text| format!("`{text}`"));
        writeln!(table, "| `{}` | {default} | {} |", key.name, key.why).expect("a row");
    }
    assert!(
        README.contains(&table),
        "README.md needs this table:\n{table}"
    );
}

#[test]
fn every_default_survives_a_round_trip_through_check() {
    let loaded = load(&Sources::default()).expect("sound defaults");
    let again =
        with_file(&loaded.effective.to_string()).expect("what check prints is a sound file");
    assert_eq!(
        format!("{:?}", again.config),
        format!("{:?}", loaded.config)
    );
}

#[test]
fn every_setting_is_read() {
    // A row without a reader would be accepted and ignored: a table fits no setting, so each must complain.
    for key in keys::ALL {
        let (section, leaf) = key.section_and_leaf();
        let faults = match section {
            "" => with_file(&format!("[{leaf}]\nx = 1\n")),
            section => with_file(&format!("[{section}.{leaf}]\nx = 1\n")),
        };
        let faults = faults.expect_err(key.name);
        let subjects: Vec<&str> = faults.iter().map(|fault| fault.subject.as_str()).collect();
        assert_eq!(subjects, [key.name]);
    }
}

#[test]
fn each_variable_reaches_its_setting() {
    for key in keys::ALL {
        let sources = Sources {
            environment: vec![(key.variable().into(), "\u{1}".into())],
            ..Sources::default()
        };
        let faults = load(&sources).expect_err(key.name);
        let fault = faults.iter().next().expect("a fault");
        assert_eq!(fault.subject, key.name);
        assert_eq!(
            fault.origin,
            format!("environment variable {}", key.variable())
        );
    }
}

#[test]
fn the_key_is_loaded_and_never_shown() {
    let loaded = load(&Sources {
        environment: vec![("FOXBRIDGE_UPSTREAM_API_KEY".into(), "12345".into())],
        ..Sources::default()
    })
    .expect("a key of digits is a key");
    let key = loaded.config.upstream.api_key.as_ref().expect("a key");
    assert_eq!(key.expose_secret(), "12345");
    assert!(!format!("{loaded:?}{}", loaded.effective).contains("12345"));
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_setting_or_a_fault(
        at in 0..keys::ALL.len(),
        text in "\\PC{0,40}|[a-z0-9:/@.,=+-]{0,40}|https?://[^ ]{0,20}",
    ) {
        let key = &keys::ALL[at];
        let loaded = load(&Sources {
            flags: vec![Flag { name: "--set", key: key.name.to_owned(), value: Some(text) }],
            ..Sources::default()
        });
        match loaded {
            Ok(loaded) => {
                let written = loaded.effective.to_string();
                with_file(&written).expect("what check prints is a sound file");
            }
            Err(faults) => assert!(faults.iter().any(|fault| fault.subject == key.name)),
        }
    }
}
