//! The table as text, as JSON and as a picture.

mod picture;
mod text;

use std::{io::Write, path::Path, time::SystemTime};

use serde::Serialize;

use crate::{Fault, complain, judge::Row, machine::Machine, measure::Measured, stage};

pub(crate) use text::text;

/// Everything that was found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// In UTC.
    pub(crate) date: String,
    pub(crate) commit: Option<String>,
    pub(crate) machine: Machine,
    pub(crate) is_quick: bool,
    pub(crate) rounds: usize,
    pub(crate) rows: Vec<Row>,
    pub(crate) failures: Vec<String>,
    pub(crate) measured: Vec<Measured>,
}

/// The date, in UTC.
pub(crate) fn today() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.split('T').next().unwrap_or_default().to_owned()
}

/// Writes the two files.
pub(crate) fn write(report: &Report, json: &Path, svg: &Path) -> Result<(), Fault> {
    let mut file = stage::create(json)?;
    serde_json::to_writer_pretty(&mut file, report)?;
    writeln!(file)?;
    stage::create(svg)?.write_all(picture::picture(report).as_bytes())?;
    complain(&format!("{} and {}", json.display(), svg.display()));
    Ok(())
}

/// What was measured, when and where.
fn title(report: &Report) -> String {
    let machine = &report.machine;
    let form = match report.is_quick {
        true => "quick form: not for comparing",
        false => "median of the rounds' ratios",
    };
    format!(
        "foxbridge {}, {}, {} cores ({}), {} GiB; {} rounds, {form}",
        report.commit.as_deref().unwrap_or("of an unknown commit"),
        report.date,
        machine.cores,
        machine.processor,
        machine.memory_gib,
        report.rounds,
    )
}
