use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Fault, plan::Plan, stats::Stats};

/// What is to be asked, of whom, and whose costs are looked at meanwhile.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) target: Target,
    pub(crate) address: SocketAddr,
    pub(crate) upstream: SocketAddr,
    /// The process of the target.
    pub(crate) process: u32,
    pub(crate) work: Work,
}

/// Who is asked, and hence how, and what a right answer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Target {
    Foxbridge,
    /// The bare program of the `floor` module.
    Floor,
    /// Forwards the one call that it gets: a submit, or the stream of a task that exists.
    Nginx,
    /// Nobody in between: the load itself submits and queries.
    Direct,
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Question {
    /// Waited for by stream where the client wants an answer in one piece.
    pub(crate) followed: bool,
    pub(crate) stream: bool,
    pub(crate) plan: Plan,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Work {
    /// Each client asks again as soon as it has its answer. Costs and times are those of `measure`, which begins after
    /// `warm_up`.
    Rounds {
        question: Question,
        clients: usize,
        warm_up: Duration,
        measure: Duration,
    },
    /// One client on one connection asks so many times.
    InTurn { question: Question, requests: usize },
    /// Each request comes at its time, on a connection of its own.
    Wave(Vec<Arrival>),
    /// So many requests wait, arriving at a steady rate; when all do, memory is looked at, and all are released.
    Hold {
        question: Question,
        requests: usize,
        per_second: u32,
    },
}

/// A request of a wave.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Arrival {
    pub(crate) at: Duration,
    pub(crate) question: Question,
    /// Which of the models of the same kind is asked.
    pub(crate) model: Model,
}

/// Models that are waited for by polling, and one that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Model {
    Usual,
    Quick,
    Slow,
    Slowest,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Right answers, in the time that is measured.
    pub(crate) requests: u64,
    pub(crate) chunks: u64,
    /// Failed requests and wrong answers, at any time.
    pub(crate) failures: u64,
    pub(crate) first_failure: Option<String>,
    pub(crate) seconds: f64,
    /// What the target's process has used of the processors.
    pub(crate) processor_ns: u64,
    /// From the request to its whole answer, nanoseconds.
    pub(crate) latency: Spread,
    /// From a chunk's making, or a task's completion, until the client has it, nanoseconds.
    pub(crate) lag: Spread,
    /// While all requests are held, bytes.
    pub(crate) memory: u64,
    pub(crate) upstream: Stats,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        let at = |part: f64| {
            let last = values.len().saturating_sub(1) as f64;
            values
                .get((last * part).round() as usize)
                .copied()
                .unwrap_or_default() as f64
        };
        let mean = match values.len() {
            0 => 0.0,
            count => values.iter().map(|&value| value as f64).sum::<f64>() / count as f64,
        };
        Self {
            mean,
            p50: at(0.5),
            p99: at(0.99),
        }
    }
}

impl Spec {
    pub(crate) fn read(text: &str) -> Result<Self, Fault> {
        Ok(serde_json::from_str(text)?)
    }
}
