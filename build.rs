//! Tells the program from which commit it was built, for `foxbridge --version`.

use std::{
    io::{self, Write},
    path::Path,
    process::Command,
};

fn main() -> io::Result<()> {
    let mut cargo = io::stdout().lock();
    writeln!(cargo, "cargo::rerun-if-changed=build.rs")?;

    // Inside another project's repository the commit would be that project's.
    let is_own_repository =
        git(&["rev-parse", "--show-prefix"]).is_some_and(|path| path.is_empty());
    let commit = match git(&["rev-parse", "--short", "HEAD"]) {
        Some(commit) if is_own_repository => commit,
        _ => "unknown".to_owned(),
    };
    // Not FOXBRIDGE_…: cargo also sets it for what it runs, where that prefix means a setting.
    writeln!(cargo, "cargo::rustc-env=BUILD_COMMIT={commit}")?;

    // HEAD changes with the branch, its reflog with every commit. Cargo takes a missing file for a changed one.
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file])
            && Path::new(&path).exists()
        {
            writeln!(cargo, "cargo::rerun-if-changed={path}")?;
        }
    }
    Ok(())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
