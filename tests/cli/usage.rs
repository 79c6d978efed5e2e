//! Help, version, misuse, and a reader that leaves.

use std::process::Stdio;

use crate::binary::{Foxbridge, Ran};

#[test]
fn help_and_version_are_output_and_misuse_is_not() {
    let foxbridge = Foxbridge::new();
    let help = foxbridge.run(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for part in [
        "serve",
        "demo",
        "simulate",
        "check",
        "Examples:",
        "FOXBRIDGE_UPSTREAM_API_KEY",
    ] {
        assert!(help.stdout.contains(part), "no {part} in:\n{}", help.stdout);
    }
    assert!(!help.stdout.contains('\u{1b}'), "colours in a pipe");

    let version = foxbridge.run(&["--version"]);
    assert_eq!(version.code, Some(0));
    let start = concat!("foxbridge ", env!("CARGO_PKG_VERSION"), " (");
    let commit = version
        .stdout
        .strip_prefix(start)
        .and_then(|rest| rest.strip_suffix(")\n"));
    let commit = commit.unwrap_or_else(|| panic!("{}", version.stdout));
    assert!(
        commit == "unknown" || commit.chars().all(|c| c.is_ascii_hexdigit()),
        "{commit}"
    );

    for arguments in [
        &["--lisen", "x"][..],
        &["serve", "--nope"],
        &["frobnicate"],
        &["check", "--config"],
    ] {
        let ran = foxbridge.run(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}");
        assert_eq!(ran.stdout, "");
        assert!(ran.stderr.contains("--help"), "{}", ran.stderr);
    }
}

#[test]
fn a_reader_that_left_is_no_failure() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let foxbridge = Foxbridge::new();
    let mut command = foxbridge.command(&["check"]);
    let ran = Ran::of(command.stdout(writer).stderr(Stdio::piped()));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}
