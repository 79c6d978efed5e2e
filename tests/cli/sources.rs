//! Where settings come from, and which of them have the last word.

use std::{fs, path::Path};

use figment::{
    providers::{Format, Toml},
    value::Dict,
};

use crate::binary::Foxbridge;

#[test]
fn the_shipped_proxy_toml_is_sound() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("proxy.toml");
    let shipped = shipped.to_str().expect("UTF-8");
    let ran = Foxbridge::new().run(&["check", "--config", shipped]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let effective: Dict = Toml::from_str(&ran.stdout).expect("TOML");
    let text = fs::read_to_string(shipped).expect("proxy.toml");
    assert_eq!(effective, Toml::from_str::<Dict>(&text).expect("TOML"));
}

#[test]
fn later_sources_win_and_check_says_which() {
    let foxbridge = Foxbridge::with_file(
        "proxy.toml",
        "listen = \"127.0.0.1:1\"\n[task]\ndeadline = \"1m\"\npoll_max = \"3s\"\n[log]\nlevel = \"warn\"\n",
    );
    let ran = foxbridge.run_with(
        &[
            "check",
            "--set",
            "log.level=debug",
            "--set",
            "listen=127.0.0.1:3",
            "--listen",
            "127.0.0.1:4",
        ],
        &[
            ("FOXBRIDGE_LISTEN", "127.0.0.1:2"),
            ("FOXBRIDGE_TASK_DEADLINE", "2m"),
            ("FOXBRIDGE_TASK_SUBMIT_RETRIES", "3"),
            ("FOXBRIDGE_UPSTREAM_API_KEY", "12345"),
            (
                "FOXBRIDGE_SERVER_CORS_ORIGINS",
                "https://a.example, http://localhost:3000",
            ),
        ],
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for line in [
        "listen = \"127.0.0.1:4\" # flag --listen\n",
        "base_url = \"https://api.foxapi.cc\" # default\n",
        "api_key = \"********\" # environment variable FOXBRIDGE_UPSTREAM_API_KEY\n",
        "# api_key_file is not set\n",
        "deadline = \"2m\" # environment variable FOXBRIDGE_TASK_DEADLINE\n",
        "poll_max = \"3s\" # file proxy.toml\n",
        "submit_retries = 3 # environment variable FOXBRIDGE_TASK_SUBMIT_RETRIES\n",
        "cors_origins = [\"https://a.example\", \"http://localhost:3000\"] # environment",
        "level = \"debug\" # flag --set\n",
    ] {
        assert!(ran.stdout.contains(line), "no {line:?} in:\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("12345"));
    Toml::from_str::<Dict>(&ran.stdout).expect("TOML");
}

#[test]
fn a_table_replaces_the_one_before_as_a_whole_and_comes_back_from_check() {
    let foxbridge = Foxbridge::with_file(
        "proxy.toml",
        "[models.aliases]\n\"gpt-4.1\" = \"gpt-5.5\"\n\"anthropic/*\" = \"*\"\n\
         [models.wait]\n\"claude-*\" = \"stream\"\n[passthrough]\npaths = [\"/v1/embeddings\"]\n",
    );
    let ran = foxbridge.run(&["check"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for line in [
        "aliases = { \"anthropic/*\" = \"*\", \"gpt-4.1\" = \"gpt-5.5\" } # file proxy.toml\n",
        "wait = { \"claude-*\" = \"stream\" } # file proxy.toml\n",
        "[media]\ninline_max = \"5MiB\" # default\n",
        "[passthrough]\npaths = [\"/v1/embeddings\"] # file proxy.toml\n",
    ] {
        assert!(ran.stdout.contains(line), "no {line:?} in:\n{}", ran.stdout);
    }
    foxbridge.write("again.toml", &ran.stdout);
    let again = foxbridge.run(&["check", "--config", "again.toml"]);
    assert_eq!(
        again.stdout.replace("# file again.toml", ""),
        ran.stdout
            .replace("# file proxy.toml", "")
            .replace("# default", "")
    );

    let ran = foxbridge.run_with(
        &[
            "check",
            "--set",
            "models.aliases=gpt-4o=gpt-5.5, claude-3-*=claude-opus-4-7",
        ],
        &[("FOXBRIDGE_MODELS_WAIT", "")],
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for line in [
        "aliases = { \"claude-3-*\" = \"claude-opus-4-7\", \"gpt-4o\" = \"gpt-5.5\" } # flag --set\n",
        "wait = {} # environment variable FOXBRIDGE_MODELS_WAIT\n",
    ] {
        assert!(ran.stdout.contains(line), "no {line:?} in:\n{}", ran.stdout);
    }
}

#[test]
fn what_kubernetes_sets_for_a_service_is_passed_over() {
    let ran = Foxbridge::new().run_with(
        &["check"],
        &[
            ("FOXBRIDGE_SERVICE_HOST", "10.0.0.1"),
            ("FOXBRIDGE_SERVICE_PORT_HTTP", "8080"),
            ("FOXBRIDGE_PORT", "tcp://10.0.0.1:8080"),
            ("FOXBRIDGE_PORT_8080_TCP_PROTO", "tcp"),
        ],
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_named_file_must_exist_and_an_unnamed_one_is_used_where_it_does() {
    let foxbridge = Foxbridge::new();
    let ran = foxbridge.run(&["serve", "--config", "missing.toml"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("file missing.toml"), "{}", ran.stderr);
    assert!(ran.stderr.contains("No such file"), "{}", ran.stderr);

    assert_eq!(foxbridge.run(&["check"]).code, Some(0));
    foxbridge.write("proxy.toml", "listen = 1\n");
    for arguments in [&["check"][..], &["serve"], &[]] {
        let ran = foxbridge.run(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}");
        assert!(ran.stderr.contains("listen = 1 (file proxy.toml)"));
    }
}

#[test]
fn risky_settings_are_warned_about() {
    let ran = Foxbridge::new().run_with(
        &[
            "check",
            "--listen",
            "0.0.0.0:8080",
            "--upstream",
            "http://gateway.example",
            "--set",
            "task.deadline=10m",
        ],
        &[("FOXBRIDGE_UPSTREAM_API_KEY", "sk-1")],
    );
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.stderr.matches("warning: ").count(), 3, "{}", ran.stderr);
    for part in ["spends that key", "plain http", "not below 600s"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    let quiet = Foxbridge::new().run(&["check", "--upstream", "http://[::1]:9090"]);
    assert_eq!(quiet.stderr, "");
}
