use std::time::Duration;

use super::{Bench, median};
use crate::{
    Fault, cases,
    judge::{Goal, Row, Unit},
    load::{Arrival, Work},
    options::Options,
    plan::Plan,
    process,
};

/// How fast the requests come that are then held.
const HELD_PER_SECOND: u32 = 1500;
const KIB: f64 = 1024.0;

/// The rows in which foxbridge is judged by itself.
pub(super) fn rows(bench: &mut Bench, options: &Options) -> Result<Vec<Row>, Fault> {
    let mut rows = Vec::new();
    if options.wants("memory") {
        rows.extend(memory(bench)?);
    }
    if options.wants("lag by stream") {
        rows.extend(lag_by_stream(bench)?);
    }
    if options.wants("lag by polling") {
        rows.extend(lag_by_polling(bench)?);
    }
    if options.wants("growth") {
        rows.push(growth(bench)?);
    }
    if options.wants("calls") {
        rows.extend(calls(bench)?);
    }
    Ok(rows)
}

/// Each figure has a process of its own, since memory that was used once stays with a process.
fn memory(bench: &mut Bench) -> Result<Vec<Row>, Fault> {
    let mut idles = Vec::new();
    let mut rows = Vec::new();
    for (followed, how, goal) in [(false, "polling", 36.0), (true, "by stream", 46.0)] {
        for &requests in cases::held_requests(bench.is_quick, followed) {
            let server = bench.stage.foxbridge()?;
            let idle = process::memory(server.id())?;
            idles.push(idle as f64 / KIB / KIB);
            let work = format!("memory, {requests} waiting {how}");
            let outcome = bench.on_foxbridge(
                &work,
                &server,
                Work::Hold {
                    question: cases::held(followed),
                    requests,
                    per_second: HELD_PER_SECOND,
                },
            )?;
            let each = outcome.memory.saturating_sub(idle) as f64 / requests as f64 / KIB;
            let row = Row::new(&work, "memory per request", Unit::Kibibytes, each)
                .judged(Goal::at_most(goal).stretch(20.0));
            rows.push(match requests {
                9000 => row.with_note(
                    "9,000 and not 10,000: each takes two sockets, and the limit here is 20,000",
                ),
                _ => row,
            });
        }
    }
    let idle = Row::new(
        "memory, idle",
        "resident",
        Unit::Mebibytes,
        median(idles).unwrap_or(f64::NAN),
    );
    rows.insert(0, idle.judged(Goal::at_most(8.0)));
    Ok(rows)
}

fn lag_by_stream(bench: &mut Bench) -> Result<Vec<Row>, Fault> {
    let server = bench.stage.foxbridge()?;
    let work = "lag by stream";
    let tasks = cases::followed_tasks(bench.is_quick);
    let outcome = bench.on_foxbridge(work, &server, Work::Wave(tasks))?;
    let calls = outcome.upstream.calls() as f64 / outcome.requests as f64;
    let lag = |figure, value, goal| {
        Row::new(work, figure, Unit::Milliseconds, value / 1e6).judged(Goal::at_most(goal))
    };
    Ok(vec![
        lag("median lag behind completion", outcome.lag.p50, 5.0),
        lag("99th percentile of the lag", outcome.lag.p99, 50.0),
        Row::new(work, "upstream calls", Unit::Count, calls).judged(Goal::exactly(3.0)),
    ])
}

fn lag_by_polling(bench: &mut Bench) -> Result<Vec<Row>, Fault> {
    let seconds = Duration::from_secs;
    let work = "lag by polling, four models, 1 to 8 s";
    let goal = Goal::at_most(0.5).stretch(0.25);
    let (learn, count) = if bench.is_quick {
        ((80, seconds(1) / 2), (120, seconds(1)))
    } else {
        ((200, seconds(4)), (400, seconds(8)))
    };
    let mut rows = vec![
        queries_times_lag(
            bench,
            work,
            cases::polled_tasks(learn.0, learn.1, 5),
            cases::polled_tasks(count.0, count.1, 7),
        )?
        .with_goal(goal),
    ];
    if !bench.is_quick {
        let work = "lag by polling, one model, evenly 1 to 8 s";
        let row = queries_times_lag(
            bench,
            work,
            cases::even_tasks(learn.0, learn.1, 5),
            cases::even_tasks(count.0, count.1, 7),
        )?;
        rows.push(row.with_note("for comparison: such times leave little to be learnt"));
    }
    Ok(rows)
}

