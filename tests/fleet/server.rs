//! A Redis of a test's own. Where none is installed, Debian's package is fetched once and taken apart.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use redis::{Client, Connection, RedisResult, Value};
use tempfile::TempDir;

use crate::packages::taken_apart;

const NEEDED: &str = "The tests of replicas need redis-server. Install it (on Debian and Ubuntu: apt install redis-server; on \
    macOS: brew install redis). Where there is apt, they fetch it by themselves, over the network.";

/// What Debian's redis-server needs besides what every system has.
const PACKAGES: [&str; 5] = [
    "redis-server",
    "redis-tools",
    "libatomic1",
    "libjemalloc2",
    "liblzf1",
];

/// A running server, killed when dropped.
pub(crate) struct Redis {
    child: Option<Child>,
    pub(crate) port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    password: Option<String>,
}

impl Redis {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With further arguments. A port that somebody else has taken in the meantime is given up for another one.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        for _ in 0..20 {
            let mut redis = Self {
                child: None,
                port: free_port(),
                folder: tempfile::tempdir().unwrap(),
                arguments: arguments
                    .iter()
                    .map(|&argument| argument.to_owned())
                    .collect(),
                password: None,
            };
            let password = arguments
                .iter()
                .position(|&argument| argument == "--requirepass");
            redis.password = password.map(|at| arguments[at + 1].to_owned());
            if redis.run() {
                return redis;
            }
        }
        panic!("redis-server does not start\n{NEEDED}");
    }

    /// A sentinel that watches the master on this port.
    pub(crate) fn sentinel(name: &str, master: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..20 {
            let port = free_port();
            // Long enough that a busy machine is not taken for a dead master.
            let settings = format!(
                "port {port}\nsentinel monitor {name} 127.0.0.1 {master} 1\n\
                 sentinel down-after-milliseconds {name} 4000\nsentinel failover-timeout {name} 10000\n"
            );
            let file = folder.path().join("sentinel.conf");
            fs::write(&file, settings).unwrap();
            let child = redis_server()
                .arg(&file)
                .args(["--sentinel", "--bind", "127.0.0.1"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap_or_else(|error| panic!("{error}\n{NEEDED}"));
            let mut sentinel = Self {
                child: None,
                port,
                folder: tempfile::tempdir_in(&folder).unwrap(),
                arguments: Vec::new(),
                password: None,
            };
            if sentinel.comes_up(child) {
                // It writes into its file for as long as it runs.
                sentinel.folder = folder;
                return sentinel;
            }
        }
        panic!("no sentinel starts\n{NEEDED}");
    }

    /// Whether it runs.
    fn run(&mut self) -> bool {
        let mut command = redis_server();
        command
            .args(["--port", &self.port.to_string()])
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{error}\n{NEEDED}"));
        self.comes_up(child)
    }

    fn comes_up(&mut self, mut child: Child) -> bool {
        let begun = std::time::Instant::now();
        while begun.elapsed() < crate::harness::PATIENCE {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            if let Ok(mut connection) = self.connect()
                && self.is_own(&mut connection, child.id())
            {
                self.child = Some(child);
                return true;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let _ = child.kill();
        false
    }

    /// Somebody else's server may have the port.
    fn is_own(&self, connection: &mut Connection, id: u32) -> bool {
        let info: RedisResult<String> = redis::cmd("INFO").arg("server").query(connection);
        info.is_ok_and(|info| info.contains(&format!("process_id:{id}\r\n")))
    }

    fn connect(&self) -> RedisResult<Connection> {
        let password = match &self.password {
            Some(password) => format!(":{password}@"),
            None => String::new(),
        };
        Client::open(format!("redis://{password}127.0.0.1:{}/0", self.port))?.get_connection()
    }

    /// What it was started with under this name.
    pub(crate) fn argument(&self, name: &str) -> String {
        let at = self.arguments.iter().position(|argument| argument == name);
        self.arguments[at.unwrap() + 1].clone()
    }

    pub(crate) fn setting(&self) -> String {
        format!("ledger.store=redis://127.0.0.1:{}/0", self.port)
    }

    pub(crate) fn ask(&self, words: &[&str]) -> Value {
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        command.query(&mut self.connect().unwrap()).unwrap()
    }

    pub(crate) fn texts(&self, words: &[&str]) -> Vec<String> {
        redis::from_redis_value(self.ask(words)).unwrap()
    }

    pub(crate) fn text(&self, words: &[&str]) -> String {
        redis::from_redis_value(self.ask(words)).unwrap()
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let status = Command::new("kill").args([signal, &id]).status();
        assert!(status.unwrap().success());
    }

    /// It answers nobody any more, and its connections stay.
    pub(crate) fn stop(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    /// It is gone, with all that it had.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// On the same port, empty.
    pub(crate) fn start_again(&mut self) {
        assert!(self.run(), "the port is taken");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

pub(crate) fn redis_server() -> Command {
    static HOME: OnceLock<Option<PathBuf>> = OnceLock::new();
    let home = HOME.get_or_init(|| {
        let installed = Command::new("redis-server").arg("--version").output();
        let is_installed = installed.is_ok_and(|output| output.status.success());
        (!is_installed).then(|| taken_apart("redis-server", &PACKAGES, NEEDED))
    });
    let Some(home) = home else {
        return Command::new("redis-server");
    };
    let mut libraries: Vec<PathBuf> = fs::read_dir(home.join("usr/lib"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    libraries.sort();
    let mut command = Command::new(home.join("usr/bin/redis-server"));
    command.env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap());
    command
}
