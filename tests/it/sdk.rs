//! Runs checks written with clients that others wrote.

use std::{
    fs,
    process::{Command, Stdio},
};

use foxbridge::{
    config::Config,
    translate::{ByModel, Pattern},
};

pub(crate) use crate::fetched::python_of;
use crate::{
    fetched::{fetched, sources, succeed, told},
    harness::{Bridge, PATIENCE},
    http::KEY,
    journal_page,
};

/// Long enough for every check of one file on a slow machine.
const FILE_BOUND: std::time::Duration = PATIENCE.saturating_mul(5);

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
    for folder in [&sources, &crate::fetched::sources("shared")] {
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
