//! `foxbridge key`, and `foxbridge check` on lists of keys.

use std::{io::Write, process::Stdio};

use crate::binary::{Foxbridge, Ran};

/// Runs `foxbridge key` with this on its standard input.
fn key_with(foxbridge: &Foxbridge, arguments: &[&str], input: &str) -> Ran {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(input.as_bytes()).expect("to write");
    drop(writer);
    Ran::of(foxbridge.command(arguments).stdin(Stdio::from(reader)))
}

#[test]
fn a_new_key_and_its_entry_are_printed_apart() {
    let foxbridge = Foxbridge::new();
    let made = foxbridge.run(&["key", "--name", "team-b"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let key = made.stderr.lines().last().expect("the key");
    assert!(key.starts_with("fbk-") && key.len() > 40, "{key}");
    assert!(!made.stdout.contains("fbk-"), "{}", made.stdout);
    assert!(
        made.stdout
            .starts_with("[[key]]\nname = \"team-b\"\nhash = \"sha256:")
    );

    let again = key_with(
        &foxbridge,
        &["key", "--hash", "--name", "team-b"],
        &format!("{key}\n"),
    );
    assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""));
    assert_eq!(again.stdout, made.stdout, "the entry of this key");

    let other = foxbridge.run(&["key"]);
    assert_ne!(other.stderr.lines().last(), Some(key));
    foxbridge.write("keys.toml", &format!("{}{}", made.stdout, other.stdout));
    let settings = [
        "check",
        "--set",
        "server.keys_file=keys.toml",
        "--set",
        "upstream.api_key=sk-1",
    ];
    let checked = foxbridge.run(&settings);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    assert!(
        checked
            .stdout
            .contains("keys_file = \"keys.toml\" # flag --set"),
        "{}",
        checked.stdout
    );
    assert!(!checked.stdout.contains("sha256:"));
}

#[test]
fn what_is_no_key_is_refused_and_not_shown() {
    let foxbridge = Foxbridge::new();
    for (arguments, input) in [
        (&["key", "--hash"][..], ""),
        (&["key", "--hash"], "hidden-short\n"),
        (&["key", "--hash"], "hidden-with a space in it, and long\n"),
        (
            &["key", "--hash"],
            "hidden-on-the-first-line-and\nhidden-on-the-second\n",
        ),
        (&["key", "--name", "fbk-hidden"], ""),
        (&["key", "--name", "hidden \" name"], ""),
    ] {
        let ran = key_with(&foxbridge, arguments, input);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{input:?}");
        assert!(
            ran.stderr.starts_with("no key was made: ") && !ran.stderr.contains("hidden"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn check_tells_every_fault_of_a_list_with_all_others() {
    let foxbridge = Foxbridge::with_file(
        "proxy.toml",
        "[server]\nkeys_file = \"keys.toml\"\nmax_body = \"0MiB\"\n",
    );
    foxbridge.write(
        "keys.toml",
        "[[key]]\nname = \"team-a\"\nhash = \"fbk-hidden\"\n\n[[key]]\nhash = \"sha256:hidden\"\nconcurrency = -1\n",
    );
    for command in ["check", "serve"] {
        let ran = foxbridge.run(&[command]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{command}");
        for words in [
            "server.max_body = \"0MiB\" (file proxy.toml)",
            "server.keys_file = \"keys.toml\" (file proxy.toml)\n    expected upstream.api_key or upstream.keys_file to be set too",
            "key 1 (\"team-a\"): hash (file keys.toml)",
            "key 2: hash (file keys.toml)",
            "key 2: concurrency = -1 (file keys.toml)",
            "key 2: name (file keys.toml)",
            "6 faults",
        ] {
            assert!(
                ran.stderr.contains(words),
                "{words} is not in\n{}",
                ran.stderr
            );
        }
        assert!(!ran.stderr.contains("hidden"), "{}", ran.stderr);
    }
    for (content, words) in [
        (None, "No such file"),
        (
            Some("[[key]\nhash = \"fbk-hidden\"\n"),
            "line 1 of the file is not TOML",
        ),
    ] {
        let file = match content {
            None => "nowhere.toml",
            Some(content) => {
                foxbridge.write("keys.toml", content);
                "keys.toml"
            }
        };
        let ran = foxbridge.run(&["check", "--set", &format!("server.keys_file={file}")]);
        assert_eq!(ran.code, Some(2));
        assert!(
            ran.stderr.contains(words) && !ran.stderr.contains("hidden"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn check_tells_every_fault_of_upstream_keys_with_all_others_and_never_a_key() {
    let foxbridge = Foxbridge::with_file(
        "proxy.toml",
        "[upstream]\nkeys_file = \"foxapi.toml\"\n[server]\nmax_body = \"0MiB\"\n",
    );
    foxbridge.write(
        "foxapi.toml",
        "[[key]]\nname = \"main\"\nkey = \"sk hidden\"\nweight = 0\n[[key]]\nkey = \"sk-hidden\"\n",
    );
    for command in ["check", "serve"] {
        let ran = foxbridge.run(&[command, "--set", "upstream.api_key=sk-hidden"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{command}");
        for words in [
            "server.max_body = \"0MiB\" (file proxy.toml)",
            "upstream.keys_file = \"foxapi.toml\" (file proxy.toml)\n    expected either one key or a list of keys",
            "key 1 (\"main\"): key (file foxapi.toml)",
            "key 1 (\"main\"): weight = 0 (file foxapi.toml)",
            "key 2: name (file foxapi.toml)",
            "5 faults",
        ] {
            assert!(
                ran.stderr.contains(words),
                "{words} is not in\n{}",
                ran.stderr
            );
        }
        assert!(!ran.stderr.contains("hidden"), "{}", ran.stderr);
    }
    foxbridge.write(
        "foxapi.toml",
        "[[key]]\nname = \"main\"\nkey = \"sk-hidden-1\"\nweight = 3\n[[key]]\nname = \"spare\"\nkey = \"sk-hidden-2\"\n",
    );
    let ran = foxbridge.run(&["check", "--set", "server.max_body=1MiB"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("keys_file = \"foxapi.toml\""));
    assert!(!(ran.stdout + &ran.stderr).contains("hidden"));
}
