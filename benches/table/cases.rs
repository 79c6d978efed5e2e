//! What is measured.

use std::time::Duration;

use crate::{
    load::{Arrival, Model, Question, Target, Work},
    plan::Plan,
};

/// What is compared, in turn, in every round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Sync(usize),
    OneClient,
    Burst,
    Paced,
}

pub(crate) const CASES: [Case; 5] = [
    Case::Sync(32),
    Case::Sync(256),
    Case::OneClient,
    Case::Burst,
    Case::Paced,
];

impl Case {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Sync(clients) => format!("sync, {clients} clients"),
            Self::OneClient => "sync, one client".into(),
            Self::Burst => "burst stream, 32 clients".into(),
            Self::Paced => "paced streams, 240 clients".into(),
        }
    }

    pub(crate) fn targets(self) -> &'static [Target] {
        match self {
            Self::OneClient => &[Target::Direct, Target::Floor, Target::Foxbridge],
            _ => &[Target::Floor, Target::Nginx, Target::Foxbridge],
        }
    }

    pub(crate) fn work(self, quick: bool) -> Work {
        let (question, clients) = match self {
            Self::Sync(clients) => (INSTANT, clients),
            Self::OneClient => (INSTANT, 1),
            Self::Burst => (BURST, 32),
            Self::Paced => (paced(if quick { 50 } else { 150 }), 240),
        };
        let (warm_up, measure) = match (self, quick) {
            (Self::Paced, true) => (400, 1000),
            (_, true) => (200, 700),
            (Self::Paced, false) => (1000, 4000),
            (_, false) => (500, 2500),
        };
        Work::Rounds {
            question,
            clients,
            warm_up: Duration::from_millis(warm_up),
            measure: Duration::from_millis(measure),
        }
    }
}

pub(crate) const INSTANT: Question = Question {
    followed: false,
    stream: false,
    plan: Plan::Instant,
};

pub(crate) const BURST: Question = Question {
    followed: false,
    stream: true,
    plan: Plan::Burst { chunks: 100 },
};

fn paced(chunks: u32) -> Question {
    Question {
        followed: false,
        stream: true,
        plan: Plan::Paced {
            chunks,
            gap: Duration::from_millis(20),
        },
    }
}

/// A request that waits until all are released.
pub(crate) fn held(followed: bool) -> Question {
    Question {
        followed,
        stream: false,
        plan: Plan::Held,
    }
}

/// How many requests wait for the memory rows. By stream each takes two sockets of foxbridge, and of those a process
/// has no more than its limit.
pub(crate) fn held_requests(quick: bool, followed: bool) -> &'static [usize] {
    match (quick, followed) {
        (true, _) => &[500],
        (false, false) => &[2000, 10_000],
        (false, true) => &[2000, 9000],
    }
}

/// Tasks of half a second to four, or to two, each followed by stream.
pub(crate) fn followed_tasks(quick: bool) -> Vec<Arrival> {
    let (count, longest) = if quick { (100, 2000) } else { (400, 4000) };
    let mut chance = Chance(17);
    (0..count)
        .map(|number| Arrival {
            at: Duration::from_millis(10 * number),
            question: Question {
                followed: true,
                ..after(chance.between(500, longest))
            },
            model: Model::Usual,
        })
        .collect()
}

/// Four models, each of which takes its own time give or take a quarter: 1 to 8 seconds in all, mixed, as many of each.
pub(crate) fn polled_tasks(count: u32, over: Duration, seed: u64) -> Vec<Arrival> {
    const TIMES: [(Model, u64, u64); 4] = [
        (Model::Quick, 1000, 1667),
        (Model::Usual, 1875, 3125),
        (Model::Slow, 3000, 5000),
        (Model::Slowest, 4800, 8000),
    ];
    let mut chance = Chance(seed);
    (0..count)
        .map(|number| {
            let (model, from, to) = TIMES[number as usize % TIMES.len()];
            Arrival {
                at: over * number / count,
                question: after(chance.between(from, to)),
                model,
            }
        })
        .collect()
}

/// One model that takes any time between 1 and 8 seconds: as little to know as there can be.
pub(crate) fn even_tasks(count: u32, over: Duration, seed: u64) -> Vec<Arrival> {
    let mut chance = Chance(seed);
    (0..count)
        .map(|number| Arrival {
            at: over * number / count,
            question: after(chance.between(1000, 8000)),
            model: Model::Usual,
        })
        .collect()
}

/// So many requests that all wait at once for tasks of the same time, arriving at one rate however many they are.
pub(crate) fn crowd(count: u32, seconds: u64) -> Work {
    const PER_SECOND: u32 = 2500;
    let arrival = |number: u32| Arrival {
        at: Duration::from_secs(1) * number / PER_SECOND,
        question: after(1000 * seconds),
        model: Model::Usual,
    };
    Work::Wave((0..count).map(arrival).collect())
}

fn after(milliseconds: u64) -> Question {
    Question {
        followed: false,
        stream: false,
        plan: Plan::After(Duration::from_millis(milliseconds)),
    }
}

/// The same numbers in every run (Steele's SplitMix64).
struct Chance(u64);

impl Chance {
    fn between(&mut self, from: u64, to: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        from + (mixed ^ (mixed >> 31)) % (to - from + 1)
    }
}
