use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

/// Completion times are told apart by a tenth: finer than tasks repeat themselves, and few enough to be walked through.
const RATIO: f64 = 1.1;
/// The end of the first of the [`BINS`]; the last one ends beyond a quarter of an hour.
const FIRST_EDGE: f64 = 0.001;
const BINS: usize = 145;

/// How many completions it takes to forget one: the weight of each falls by this share with every further one.
const MEMORY: f64 = 40.0;
/// How many completions the guess is worth that is made before there are any.
const GUESS: f64 = 2.0;
/// That guess: most answers take seconds, few take minutes.
const GUESS_MEDIAN: f64 = 2.5;
const GUESS_SPREAD: f64 = 1.3;
/// A part of the guess that is the same everywhere, so that nothing is ever held for impossible.
const SURPRISE: f64 = 0.05;

/// How many queries a task is given on average, when its model is known.
const QUERIES: f64 = 5.0;
/// Below this, in seconds, waiting is not worth a timer: the query itself is under way as long.
const AT_ONCE: f64 = 0.005;
/// The shortest gap between two queries.
const SHORTEST: Duration = Duration::from_millis(10);

/// When a model's tasks were complete, counted from their acceptance; the older, the less it counts. Some 600 bytes.
#[derive(Debug, Clone)]
pub struct History {
    /// The weight of completions in each bin, as multiples of `latest`.
    weights: [f32; BINS],
    /// The weight of the latest completion. That the older ones count less is told by its growth: one number changes
    /// with each completion, and not all of them.
    latest: f32,
    count: u32,
}

/// Where the weights are scaled down, long before they could overflow.
const LARGEST: f32 = 1e9;

/// When to query a task of one model.
///
/// A fixed interval costs as many queries as it saves lag: their product stays at half of the task's time. What beats it
/// is to query seldom while a completion is unlikely. With `h` the chance that a task which still runs completes in
/// the next moment, queries times lag is least when queries are as dense as `sqrt(h)`, whatever their number.
#[derive(Debug, Clone)]
pub struct Forecast {
    /// Up to each edge: the integral of `sqrt(h)`, scaled so that one query is due whenever it has grown by one.
    due: Box<[f32; BINS + 1]>,
    is_guess: bool,
}

impl Default for History {
    fn default() -> Self {
        Self {
            weights: [0.0; BINS],
            latest: 1.0,
            count: 0,
        }
    }
}

impl History {
    /// A task was complete at some time in between, the last query having found it running `after` its acceptance.
    pub fn record(&mut self, after: Duration, by: Duration) {
        self.count = self.count.saturating_add(1);
        self.latest /= (1.0 - 1.0 / MEMORY) as f32;
        if self.latest > LARGEST {
            for weight in &mut self.weights {
                *weight /= self.latest;
            }
            self.latest = 1.0;
        }
        // Over the bins between, and so on a scale of orders of magnitude: the first query finds a task complete that may
        // have been so for most of the wait, and the next one should come much earlier to learn more.
        let (after, by) = (position(after.as_secs_f64()), position(by.as_secs_f64()));
        let span = (by - after).max(0.01);
        let bins = self.weights.iter_mut().enumerate();
        let count = (after + span) as usize + 1 - after as usize;
        for (bin, weight) in bins.skip(after as usize).take(count) {
            let overlap = (bin as f64 + 1.0).min(after + span) - (bin as f64).max(after);
            *weight += self.latest * (overlap.max(0.0) / span) as f32;
        }
    }

    /// Whether a forecast should be made anew: at first with every completion, later with every few.
    pub fn is_news(&self) -> bool {
        self.count < 64 || self.count.is_multiple_of(8)
    }

    pub fn forecast(&self) -> Arc<Forecast> {
        let Bins { edges, guess } = &*BINNED;
        let weight = |&weight: &f32| f64::from(weight / self.latest);
        let known: f64 = self.weights.iter().map(weight).sum();
        let mut mass = *guess;
        for (mass, known_mass) in mass.iter_mut().zip(self.weights.iter().map(weight)) {
            *mass = (known_mass + GUESS * *mass) / (known + GUESS);
        }
        let mut survival = [0.0; BINS + 1];
        for bin in (0..BINS).rev() {
            survival[bin] = survival[bin + 1] + mass[bin];
        }
        // Within a bin completions are spread evenly, for which both integrals are known: of sqrt(h), and of
        // sqrt(h) while the task survives, which is how many queries that density costs.
        let density = |bin: usize| (mass[bin] / (edges[bin + 1] - edges[bin])).sqrt();
        let mut ahead = [0.0; BINS + 1];
        for bin in (0..BINS).rev() {
            let (from, to) = (survival[bin], survival[bin + 1]);
            let cost = 2.0 / 3.0 * (from * from.sqrt() - to * to.sqrt()) / density(bin);
            ahead[bin] = ahead[bin + 1] + cost;
        }
        let mut due = Box::new([0.0; BINS + 1]);
        let mut sum = 0.0;
        for bin in 0..BINS {
            let (from, to) = (survival[bin], survival[bin + 1]);
            // Whoever has outlived what is usual has a life of another length before them: the same number of queries
            // is spread over that.
            let life = ahead[0].max(ahead[bin] / from);
            sum += QUERIES / life * 2.0 * (from.sqrt() - to.sqrt()) / density(bin);
            due[bin + 1] = sum as f32;
        }
        Arc::new(Forecast {
            due,
            is_guess: self.count == 0,
        })
    }
}

