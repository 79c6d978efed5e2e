use std::collections::BTreeMap;

use super::{Bench, median};
use crate::{
    Fault,
    cases::{CASES, Case},
    judge::{Goal, Row, Unit},
    load::{Outcome, Target},
    options::Options,
    process::Server,
};

/// The outcomes of a case, by round.
type Rounds = Vec<BTreeMap<Target, Outcome>>;

/// A number that can be read off an outcome.
type Figure = fn(&Outcome) -> f64;

/// The rows in which foxbridge stands beside the floor and nginx.
pub(super) fn rows(bench: &mut Bench, options: &Options) -> Result<Vec<Row>, Fault> {
    let wanted: Vec<Case> = CASES
        .into_iter()
        .filter(|case| options.wants(&case.name()))
        .collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let servers: BTreeMap<Target, Server> = [
        Some((Target::Floor, bench.stage.floor()?)),
        bench.stage.nginx()?.map(|server| (Target::Nginx, server)),
        Some((Target::Foxbridge, bench.stage.foxbridge()?)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut rounds: Vec<Rounds> = vec![Rounds::new(); wanted.len()];
    for _ in 0..options.rounds() {
        for (case, rounds) in wanted.iter().zip(&mut rounds) {
            rounds.push(round(bench, *case, &servers)?);
        }
    }
    Ok(wanted
        .iter()
        .zip(&rounds)
        .flat_map(|(case, rounds)| rows_of(*case, rounds))
        .collect())
}

/// Each target of a case, one behind the other.
fn round(
    bench: &mut Bench,
    case: Case,
    servers: &BTreeMap<Target, Server>,
) -> Result<BTreeMap<Target, Outcome>, Fault> {
    let mut outcomes = BTreeMap::new();
    for &target in case.targets() {
        let server = servers.get(&target);
        if server.is_some() || target == Target::Direct {
            let work = case.work(bench.is_quick);
            outcomes.insert(target, bench.load(&case.name(), target, server, work)?);
        }
    }
    Ok(outcomes)
}

fn rows_of(case: Case, rounds: &Rounds) -> Vec<Row> {
    let row = |figure, unit, value: Figure| compared(rounds, &case.name(), figure, unit, value);
    match case {
        Case::Sync(_) => vec![
            row("CPU per request", Unit::Microseconds, per_request)
                .against_floor(rounds, per_request, Goal::at_most(1.25).stretch(1.0))
                .with_note("nginx forwards one call, the others make two"),
        ],
        Case::OneClient => vec![added_latency(&case.name(), rounds)],
        Case::Burst => vec![
            row("chunks per second", Unit::PerSecond, chunk_rate).against_nginx(
                rounds,
                chunk_rate,
                Goal::at_least(0.9).stretch(1.0),
            ),
            row("CPU per chunk", Unit::Microseconds, per_chunk).against_floor(
                rounds,
                per_chunk,
                Goal::at_most(0.75).stretch(0.55),
            ),
        ],
        Case::Paced => vec![
            row("CPU per chunk", Unit::Microseconds, per_chunk).against_floor(
                rounds,
                per_chunk,
                Goal::at_most(1.15),
            ),
            row("median chunk lag", Unit::Microseconds, median_lag).against_floor(
                rounds,
                median_lag,
                Goal::at_most(1.2),
            ),
        ],
    }
}

/// A row with each target's median.
fn compared(rounds: &Rounds, work: &str, figure: &str, unit: Unit, value: Figure) -> Row {
    let of = |target| {
        let values = rounds.iter().filter_map(|round| round.get(&target));
        median(values.map(value).collect())
    };
    let foxbridge = of(Target::Foxbridge).unwrap_or(f64::NAN);
    Row::new(work, figure, unit, foxbridge).beside(of(Target::Floor), of(Target::Nginx))
}

impl Row {
    fn against_floor(self, rounds: &Rounds, value: Figure, goal: Goal) -> Self {
        self.judged_by("× floor", ratio(rounds, Target::Floor, value), goal)
    }

    fn against_nginx(self, rounds: &Rounds, value: Figure, goal: Goal) -> Self {
        self.judged_by("× nginx", ratio(rounds, Target::Nginx, value), goal)
    }
}

/// The median of the rounds' ratios: what changes on the machine from round to round stands in both of a ratio's numbers.
fn ratio(rounds: &Rounds, base: Target, value: Figure) -> Option<f64> {
    let ratios = rounds
        .iter()
        .filter_map(|round| Some(value(round.get(&Target::Foxbridge)?) / value(round.get(&base)?)));
    median(ratios.collect())
}

fn added_latency(work: &str, rounds: &Rounds) -> Row {
    let added = |target| {
        let added = rounds.iter().filter_map(move |round| {
            let direct = round.get(&Target::Direct)?.latency.p50;
            Some((round.get(&target)?.latency.p50 - direct) / 1e3)
        });
        added.collect::<Vec<f64>>()
    };
    let (floor, foxbridge) = (added(Target::Floor), added(Target::Foxbridge));
    let ratios = foxbridge
        .iter()
        .zip(&floor)
        .map(|(foxbridge, floor)| foxbridge / floor);
    let ratio = median(ratios.collect());
    let value = median(foxbridge).unwrap_or(f64::NAN);
    Row::new(
        work,
        "median latency added to a direct call",
        Unit::Microseconds,
        value,
    )
    .beside(median(floor), None)
    .judged_by("× floor", ratio, Goal::at_most(1.25))
}

fn per_request(outcome: &Outcome) -> f64 {
    outcome.processor_ns as f64 / outcome.requests as f64 / 1e3
}

fn per_chunk(outcome: &Outcome) -> f64 {
    outcome.processor_ns as f64 / outcome.chunks as f64 / 1e3
}

fn chunk_rate(outcome: &Outcome) -> f64 {
    outcome.chunks as f64 / outcome.seconds
}

fn median_lag(outcome: &Outcome) -> f64 {
    outcome.lag.p50 / 1e3
}