/// Queries × mean lag, in seconds, against a fixed interval's for the same tasks: at any interval d it makes T/d queries
/// and is d/2 late, so that is half the tasks' mean time. A first wave, which does not count, lets the models' times be
/// learnt.
fn queries_times_lag(
    bench: &mut Bench,
    work: &str,
    learn: Vec<Arrival>,
    count: Vec<Arrival>,
) -> Result<Row, Fault> {
    let times = count.iter().map(|arrival| match arrival.question.plan {
        Plan::After(time) => time.as_secs_f64(),
        _ => 0.0,
    });
    let fixed = times.sum::<f64>() / count.len() as f64 / 2.0;
    let server = bench.stage.foxbridge()?;
    let learning = format!("{work} (learning)");
    bench.on_foxbridge(&learning, &server, Work::Wave(learn))?;
    let outcome = bench.on_foxbridge(work, &server, Work::Wave(count))?;
    let queries = outcome.upstream.queries as f64 / outcome.requests as f64;
    let lag = outcome.lag.mean / 1e9;
    let figure = format!("queries ({queries:.2}) × mean lag ({:.0} ms)", lag * 1e3);
    Ok(Row::new(work, &figure, Unit::Seconds, queries * lag)
        .measured_by("× fixed interval", Some(queries * lag / fixed)))
}

fn growth(bench: &mut Bench) -> Result<Row, Fault> {
    let server = bench.stage.foxbridge()?;
    let (many, seconds, rounds) = if bench.is_quick {
        (2000, 2, 1)
    } else {
        (10_000, 5, 3)
    };
    let name = |count: u32| format!("growth, {count} in flight");
    let mut wave = |count: u32| -> Result<f64, Fault> {
        let outcome = bench.on_foxbridge(&name(count), &server, cases::crowd(count, seconds))?;
        Ok(outcome.processor_ns as f64 / outcome.requests as f64 / 1e3)
    };
    // What a process does only once is not what grows.
    wave(100)?;
    let (mut few, mut crowds) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        few.push(wave(100)?);
        crowds.push(wave(many)?);
    }
    let ratios = few.iter().zip(&crowds).map(|(few, many)| many / few);
    let ratio = median(ratios.collect());
    let few = median(few).unwrap_or(f64::NAN);
    let many_value = median(crowds).unwrap_or(f64::NAN);
    Ok(Row::new(
        &format!("growth, from 100 to {many} in flight"),
        "CPU per request",
        Unit::Microseconds,
        many_value,
    )
    .judged_by("× that of 100", ratio, Goal::at_most(1.2))
    .with_note(&format!(
        "{few:.0} µs at 100; each request a new connection, waiting {seconds} s by polling"
    )))
}

fn calls(bench: &mut Bench) -> Result<Vec<Row>, Fault> {
    const REQUESTS: usize = 50;
    let server = bench.stage.foxbridge()?;
    let mut rows = Vec::new();
    let mut connections = 0;
    for (work, question) in [
        ("calls, instant sync", cases::INSTANT),
        ("calls, clean stream", cases::BURST),
    ] {
        let in_turn = Work::InTurn {
            question,
            requests: REQUESTS,
        };
        let outcome = bench.on_foxbridge(work, &server, in_turn)?;
        let calls = outcome.upstream.calls() as f64 / outcome.requests as f64;
        connections += outcome.upstream.connections;
        rows.push(
            Row::new(work, "upstream calls a request", Unit::Count, calls)
                .judged(Goal::exactly(2.0)),
        );
    }
    rows.push(
        Row::new(
            &format!("calls, {} requests in turn", 2 * REQUESTS),
            "upstream connections",
            Unit::Count,
            connections as f64,
        )
        .judged(Goal::at_most(2.0)),
    );
    Ok(rows)
}
