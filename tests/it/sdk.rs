//! Fetches clients that others wrote, once for each set of pins, and runs checks written with them.

use std::{
    collections::hash_map::DefaultHasher,
    fs::{self, File},
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use foxbridge::{
    config::Config,
    translate::{ByModel, Pattern},
};

use crate::{
    harness::{Bridge, PATIENCE},
    http::KEY,
    journal_page,
};

/// Long enough for every check of one file on a slow machine.
const FILE_BOUND: std::time::Duration = PATIENCE.saturating_mul(5);

const PYTHON: &str = "The tests run Python clients against foxbridge and fetch them once, over the network. Install \
    Python 3.11 or newer with its venv module (on Debian and Ubuntu: apt install python3 python3-venv).";

const NODE: &str = "The tests run JavaScript clients against foxbridge and fetch them once with npm, over the network. \
    Install Node.js 20 or newer, which brings npm.";

/// Some libraries call home, or fetch a newer list of models, unless told not to.
const QUIET: [(&str, &str); 4] = [
    ("DO_NOT_TRACK", "1"),
    ("LANGSMITH_TRACING", "false"),
    ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
    ("LITELLM_TELEMETRY", "False"),
];

/// Runs a file of `tests/sdk/CLIENT`, which pins Python packages, against a bridge of its own; a failed check fails
/// the test.
pub(crate) async fn python(client: &str, file: &str) {
    python_with(client, file, settings).await;
}

/// The same against a bridge with settings of its own.
pub(crate) async fn python_with(client: &str, file: &str, change: impl FnOnce(&mut Config)) {
    let mut command = Command::new(python_of(client));
    // No compiled files beside the sources: a test leaves the work tree as it was.
    command.arg("-B").arg(sources(client).join(file));
    command.env("PYTHONPATH", sources("shared"));
    check(client, file, command, change).await;
}

/// A Python that has the packages which `tests/sdk/CLIENT` pins.
pub(crate) fn python_of(client: &str) -> PathBuf {
    let pins = [sources(client).join("requirements.txt")];
    let home = fetched(client, &pins, &["python3"], PYTHON, |home| {
        let venv = home.join("venv");
        succeed(
            Command::new("python3").args(["-m", "venv"]).arg(&venv),
            PYTHON,
        );
        let mut pip = Command::new(venv.join("bin/python"));
        pip.args(["-m", "pip", "install", "--no-input", "--requirement"]);
        succeed(pip.arg(&pins[0]), PYTHON);
    });
    home.join("venv/bin/python")
}

/// Runs a file of `tests/sdk/CLIENT`, which pins npm packages, against a bridge of its own; a failed check fails the
/// test.
pub(crate) async fn node(client: &str, file: &str) {
    node_with(client, file, settings).await;
}

/// The same against a bridge with settings of its own.
pub(crate) async fn node_with(client: &str, file: &str, change: impl FnOnce(&mut Config)) {
    let sources = sources(client);
    let pins = ["package.json", "package-lock.json"].map(|pin| sources.join(pin));
    let home = fetched(client, &pins, &["node", "npm"], NODE, |home| {
        for pin in &pins {
            fs::copy(pin, home.join(pin.file_name().unwrap())).unwrap();
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund"])
            .current_dir(home);
        succeed(&mut npm, NODE);
    });
    // Node looks for packages in the folders above a file, so the files are run from a folder below them.
    let copies = tempfile::tempdir_in(&home).unwrap();
    for folder in [&sources, &self::sources("shared")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "mjs") {
                fs::copy(&path, copies.path().join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    let mut command = Command::new("node");
    command.arg(copies.path().join(file));
    check(client, file, command, change).await;
}

/// Runs a file of checks with the environment that a client's user would set.
async fn check(client: &str, file: &str, mut command: Command, change: impl FnOnce(&mut Config)) {
    let bridge = Bridge::with(change).await;
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("OPENAI_") || name.to_ascii_lowercase().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command
        .env(
            "OPENAI_BASE_URL",
            format!("http://{}/v1", bridge.proxy.address),
        )
        .env("OPENAI_API_KEY", KEY)
        .env(
            "JOURNAL_URL",
            journal_page::serve(bridge.simulator.clone()).await,
        )
        .envs(QUIET)
        .stdin(Stdio::null());
    let mut command = tokio::process::Command::from(command);
    let output = tokio::time::timeout(FILE_BOUND, command.kill_on_drop(true).output())
        .await
        .unwrap_or_else(|_| panic!("{client}/{file} still runs after {FILE_BOUND:?}"))
        .unwrap();
    assert!(
        output.status.success(),
        "{client}/{file}\n{}",
        told(&output)
    );
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("ok    "),
        "{client}/{file} checked nothing: {said}"
    );
}

/// Names of models as users of OpenAI write them, and uploads of media that are quickly sent.
fn settings(config: &mut Config) {
    let alias = |name, model: &str| (Pattern::new(name).unwrap(), model.to_owned());
    config.models.aliases = ByModel::new(vec![
        alias("gpt-4o", "gpt-5.5"),
        alias("claude-3-*", "claude-opus-4-7"),
    ]);
    config.models.inline_max = 64 << 10;
}

fn sources(client: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sdk")
        .join(client)
}

/// A folder that `install` has filled, now or in an earlier run. It is found again only by the same pins, tools and
/// place (virtual environments cannot be moved), and only when it was finished.
fn fetched(
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
fn succeed(command: &mut Command, needed: &str) -> Output {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => output,
        Ok(output) => panic!("{command:?} failed.\n{}\n{needed}", told(&output)),
        Err(error) => panic!("{command:?}: {error}.\n{needed}"),
    }
}

fn told(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
