//! What can be typed.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand};

/// Measures what foxbridge costs, beside a bare hyper program that makes the same calls and beside nginx
///
/// Needs Linux. Takes under ten minutes, or under one with --quick. Fails when an answer was wrong or missing; a goal
/// that was missed is only told.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
    /// One short round of everything: to see that it works, not to compare
    #[arg(long)]
    pub(crate) quick: bool,
    /// How often what is compared is measured in turn [default: 5, with --quick 1]
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<usize>,
    /// Measure only what has this in its name: sync, client, burst, paced, memory, lag, growth or calls; can be given
    /// again
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Measure this program instead of building foxbridge as it ships
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) foxbridge: Option<PathBuf>,
    /// Where the table goes as JSON [default: bench/table.json in the target directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Where the picture goes [default: bench/table.svg in the target directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

/// The other processes of the table, which starts them itself.
#[derive(Subcommand)]
pub(crate) enum Role {
    #[command(hide = true)]
    Upstream,
    #[command(hide = true)]
    Floor { upstream: SocketAddr },
    #[command(hide = true)]
    Load,
}

impl Options {
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 5 }).max(1)
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.contains(only.as_str()))
    }
}
