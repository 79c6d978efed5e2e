//! Fetches clients that others wrote, once for each set of pins.

use std::{
    collections::hash_map::DefaultHasher,
    fs::{self, File},
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

const PYTHON: &str = "The tests run Python clients against foxbridge and fetch them once, over the network. Install \
    Python 3.11 or newer with its venv module (on Debian and Ubuntu: apt install python3 python3-venv).";

/// A Python that has the packages which `tests/sdk/CLIENT` pins.
pub(crate) fn python_of(client: &str) -> PathBuf {
    let pins = sources(client).join("requirements.txt");
    programs_of_python(client, pins, PYTHON).join("python")
}

/// The programs of a Python that has the packages which this file pins.
pub(crate) fn programs_of_python(name: &str, pins: PathBuf, needed: &str) -> PathBuf {
    let pins = [pins];
    let home = fetched(name, &pins, &["python3"], needed, |home| {
        let venv = home.join("venv");
        succeed(
            Command::new("python3").args(["-m", "venv"]).arg(&venv),
            needed,
        );
        let mut pip = Command::new(venv.join("bin/python"));
        pip.args(["-m", "pip", "install", "--no-input", "--requirement"]);
        succeed(pip.arg(&pins[0]), needed);
    });
    home.join("venv/bin")
}

pub(crate) fn sources(client: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sdk")
        .join(client)
}

/// A folder that `install` has filled, now or in an earlier run. It is found again only by the same pins, tools and
/// place (virtual environments cannot be moved), and only when it was finished.
pub(crate) fn fetched(
    name: &str,
    pins: &[PathBuf],
    tools: &[&str],
    needed: &str,
    install: impl FnOnce(&Path),
) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let homes = target.join("sdk");
    fs::create_dir_all(&homes).unwrap();
    let mut hasher = DefaultHasher::new();
    homes.hash(&mut hasher);
    for tool in tools {
        let version = succeed(Command::new(tool).arg("--version"), needed);
        version.stdout.hash(&mut hasher);
    }
    for pin in pins {
        fs::read(pin).unwrap().hash(&mut hasher);
    }
    let home = homes.join(format!("{name}-{:016x}", hasher.finish()));
    let finished = home.join("finished");
    // Tests run in parallel, also as processes: one fetches, the others wait for it.
    let lock = File::create(homes.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if !finished.exists() {
        if home.exists() {
            fs::remove_dir_all(&home).unwrap();
        }
        fs::create_dir(&home).unwrap();
        install(&home);
        fs::write(finished, "").unwrap();
    }
    home
}

/// A skipped test is not a pass: whatever is missing fails the test, and says what is needed.
pub(crate) fn succeed(command: &mut Command, needed: &str) -> Output {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => output,
        Ok(output) => panic!("{command:?} failed.\n{}\n{needed}", told(&output)),
        Err(error) => panic!("{command:?}: {error}.\n{needed}"),
    }
}

pub(crate) fn told(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
