//! What a fleet asks of its upstream while one of its replicas dies: simulates clients with the official SDK's retries, a
//! ledger that all replicas share, and the machine that ships (`task::Lifecycle`, `task::Forecast`), and counts calls a second.
//!
//! `cargo run --release --example fleet` prints the table of docs/fleet.md; its test holds that the load stays flat.

#![expect(
    clippy::print_stdout,
    reason = "an example prints what it finds, and stops at the first fault"
)]

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use bytes::Bytes;
use foxbridge::task::{Event, Forecast, History, Lifecycle, Pace, Patience, Report, Step, Turns};

/// When the replica dies, and how long there is anything to see of it, in seconds.
const DEATH: f64 = 60.0;
const END: f64 = 90.0;
/// What arrives at the whole fleet each second: requests that are polled, of tasks of 1 to 8 s, and streams.
const POLLED: f64 = 2000.0;
const STREAMS: f64 = 500.0;
/// How long a stream is open, in seconds.
const STREAM: f64 = 20.0;
/// Calls are counted by the tenth of a second.
const BIN: f64 = 0.1;

/// What a retry finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ledger {
    /// The task that it bought, on every replica.
    Shared,
    /// Nothing: it buys another.
    OfEachReplica,
}

/// What came of it. Calls are those of the whole fleet.
#[derive(Debug)]
struct Outcome {
    /// A second, while all was well.
    before: f64,
    /// In the worst second from the death on, and in the worst tenth of one, as multiples of that.
    worst_second: f64,
    worst_tenth: f64,
    bought_twice: u32,
    /// Until a task was asked for that was found.
    longest_wait: Duration,
}

fn main() {
    println!(
        "| replicas | ledger | calls/s before | worst second | worst 100 ms | tasks bought twice |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (replicas, ledger) in [
        (2, Ledger::Shared),
        (3, Ledger::Shared),
        (10, Ledger::Shared),
        (27, Ledger::Shared),
        (10, Ledger::OfEachReplica),
    ] {
        let Outcome {
            before,
            worst_second,
            worst_tenth,
            bought_twice,
            longest_wait,
        } = simulate(replicas, ledger);
        let name = match ledger {
            Ledger::Shared => "shared",
            Ledger::OfEachReplica => "of each replica",
        };
        println!(
            "| {replicas} | {name} | {before:.0} | {worst_second:.2} × | {worst_tenth:.2} × | {longest_wait:.1?} | {bought_twice} |"
        );
    }
}

/// A request on its way.
struct Request {
    replica: usize,
    model: usize,
    /// When its task completes.
    complete: f64,
    /// `None`: its task's stream is followed.
    machine: Option<Lifecycle>,
    /// When this replica took it up.
    begun: f64,
    /// How often it changed its replica: what was planned before does not happen.
    life: u32,
}

/// Something that is due: a request's next call, or its client's retry.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    /// In nanoseconds, so that there is an order.
    at: u64,
    request: usize,
    life: u32,
    is_retry: bool,
}

struct Fleet {
    replicas: usize,
    ledger: Ledger,
    chance: Chance,
    forecasts: Vec<std::sync::Arc<Forecast>>,
    requests: Vec<Request>,
    due: BinaryHeap<Reverse<Due>>,
    /// Of each replica.
    turns: Vec<Turns>,
    /// Calls, by the tenth of a second.
    calls: Vec<u32>,
    bought_twice: u32,
    longest_wait: Duration,
}

fn simulate(replicas: usize, ledger: Ledger) -> Outcome {
    let mut fleet = Fleet {
        replicas,
        ledger,
        chance: Chance(88_172_645_463_325_252),
        forecasts: Vec::new(),
        requests: Vec::new(),
        due: BinaryHeap::new(),
        turns: (0..replicas).map(|_| Turns::default()).collect(),
        calls: vec![0; (END / BIN) as usize],
        bought_twice: 0,
        longest_wait: Duration::ZERO,
    };
    fleet.forecasts = learnt(&mut fleet.chance);
    fleet.run();
    let rate = |bins: &[u32]| f64::from(bins.iter().sum::<u32>()) / (bins.len() as f64 * BIN);
    let death = (DEATH / BIN) as usize;
    let before = rate(&fleet.calls[death - 300..death]);
    let after = &fleet.calls[death..];
    let worst = |length: usize| after.windows(length).map(rate).fold(0.0, f64::max) / before;
    Outcome {
        before,
        worst_second: worst(10),
        worst_tenth: worst(1),
        bought_twice: fleet.bought_twice,
        longest_wait: fleet.longest_wait,
    }
}

/// What replicas know of eight models that they have served for a while.
fn learnt(chance: &mut Chance) -> Vec<std::sync::Arc<Forecast>> {
    let forecast = |model: usize| {
        let mut history = History::default();
        for _ in 0..200 {
            let complete = completion(model, chance);
            history.record(
                Duration::from_secs_f64(complete * 0.95),
                Duration::from_secs_f64(complete * 1.05),
            );
        }
        history.forecast()
    };
    (0..8).map(forecast).collect()
}

fn completion(model: usize, chance: &mut Chance) -> f64 {
    around(model as f64 + 1.0, 0.15, chance)
}

impl Fleet {
    fn run(&mut self) {
        let (mut polled, mut stream, mut is_dead) = (0.0, 0.0, false);
        loop {
            let next = self
                .due
                .peek()
                .map_or(f64::INFINITY, |Reverse(due)| due.at as f64 / 1e9);
            let arrival = f64::min(polled, stream);
            if !is_dead && next.min(arrival) >= DEATH {
                is_dead = true;
                self.die();
                continue;
            }
            if next.min(arrival) >= END {
                return;
            }
            if next <= arrival {
                if let Some(Reverse(due)) = self.due.pop() {
                    self.happens(next, &due);
                }
            } else if polled <= stream {
                self.arrive(polled, false);
                polled -= self.chance.even().max(1e-12).ln() / POLLED;
            } else {
                self.arrive(stream, true);
                stream -= self.chance.even().max(1e-12).ln() / STREAMS;
            }
        }
    }

