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
use crate::translate::{Pattern, Wait};

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

/// The setting itself, or one entry of it.
fn is_about(fault: &Fault, key: &Key) -> bool {
    let rest = fault.subject.strip_prefix(key.name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// As it stands in a TOML file.
fn default_literal(key: &Key) -> Option<String> {
    let text = key.default?;
    Some(match key.form {
        Form::Text | Form::Secret => format!("\"{text}\""),
        Form::Whole | Form::Bool => text.to_owned(),
        Form::List if text.is_empty() => "[]".to_owned(),
        Form::List => format!("[\"{}\"]", text.replace(',', "\", \"")),
        Form::Table if text.is_empty() => "{}".to_owned(),
        Form::Table => {
            let entries = text.replace(',', "\", \"").replace('=', "\" = \"");
            format!("{{ \"{entries}\" }}")
        }
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
    assert!(config.server.passthrough.is_empty());
    assert_eq!(config.models.aliases.iter().count(), 0);
    assert_eq!(
        config.models.wait.get("kimi-k2.6"),
        Some((&Wait::Stream, "k2.6"))
    );
    assert_eq!(config.models.wait.get("gpt-5.5"), None);
    assert_eq!(config.models.inline_max, 5 << 20);
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
fn tables_come_back_from_check_as_they_were() {
    let loaded = with_file(
        "[models.aliases]\n\"gpt-4.1\" = 'a.b'\n'say \"*\" \\ #' = \"*\\n\\u007f.\"\nbare_name-1 = \"x = y, z\"\n\"é]\" = \"{ü}\"\n\
         [models]\nwait = { \"*\" = \"stream\", \"gpt-*\" = \"poll\" }\n",
    )
    .expect("a sound file");
    let again =
        with_file(&loaded.effective.to_string()).expect("what check prints is a sound file");
    assert_eq!(again.config.models.aliases, loaded.config.models.aliases);
    assert_eq!(again.config.models.wait, loaded.config.models.wait);
    let star = again.config.models.upstream_model("say \"hi\" \\ #");
    assert_eq!(star.as_deref(), Some("hi\n\u{7f}."));
    assert_eq!(again.config.models.aliases.iter().count(), 4);
}

#[test]
fn a_table_replaces_the_one_before_as_a_whole() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let wait = "[models.wait]\n\"claude-*\" = \"stream\"\n";
    std::fs::write(file.path(), wait).expect("to write it");
    let from_file = Sources {
        file: File::Named(file.path().to_owned()),
        ..Sources::default()
    };
    let patterns = |sources: &Sources| -> Vec<Pattern> {
        let wait = load(sources).expect("sound settings").config.models.wait;
        wait.iter().map(|(pattern, _)| pattern.clone()).collect()
    };
    let pattern = |text| Pattern::new(text).expect(text);
    assert_eq!(patterns(&from_file), [pattern("claude-*")]);
    let from_environment = |text: &str| Sources {
        file: File::Named(file.path().to_owned()),
        environment: vec![("FOXBRIDGE_MODELS_WAIT".into(), text.into())],
        ..Sources::default()
    };
    assert_eq!(patterns(&from_environment("o*=poll")), [pattern("o*")]);
    assert_eq!(patterns(&from_environment("")), []);
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
        assert_eq!(faults.iter().count(), 1, "{faults}");
        assert!(faults.iter().all(|fault| is_about(fault, key)), "{faults}");
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
        text in concat!(
            r"\PC{0,40}|[a-z0-9:/@.,=+-]{0,40}|https?://[^ ]{0,20}",
            r"|([a-z.]\*?=[^,=]\*?,){0,3}|/v1/[ -~]{0,8}",
        ),
    ) {
        let key = &keys::ALL[at];
        let loaded = load(&Sources {
            flags: vec![Flag { name: "--set", key: key.name.to_owned(), value: Some(text) }],
            ..Sources::default()
        });
        match loaded {
            Ok(loaded) => {
                let written = loaded.effective.to_string();
                let again = with_file(&written).expect("what check prints is a sound file");
                if key.form != Form::Secret {
                    assert_eq!(format!("{:?}", again.config), format!("{:?}", loaded.config));
                }
            }
            Err(faults) => assert!(faults.iter().all(|fault| is_about(fault, key)), "{faults}"),
        }
    }
}
