use super::{Bench, median};
use crate::{
    Fault,
    cases::Case,
    judge::{Row, Unit},
    load::Outcome,
    options::Options,
    process::{self, Server},
};

/// What it costs to share a ledger with other replicas; nothing where there is no redis-server.
pub(super) fn rows(bench: &mut Bench, options: &Options) -> Result<Vec<Row>, Fault> {
    let case = Case::Sync(32);
    let name = format!("{}, with a Redis", case.name());
    if !options.wants(&name) {
        return Ok(Vec::new());
    }
    let Some(redis) = bench.stage.redis()? else {
        return Ok(Vec::new());
    };
    let store = format!("ledger.store=redis://{}/0", redis.address);
    let (alone, sharing) = (
        bench.stage.foxbridge()?,
        bench.stage.foxbridge_with(&[&store])?,
    );
    let (mut withs, mut ratios, mut of_redis) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds() {
        let mut on = |name: &str, server: &Server| {
            bench.on_foxbridge(name, server, case.work(options.quick))
        };
        let each = |outcome: &Outcome| outcome.processor_ns as f64 / outcome.requests as f64 / 1e3;
        let without = each(&on(&case.name(), &alone)?);
        let before = Asked::of(&redis)?;
        let with = each(&on(&name, &sharing)?);
        let asked = Asked::of(&redis)?;
        withs.push(with);
        ratios.push(with / without);
        let operations = asked.operations - before.operations;
        of_redis.push((asked.processor_ns - before.processor_ns) as f64 / operations as f64 / 1e3);
    }
    Ok(vec![
        Row::new(
            &name,
            "CPU per request",
            Unit::Microseconds,
            median(withs).unwrap_or(f64::NAN),
        )
        .measured_by("× without", median(ratios)),
        Row::new(
            &name,
            "CPU of Redis per operation",
            Unit::Microseconds,
            median(of_redis).unwrap_or(f64::NAN),
        )
        .with_note("one client's key, whose requests share operations"),
    ])
}

/// What Redis has been asked so far, and what it has cost.
struct Asked {
    operations: u64,
    processor_ns: u64,
}

impl Asked {
    fn of(redis: &Server) -> Result<Self, Fault> {
        let stats = process::ask(redis.address, "INFO commandstats\r\n")?;
        let scripts = stats
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        let calls = scripts.and_then(|rest| rest.split(',').next());
        Ok(Self {
            operations: calls.unwrap_or("0").parse()?,
            processor_ns: process::processor_time(redis.id())?,
        })
    }
}