    /// To one of the replicas that are alive.
    fn replica(&mut self, at: f64) -> usize {
        let dead = usize::from(at >= DEATH);
        dead + (self.chance.even() * (self.replicas - dead) as f64) as usize
    }

    fn arrive(&mut self, at: f64, is_stream: bool) {
        let model = (self.chance.even() * 8.0) as usize;
        let takes = match is_stream {
            true => STREAM,
            false => completion(model, &mut self.chance),
        };
        let replica = self.replica(at);
        self.requests.push(Request {
            replica,
            model,
            complete: at + takes,
            machine: None,
            begun: at,
            life: 0,
        });
        self.submit(at, self.requests.len() - 1, is_stream);
    }

    fn submit(&mut self, at: f64, number: usize, is_stream: bool) {
        self.call(at);
        if is_stream {
            // Opened once, and read to its end.
            return self.call(at);
        }
        let forecast = self.forecasts[self.requests[number].model].clone();
        let pace = Pace::new(forecast, self.chance.even());
        let mut machine = Lifecycle::new(patience(), false).at_pace(pace);
        let step = machine.start();
        self.requests[number].machine = Some(machine);
        self.plan(at, number, &step);
    }

    fn call(&mut self, at: f64) {
        if let Some(calls) = self.calls.get_mut((at / BIN) as usize) {
            *calls += 1;
        }
    }

    fn plan(&mut self, now: f64, request: usize, step: &Step) {
        if let Step::Query { after } = step {
            let life = self.requests[request].life;
            self.push(now + after.as_secs_f64(), request, life, false);
        }
    }

    fn push(&mut self, at: f64, request: usize, life: u32, is_retry: bool) {
        let at = (at * 1e9) as u64;
        self.due.push(Reverse(Due {
            at,
            request,
            life,
            is_retry,
        }));
    }

    /// The first replica dies, and the clients of its requests wait as the official SDKs do before they send them again.
    fn die(&mut self) {
        for number in 0..self.requests.len() {
            let request = &mut self.requests[number];
            if request.replica == 0 && request.complete > DEATH {
                request.life += 1;
                let life = request.life;
                let wait = 0.5 * (1.0 - 0.25 * self.chance.even());
                self.push(DEATH + wait, number, life, true);
            }
        }
    }

    fn happens(&mut self, now: f64, due: &Due) {
        if self.requests[due.request].life != due.life {
            return;
        }
        match due.is_retry {
            true => self.come_again(now, due.request),
            false => self.query(now, due.request),
        }
    }

    fn come_again(&mut self, now: f64, number: usize) {
        let is_stream = self.requests[number].machine.is_none();
        self.requests[number].replica = self.replica(now);
        self.requests[number].begun = now;
        if self.ledger == Ledger::OfEachReplica {
            self.bought_twice += 1;
            let takes = match is_stream {
                true => STREAM,
                false => completion(self.requests[number].model, &mut self.chance),
            };
            self.requests[number].complete = now + takes;
            return self.submit(now, number, is_stream);
        }
        let replica = self.requests[number].replica;
        let wait = self.turns[replica].take(Duration::from_secs_f64(now));
        self.longest_wait = self.longest_wait.max(wait);
        let at = now + wait.as_secs_f64();
        if is_stream {
            return self.call(at);
        }
        let pace = Pace::new(Forecast::of_nothing(), self.chance.even());
        let mut machine = Lifecycle::new(patience(), false).at_pace(pace);
        machine.start();
        self.requests[number].machine = Some(machine);
        let life = self.requests[number].life;
        self.push(at, number, life, false);
    }

    fn query(&mut self, now: f64, number: usize) {
        self.call(now);
        let request = &mut self.requests[number];
        let report = match now >= request.complete {
            true => Report::Completed(Some(Bytes::new())),
            false => Report::Running,
        };
        let elapsed = Duration::from_secs_f64((now - request.begun).max(0.0));
        if let Some(machine) = &mut request.machine {
            let step = machine.on(elapsed, Event::Queried(report));
            self.plan(now, number, &step);
        }
    }
}

/// As foxbridge ships.
fn patience() -> Patience {
    Patience {
        deadline: Duration::from_secs(590),
        poll_first: Duration::from_millis(250),
        poll_max: Duration::from_secs(5),
        results_grace: Duration::from_secs(10),
        submit_retries: 2,
        orphan_grace: None,
    }
}

/// Log-normal: as many below `middle` as above.
fn around(middle: f64, spread: f64, chance: &mut Chance) -> f64 {
    let (length, angle) = (chance.even().max(1e-12), chance.even());
    let normal = (-2.0 * length.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
    middle * (spread * normal).exp()
}

/// The same chance in every run.
struct Chance(u64);

impl Chance {
    /// From 0 to 1.
    fn even(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upstream_hardly_feels_that_a_replica_dies() {
        for replicas in [2, 3, 10, 27] {
            let outcome = simulate(replicas, Ledger::Shared);
            assert!(outcome.worst_second < 1.15, "{replicas}: {outcome:?}");
            assert!(outcome.worst_tenth < 1.5, "{replicas}: {outcome:?}");
            assert!(outcome.longest_wait <= Duration::from_secs(10));
            assert_eq!(outcome.bought_twice, 0);
        }
        let apart = simulate(10, Ledger::OfEachReplica);
        assert!(apart.bought_twice > 1000, "{apart:?}");
    }
}
