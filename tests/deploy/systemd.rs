//! The systemd unit, as it is and with the lines about a key.

use std::fs;

use crate::tools::{Said, plant, read, root, run, systemd_analyze};

const UNIT: &str = "deploy/foxbridge.service";
/// Of 100; what is left is the network, which it is there for.
const MOST_EXPOSED: &str = "--threshold=15";

#[test]
fn the_unit_is_one() {
    for unit in [read(UNIT), with_a_key()] {
        verified(&unit).accepts();
    }
}

#[test]
fn the_lines_about_a_key_only_lack_their_number_sign() {
    let lines = "\nLoadCredential=key:/etc/foxbridge/key\nEnvironment=FOXBRIDGE_UPSTREAM_API_KEY_FILE=%d/key\n";
    assert!(with_a_key().contains(lines));
}

#[test]
fn mistakes_are_caught() {
    let right = read(UNIT);
    let wrong = |from: &str, to: &str| {
        assert!(right.contains(from), "{from}");
        right.replacen(from, to, 1)
    };
    verified(&wrong("ProtectClock=yes", "ProtectClocks=yes")).rejects("ProtectClocks");
    verified(&wrong("Type=notify", "Type=notifies")).rejects("notifies");
    verified(&wrong("TimeoutStopSec=40s", "TimeoutStopSec=forty")).rejects("forty");
    verified(&wrong("ExecStart=/usr/local", "ExecStart=usr/local")).rejects("absolute path");
}

#[test]
fn the_service_is_confined() {
    security(&read(UNIT)).accepts();
}

#[test]
fn a_service_that_is_not_confined_is_caught() {
    let loose = read(UNIT)
        .replace("DynamicUser=yes", "User=root")
        .replace("ProtectSystem=strict", "ProtectSystem=no")
        .replace("CapabilityBoundingSet=\n", "");
    security(&loose).rejects("User=/DynamicUser=");
}

/// As its first lines say.
fn with_a_key() -> String {
    read(UNIT)
        .replace("\n#LoadCredential", "\nLoadCredential")
        .replace("\n#Environment", "\nEnvironment")
}

/// Checks the unit with a foxbridge where it says that it is. A key that is not known is only warned of, and so is the
/// mistake in a value: silence alone is a pass.
fn verified(unit: &str) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("foxbridge.service");
    fs::write(&file, unit).unwrap();
    if unit.contains("=/usr/local/bin/foxbridge") {
        plant_everywhere(&file);
    }
    let mut said = run(
        systemd_analyze().args(["verify", "--man=no"]).arg(&file),
        "",
    );
    let about_it: Vec<&str> = said
        .text
        .lines()
        .filter(|line| line.contains("foxbridge.service"))
        .collect();
    said.content &= about_it.is_empty();
    said
}

fn plant_everywhere(file: &std::path::Path) {
    let binary = format!("={} ", env!("CARGO_BIN_EXE_foxbridge"));
    while fs::read_to_string(file)
        .unwrap()
        .contains("=/usr/local/bin/foxbridge ")
    {
        plant(file, "=/usr/local/bin/foxbridge ", &binary);
    }
}

fn security(unit: &str) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("foxbridge.service");
    fs::write(&file, unit).unwrap();
    let mut analyze = systemd_analyze();
    analyze.args(["security", "--offline=true", "--no-pager", MOST_EXPOSED]);
    run(analyze.arg(&file).current_dir(root()), "")
}
