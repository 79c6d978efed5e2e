//! Child processes, and what the kernel says that they cost.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::Fault;

/// How long a process may take to be ready.
const START: Duration = Duration::from_secs(10);
/// How long it may take to end.
const END: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A server of the table; stopped when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Kept open, so that whatever it says later does not kill it.
    _said: Option<BufReader<ChildStdout>>,
}

impl Server {
    /// Starts this program in another role, which says on standard output where it listens.
    pub(crate) fn of_role(arguments: &[&str]) -> Result<Self, Fault> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        let address = line
            .trim()
            .parse()
            .map_err(|error| format!("{}: {line:?}: {error}", arguments.join(" ")))?;
        Ok(Self {
            child,
            address,
            _said: Some(said),
        })
    }

    /// Starts a program that listens on `address`, with its standard error in `log`, and waits until it does.
    pub(crate) fn of_command(
        command: &mut Command,
        address: SocketAddr,
        log: &Path,
    ) -> Result<Self, Fault> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log)?)
            .spawn()?;
        let mut server = Self {
            child,
            address,
            _said: None,
        };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if server.child.try_wait()?.is_some() || began.elapsed() > START {
                let said = fs::read_to_string(log).unwrap_or_default();
                return Err(format!("nothing listens on {address}: {said}").into());
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(server)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that ends in good order writes down what it has seen of itself, if it was built for that.
        if let Ok(process) = i32::try_from(self.child.id())
            && let Some(process) = Pid::from_raw(process)
        {
            let _ = kill_process(process, Signal::TERM);
        }
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && began.elapsed() < END {
            thread::sleep(LOOK_AGAIN);
        }
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What Redis answers to a command whose answer is a text.
pub(crate) fn ask(redis: SocketAddr, command: &str) -> Result<String, Fault> {
    let mut connection = TcpStream::connect(redis)?;
    connection.set_read_timeout(Some(START))?;
    connection.write_all(command.as_bytes())?;
    let mut reader = BufReader::new(connection);
    let mut length = String::new();
    reader.read_line(&mut length)?;
    let length: usize = length
        .trim()
        .strip_prefix('$')
        .ok_or_else(|| format!("Redis says {length:?}"))?
        .parse()?;
    let mut text = vec![0; length];
    reader.read_exact(&mut text)?;
    Ok(String::from_utf8(text)?)
}

/// An address that nobody listens on just now.
pub(crate) fn free_address() -> Result<SocketAddr, Fault> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// The first line of a role.
pub(crate) fn tell_address(address: SocketAddr) -> Result<(), Fault> {
    let mut out = std::io::stdout();
    writeln!(out, "{address}")?;
    Ok(out.flush()?)
}

/// Nanoseconds on a processor, of all threads of a process that still run. None of the servers here ends threads.
pub(crate) fn processor_time(process: u32) -> Result<u64, Fault> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let ran = text.split(' ').next().ok_or("an empty schedstat")?;
        sum += ran.parse::<u64>()?;
    }
    Ok(sum)
}

/// Bytes of memory that a process occupies (`VmRSS`).
pub(crate) fn memory(process: u32) -> Result<u64, Fault> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.ok_or("no VmRSS")?.trim().trim_end_matches(" kB");
    Ok(kibibytes.parse::<u64>()? * 1024)
}
