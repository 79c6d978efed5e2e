//! What can be typed, and the help that explains it.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use foxbridge::config::{File, Flag, Sources};

use super::behaviour::Behaviour;

const AFTER_HELP: &str = "\
Examples:
  foxbridge demo                        try it: no key, no network
  foxbridge                             serve, with ./proxy.toml where there is one
  foxbridge serve --config /etc/foxbridge/proxy.toml --listen 0.0.0.0:8080
  foxbridge check --config proxy.toml   every fault at once, or the settings in force
  foxbridge key --name team-a           a key for a client, and its entry for server.keys_file

Environment:
  Every setting of proxy.toml is also a variable: upstream.api_key is FOXBRIDGE_UPSTREAM_API_KEY.
  Lists are separated by commas. Later wins: defaults, proxy.toml, environment, flags.

Exit codes: 0 done or stopped by a signal, 1 failed while running, 2 wrong usage or configuration.";

/// An OpenAI-compatible front for FoxAPI's asynchronous LLM task API
///
/// Point an OpenAI client at http://127.0.0.1:8080/v1; foxbridge turns each chat completion into one FoxAPI task
/// and answers with its result, plain or streamed.
#[derive(Parser)]
#[command(name = "foxbridge", version = super::VERSION, after_help = AFTER_HELP)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) configuration: Configuration,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Run the proxy (the default command)
    Serve(Configuration),
    /// Run the proxy in front of the built-in simulator: no key, no network, no configuration
    Demo(Demo),
    /// Run the built-in FoxAPI simulator alone
    Simulate(Simulate),
    /// Check a configuration: report every fault, or print the settings in force
    Check(Configuration),
    /// Make a key for a client, and its entry for the file that server.keys_file names
    Key(Key),
    /// Ask a running foxbridge whether it is ready, and exit with 0 or 1: for images without a shell
    Healthcheck(Healthcheck),
}

#[derive(Args)]
pub(super) struct Healthcheck {
    /// Where to ask [default: admin.listen, from the same settings as serve]
    #[arg(long, value_name = "ADDR")]
    pub(super) address: Option<SocketAddr>,
    /// Ask only whether it lives
    #[arg(long)]
    pub(super) live: bool,
    #[command(flatten)]
    pub(super) configuration: Configuration,
}

/// Where the configuration comes from.
#[derive(Args)]
pub(super) struct Configuration {
    /// The configuration file [default: ./proxy.toml where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where clients reach the proxy (setting: listen)
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// FoxAPI's base URL, without /v1 (setting: upstream.base_url)
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// off, error, warn, info, debug or trace (setting: log.level)
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// text or json (setting: log.format)
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Any setting, such as task.deadline=5m; can be given again. Other users of this machine can read command
    /// lines: give a key in a file or in the environment
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl Configuration {
    /// The sources of this process: its files, its environment and these flags.
    pub(super) fn sources(&self) -> Sources {
        let named = [
            ("--listen", "listen", &self.listen),
            ("--upstream", "upstream.base_url", &self.upstream),
            ("--log-level", "log.level", &self.log_level),
            ("--log-format", "log.format", &self.log_format),
        ];
        let named = named.into_iter().filter_map(|(name, key, value)| {
            let value = Some(value.clone()?);
            let key = key.to_owned();
            Some(Flag { name, key, value })
        });
        let set = self.set.iter().map(|pair| {
            let (key, value) = match pair.split_once('=') {
                Some((key, value)) => (key.trim(), Some(value.to_owned())),
                None => (pair.as_str(), None),
            };
            Flag {
                name: "--set",
                key: key.to_owned(),
                value,
            }
        });
        Sources {
            file: match &self.config {
                Some(path) => File::Named(path.clone()),
                None => File::IfPresent("proxy.toml".into()),
            },
            environment: std::env::vars_os().collect(),
            flags: set.chain(named).collect(),
        }
    }
}

#[derive(Args)]
pub(super) struct Key {
    /// Make no key; read one from standard input, and print its entry alone
    #[arg(long)]
    pub(super) hash: bool,
    /// What the log and the client call the key
    #[arg(long, value_name = "NAME", default_value = "team-a")]
    pub(super) name: String,
}

#[derive(Args)]
pub(super) struct Demo {
    /// Where clients reach the demo
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(super) listen: String,
    #[command(flatten)]
    pub(super) behaviour: Behaviour,
}

#[derive(Args)]
pub(super) struct Simulate {
    /// Where the simulator listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    pub(super) listen: SocketAddr,
    /// Print what a request can make go wrong, and how it is written; then exit
    #[arg(long)]
    pub(super) markers: bool,
    #[command(flatten)]
    pub(super) behaviour: Behaviour,
}
