//! The program that is measured.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Fault, options::Options};

/// The target directory that this program was built in.
pub(crate) fn target() -> Result<PathBuf, Fault> {
    let program = env::current_exe()?;
    let target = program.parent().and_then(Path::parent);
    Ok(target
        .ok_or("this program is in no target directory")?
        .into())
}

/// The program to measure: the one that was named, or foxbridge built as it ships. It is built by a call of its own:
/// built together with its tests it would have their features.
pub(crate) fn foxbridge(options: &Options) -> Result<PathBuf, Fault> {
    if let Some(program) = &options.foxbridge {
        return Ok(program.canonicalize()?);
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // `cargo run` describes this package in variables that dependencies' build scripts look at: they would all be built
    // anew, and again the next time without them.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            build.env_remove(&name);
        }
    }
    let built = build
        .args(["build", "--release", "--locked", "--package", "foxbridge"])
        .args(["--bin", "foxbridge", "--target-dir"])
        .arg(target()?)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()?;
    match built.success() {
        true => Ok(target()?.join("release/foxbridge")),
        false => Err("foxbridge could not be built".into()),
    }
}

/// The commit that is measured, as far as git knows.
pub(crate) fn commit() -> Option<String> {
    let git = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()?;
    let text = String::from_utf8(git.stdout).ok()?;
    git.status.success().then(|| text.trim().to_owned())
}
