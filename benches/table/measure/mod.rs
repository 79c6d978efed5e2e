//! Takes the measurements, in an order that is fair, and makes the table's rows of them.

mod compared;
mod shared;
mod waiting;

use std::{
    io::{self, Write},
    time::Instant,
};

use serde::Serialize;

use crate::{
    Fault, complain,
    load::{Outcome, Target, Work},
    machine::Machine,
    options::Options,
    process::Server,
    report::{self, Report},
    stage::Stage,
};

/// Measures everything that is wanted; `false` when an answer was wrong or missing.
pub(crate) fn table(options: &Options) -> Result<bool, Fault> {
    let mut bench = Bench {
        stage: Stage::set(options)?,
        is_quick: options.quick,
        began: Instant::now(),
        measured: Vec::new(),
        failures: Vec::new(),
    };
    let mut rows = compared::rows(&mut bench, options)?;
    rows.extend(waiting::rows(&mut bench, options)?);
    rows.extend(shared::rows(&mut bench, options)?);
    let report = Report {
        date: report::today(),
        commit: crate::build::commit(),
        machine: Machine::this(),
        is_quick: options.quick,
        rounds: options.rounds(),
        rows,
        failures: bench.failures,
        measured: bench.measured,
    };
    writeln!(io::stdout(), "{}", report::text(&report))?;
    let folder = bench.stage.folder();
    let json = options.json.clone();
    let svg = options.svg.clone();
    report::write(
        &report,
        &json.unwrap_or_else(|| folder.join("table.json")),
        &svg.unwrap_or_else(|| folder.join("table.svg")),
    )?;
    Ok(report.failures.is_empty())
}

/// What all measurements share.
struct Bench {
    stage: Stage,
    is_quick: bool,
    began: Instant,
    measured: Vec<Measured>,
    failures: Vec<String>,
}

/// One outcome, for those who want to look closer than the table does.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    work: String,
    target: Target,
    outcome: Outcome,
}

impl Bench {
    /// Lets the load do its work, and notes what went wrong.
    fn load(
        &mut self,
        name: &str,
        target: Target,
        server: Option<&Server>,
        work: Work,
    ) -> Result<Outcome, Fault> {
        let seconds = self.began.elapsed().as_secs();
        complain(&format!("{seconds:>4} s  {name}: {target:?}"));
        let outcome = self.stage.load(target, server, work)?;
        if outcome.failures > 0 || outcome.requests + outcome.chunks == 0 {
            let first = outcome.first_failure.as_deref();
            self.failures.push(format!(
                "{name}: {target:?}: {} of {} requests failed: {}",
                outcome.failures,
                outcome.failures + outcome.requests,
                first.unwrap_or("nothing was answered")
            ));
        }
        self.measured.push(Measured {
            work: name.into(),
            target,
            outcome: outcome.clone(),
        });
        Ok(outcome)
    }

    fn on_foxbridge(&mut self, name: &str, server: &Server, work: Work) -> Result<Outcome, Fault> {
        self.load(name, Target::Foxbridge, Some(server), work)
    }
}

/// The middle one; of an even number, the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values.get(middle).copied(),
        _ => {
            let below = values.get(middle.checked_sub(1)?)?;
            Some((below + values.get(middle)?) / 2.0)
        }
    }
}
