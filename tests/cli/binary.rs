//! The binary, once to its end and once until a signal.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

/// The binary in an empty directory and an empty environment.
pub(crate) struct Foxbridge {
    directory: tempfile::TempDir,
}

impl Foxbridge {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    pub(crate) fn with_file(name: &str, content: &str) -> Self {
        let this = Self::new();
        this.write(name, content);
        this
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.directory.path().join(name), content).expect("to write a file");
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foxbridge"));
        command
            .args(arguments)
            .env_clear()
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    pub(crate) fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
        Ran::of(self.command(arguments).envs(environment.iter().copied()))
    }
}

#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().expect("the binary to run");
        Self {
            code: status.code(),
            stdout: String::from_utf8(stdout).expect("UTF-8"),
            stderr: String::from_utf8(stderr).expect("UTF-8"),
        }
    }
}

/// A command that goes on until a signal stops it; killed where a test fails before.
pub(crate) struct Running {
    pub(crate) child: Child,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self {
            child: command.spawn().expect("the binary to start"),
        }
    }

    /// The first log line of a proxy that logs JSON to a pipe, and the address in it.
    pub(crate) fn announcement(&mut self) -> (SocketAddr, serde_json::Value) {
        let stderr = self.child.stderr.as_mut().expect("a pipe");
        for line in BufReader::new(stderr).lines() {
            let event: serde_json::Value =
                serde_json::from_str(&line.expect("a line")).expect("JSON");
            if event["message"] == "listening" {
                let listen = event["listen"].as_str().expect("an address");
                return (listen.parse().expect("an address"), event);
            }
        }
        panic!("the proxy ended without a word of where it listens");
    }

    /// The address in the first line on standard output, and what comes after that line.
    pub(crate) fn welcome(&mut self) -> (SocketAddr, BufReader<ChildStdout>) {
        let mut stdout = BufReader::new(self.child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let (_, address) = line.trim().split_once("http://").expect("a URL");
        let address = address.trim_end_matches("/v1");
        (address.parse().expect("an address"), stdout)
    }

    pub(crate) fn signal(&self, name: &str) {
        let script = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &script]).status();
        assert!(status.expect("sh to run").success());
    }

    pub(crate) fn exit_code(mut self) -> Option<i32> {
        self.child.wait().expect("the exit code").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