impl Forecast {
    /// Of a model that nothing is known of.
    pub fn of_nothing() -> Arc<Self> {
        static NOTHING: LazyLock<Arc<Forecast>> = LazyLock::new(|| History::default().forecast());
        NOTHING.clone()
    }

    /// The gap before query number `polls` (from 0), `elapsed` after the task's acceptance. `phase`, from 0 to 1, is
    /// chance: with it many tasks do not query in step. At most `longest`, so that a surprise is found; the first query
    /// of a model that nothing is known of comes after `first`.
    pub fn gap(&self, elapsed: Duration, polls: u32, phase: f64, bounds: Bounds) -> Duration {
        if self.is_guess && polls == 0 {
            return bounds.first.mul_f64(1.0 + 0.1 * phase);
        }
        let now = elapsed.as_secs_f64();
        let target = self.due_at(now) + 0.85 + 0.3 * phase;
        let gap = self.when(target).map_or(f64::INFINITY, |then| then - now);
        let shortest = match polls {
            0 if gap < AT_ONCE => return Duration::ZERO,
            0 => Duration::ZERO,
            _ => SHORTEST,
        };
        let gap = Duration::try_from_secs_f64(gap).unwrap_or(bounds.longest);
        // A longest gap comes again and again, so it needs chance of its own.
        let longest = bounds.longest.mul_f64(1.0 - 0.1 * phase);
        gap.max(shortest).min(longest)
    }

    fn due_at(&self, time: f64) -> f64 {
        let position = position(time);
        let bin = position as usize;
        self.at(bin) + position.fract() * (self.at(bin + 1) - self.at(bin))
    }

    /// When it has grown to `target`; `None` if it never does.
    fn when(&self, target: f64) -> Option<f64> {
        let end = self.due.partition_point(|&due| f64::from(due) < target);
        let bin = end.checked_sub(1).filter(|_| end <= BINS)?;
        let share = (target - self.at(bin)) / (self.at(end) - self.at(bin));
        Some(edge(bin) + share * (edge(end) - edge(bin)))
    }

    fn at(&self, edge: usize) -> f64 {
        self.due.get(edge).copied().map_or(f64::INFINITY, f64::from)
    }
}

/// What a gap may be, whatever is known.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub first: Duration,
    pub longest: Duration,
}

/// What is the same for every history, worked out once.
struct Bins {
    /// Where each bin begins, and the last one ends, in seconds.
    edges: [f64; BINS + 1],
    /// The guess, as the share of completions in each bin.
    guess: [f64; BINS],
}

static BINNED: LazyLock<Bins> = LazyLock::new(|| {
    let mut edges = [0.0; BINS + 1];
    for (bin, edge) in edges.iter_mut().enumerate().skip(1) {
        *edge = FIRST_EDGE * RATIO.powi(bin as i32 - 1);
    }
    let mut guess = [0.0; BINS];
    for (guess, end) in guess.iter_mut().zip(&edges[1..]) {
        let distance = (end / GUESS_MEDIAN).ln() / GUESS_SPREAD;
        *guess = (-0.5 * distance * distance).exp() + SURPRISE;
    }
    let all: f64 = guess.iter().sum();
    Bins {
        edges,
        guess: guess.map(|guess| guess / all),
    }
});

/// Where a bin begins, in seconds.
fn edge(bin: usize) -> f64 {
    BINNED.edges.get(bin).copied().unwrap_or(f64::INFINITY)
}

/// Which bin a time is in, and how far.
fn position(time: f64) -> f64 {
    let bin = match time > FIRST_EDGE {
        true => 1 + ((time / FIRST_EDGE).ln() / RATIO.ln()) as usize,
        false => 0,
    };
    let bin = bin.min(BINS - 1);
    let share = (time - edge(bin)) / (edge(bin + 1) - edge(bin));
    bin as f64 + share.clamp(0.0, 0.999)
}

#[cfg(test)]
#[path = "forecast_tests.rs"]
mod tests;
