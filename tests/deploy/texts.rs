//! What can be said of the files as texts.

use std::{fs, path::PathBuf, process::Command};

use crate::tools::{self, files, here, python_tool, root, run};

#[test]
fn yaml_is_tidy() {
    yamllint(&yaml_files()).accepts();
}

#[test]
fn untidy_yaml_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("twice.yaml");
    fs::write(&file, "# Twice.\nkind: Service\nkind: Deployment\n").unwrap();
    yamllint(std::slice::from_ref(&file)).rejects("duplication of key");
    fs::write(&file, "# Octal.\ndefaultMode: 0440\n").unwrap();
    yamllint(&[file]).rejects("implicit octal");
}

#[test]
fn scripts_are_sound() {
    let scripts: Vec<PathBuf> = ["deploy", ".ci", "tests", "docs"]
        .iter()
        .flat_map(|folder| files(&root().join(folder)))
        .filter(|path| fs::read(path).is_ok_and(|text| is_script(&text)))
        .collect();
    assert!(!scripts.is_empty());
    shellcheck(&scripts).accepts();
}

#[test]
fn an_unsound_script_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script");
    fs::write(&file, "#!/bin/sh\nrm -r $1\n").unwrap();
    shellcheck(&[file]).rejects("SC2086");
}

#[test]
fn every_file_says_what_it_is() {
    for path in files(&root().join("deploy")) {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.trim_start_matches("{{/*\n");
        let extension = path.extension().and_then(|extension| extension.to_str());
        let says = match extension {
            // No comments there; both have a title.
            Some("json") => text.contains("\"title\""),
            // Helm's own, which are short and of one kind each; the helpers say it.
            Some("yaml" | "txt")
                if path
                    .components()
                    .any(|part| part.as_os_str() == "templates") =>
            {
                true
            }
            Some("tpl") => text.starts_with("{{/*"),
            _ => first.starts_with('#'),
        };
        assert!(says, "{} does not say what it is", path.display());
    }
}

fn is_script(text: &[u8]) -> bool {
    let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    first.starts_with("#!") && (first.ends_with("bash") || first.ends_with("sh"))
}

/// Helm's templates are YAML only once they are rendered.
fn yaml_files() -> Vec<PathBuf> {
    [root().join("deploy"), here()]
        .iter()
        .flat_map(|folder| files(folder))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .filter(|path| {
            path.components()
                .all(|part| part.as_os_str() != "templates")
        })
        .collect()
}

fn yamllint(files: &[PathBuf]) -> tools::Said {
    let mut yamllint = python_tool("yamllint");
    yamllint.args(["--strict", "--format", "parsable", "--config-file"]);
    yamllint.arg(here().join("yamllint.yaml")).args(files);
    run(&mut yamllint, "")
}

fn shellcheck(files: &[PathBuf]) -> tools::Said {
    let mut shellcheck: Command = python_tool("shellcheck");
    run(shellcheck.arg("--severity=style").args(files), "")
}
