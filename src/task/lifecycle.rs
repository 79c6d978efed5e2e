use std::time::Duration;

use bytes::Bytes;

use super::{Ending, Event, Pace, Patience, Report, Step};
use crate::fox::Failure;

/// How often a stream is opened again without bringing anything new before the task is only polled.
const FRUITLESS_OPENINGS: u32 = 3;
/// How often in a row a stream may be silent before another one is opened in its place.
const SILENCES: u32 = 2;
/// How many queries in a row may find no such task: one that was just made may not be known everywhere yet.
const UNKNOWN_QUERIES: u32 = 4;

/// One task from its acceptance to its end: polled, followed, or first followed and then polled.
///
/// A task that is followed is queried only when its stream leaves doubt: cut, silent, in error, or done without
/// being whole. The task's own word then decides. A task that has completed is replayed before its result
/// is used, because only the stream carries everything (reasoning, for one).
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Lifecycle {
    patience: Patience,
    pace: Pace,
    /// Whether the stream is still worth opening.
    follows: bool,
    /// Whether there is a stream, open or being opened.
    has_stream: bool,
    /// Chunks read from this stream, and chunks forwarded from all of them.
    seen: u64,
    forwarded: u64,
    /// How often in a row this stream was silent although the task ran.
    silences: u32,
    /// What the upstream asked for when the stream could not be opened the last time.
    open_no_sooner: Duration,
    /// Openings since the last one that brought something new.
    fruitless: u32,
    polls: u32,
    failures: u32,
    unknown: u32,
    /// Since when the task has been completed without results, and how often that was asked about.
    overdue: Option<(Duration, u32)>,
    /// Since when the stream has been in error although the task runs.
    stream_error: Option<(Duration, Failure)>,
    /// Since when only something besides the whole stream is owed, and how often that was asked for.
    whole: Option<(Duration, u32)>,
    /// The result, kept while the stream is replayed once more.
    answer: Option<Bytes>,
}

impl Lifecycle {
    /// A task that was just accepted. `follows`: it has a stream that may be opened.
    pub fn new(patience: Patience, follows: bool) -> Self {
        Self {
            patience,
            pace: Pace::default(),
            follows,
            has_stream: false,
            seen: 0,
            forwarded: 0,
            silences: 0,
            open_no_sooner: Duration::ZERO,
            fruitless: 0,
            polls: 0,
            failures: 0,
            unknown: 0,
            overdue: None,
            stream_error: None,
            whole: None,
            answer: None,
        }
    }

    /// Queries at this pace, instead of that for a task of which nothing is known.
    pub fn at_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// The first step.
    pub fn start(&mut self) -> Step {
        if self.follows {
            self.open(Duration::ZERO)
        } else {
            self.poll(Duration::ZERO)
        }
    }

    /// Chunks forwarded so far.
    pub fn forwarded(&self) -> u64 {
        self.forwarded
    }

    /// Takes what happened at `now`, counted from the task's acceptance, and says what to do about it.
    pub fn on(&mut self, now: Duration, event: Event) -> Step {
        match event {
            Event::Opened => {
                self.seen = 0;
                self.open_no_sooner = Duration::ZERO;
                Step::Read
            }
            Event::Chunk { is_new } => {
                self.seen += 1;
                self.silences = 0;
                if !is_new {
                    return Step::Read;
                }
                self.forwarded += 1;
                self.fruitless = 0;
                self.stream_error = None;
                Step::Forward
            }
            Event::Done {
                total,
                finished,
                owes,
            } => {
                let is_whole = finished && total.is_none_or(|total| total == self.seen);
                match (is_whole, owes) {
                    (true, false) => Step::Finish(Ending::Streamed),
                    (true, true) => {
                        self.has_stream = false;
                        self.whole = Some((now, 0));
                        Step::Query {
                            after: Duration::ZERO,
                        }
                    }
                    (false, _) => self.doubt(),
                }
            }
            Event::StreamError(failure) => {
                self.stream_error.get_or_insert((now, failure));
                self.doubt()
            }
            Event::Cut | Event::Diverged => self.doubt(),
            Event::NotOpened { retry_after } => {
                self.open_no_sooner = self.patience.bounded(retry_after);
                self.doubt()
            }
            Event::Silent => {
                self.silences += 1;
                self.decide()
            }
            Event::Queried(report) => match self.whole {
                Some((since, asked)) => self.settle(now.saturating_sub(since), asked, report),
                None => self.queried(now, report),
            },
            // Whoever has the whole stream is not told of an error for the sake of what is owed besides.
            Event::Deadline | Event::Stop | Event::Cancel if self.whole.is_some() => {
                Step::Finish(Ending::Streamed)
            }
            Event::Deadline => Step::Finish(Ending::Deadline {
                unreachable: self.failures > 0,
            }),
            Event::Stop => Step::Finish(Ending::Stopped),
            Event::Cancel => Step::Finish(Ending::Cancelled),
        }
    }

    /// The stream is gone and did not end well.
    fn doubt(&mut self) -> Step {
        self.has_stream = false;
        self.fruitless += 1;
        if self.answer.is_some() && self.is_worth_opening() && self.open_no_sooner.is_zero() {
            return self.open(Duration::ZERO);
        }
        self.decide()
    }

    /// Whether the stream may still bring what nothing else does.
    fn is_worth_opening(&self) -> bool {
        self.follows && self.fruitless < FRUITLESS_OPENINGS
    }

    /// The task's word decides: it is asked, unless its result is known already.
    fn decide(&mut self) -> Step {
        match self.answer.take() {
            Some(answer) => Step::Finish(Ending::Answered(answer)),
            None => Step::Query {
                after: Duration::ZERO,
            },
        }
    }

    /// Asks for the result of a whole stream, within `results_grace`.
    fn settle(&mut self, waited: Duration, asked: u32, report: Report) -> Step {
        match report {
            Report::Completed(Some(result)) => Step::Finish(Ending::Settled(result)),
            Report::Failed(failure) => Step::Finish(Ending::Failed(failure)),
            Report::Refused { .. } => Step::Finish(Ending::Streamed),
            Report::Unknown if asked + 1 >= UNKNOWN_QUERIES => Step::Finish(Ending::Streamed),
            _ if waited >= self.patience.results_grace => Step::Finish(Ending::Streamed),
            _ => {
                self.whole = self.whole.map(|(since, asked)| (since, asked + 1));
                Step::Query {
                    after: self.pace.spread(self.patience.results_gap(asked)),
                }
            }
        }
    }

    fn queried(&mut self, now: Duration, report: Report) -> Step {
        if !matches!(report, Report::Trouble { .. }) {
            self.failures = 0;
        }
        if report != Report::Unknown {
            self.unknown = 0;
        }
        match report {
            Report::Queued | Report::Running => self.running(now),
            Report::Completed(Some(answer)) => {
                if self.is_worth_opening() {
                    self.answer = Some(answer);
                    self.open(Duration::ZERO)
                } else {
                    Step::Finish(Ending::Answered(answer))
                }
            }
            Report::Completed(None) => {
                let (since, asked) = *self.overdue.get_or_insert((now, 0));
                if now.saturating_sub(since) >= self.patience.results_grace {
                    return Step::Finish(Ending::NoResults);
                }
                // The stream of a completed task is whole, whatever became of its results.
                if self.is_worth_opening() {
                    return self.open_later();
                }
                self.overdue = Some((since, asked + 1));
                Step::Query {
                    after: self.pace.spread(self.patience.results_gap(asked)),
                }
            }
            Report::Failed(failure) => Step::Finish(Ending::Failed(failure)),
            Report::Unknown => {
                self.unknown += 1;
                if self.unknown < UNKNOWN_QUERIES {
                    self.poll(now)
                } else {
                    Step::Finish(Ending::Lost {
                        status: 404,
                        failure: None,
                    })
                }
            }
            Report::Trouble { retry_after } => {
                let gap = self.patience.trouble_gap(self.failures, retry_after);
                let after = self.pace.spread(gap);
                self.failures += 1;
                Step::Query { after }
            }
            Report::Refused { status, failure } => Step::Finish(Ending::Lost { status, failure }),
        }
    }

    fn running(&mut self, now: Duration) -> Step {
        self.overdue = None;
        // A long thought and a dead connection look alike; after a second silence a new stream tells them apart.
        if self.has_stream {
            let patient = self.silences < SILENCES;
            return if patient {
                Step::Read
            } else {
                self.open(Duration::ZERO)
            };
        }
        if self.is_worth_opening() {
            return self.open_later();
        }
        // The stream insists on an error and the task never comes round: the error stands.
        if let Some((since, failure)) = &self.stream_error
            && now.saturating_sub(*since) >= self.patience.results_grace
        {
            return Step::Finish(Ending::Failed(failure.clone()));
        }
        self.poll(now)
    }

    /// Opens the stream again, when that may be worth it.
    fn open_later(&mut self) -> Step {
        let gap = self.patience.reopen_gap(self.fruitless);
        let after = self.pace.spread(gap.max(self.open_no_sooner));
        self.open(after)
    }

    fn open(&mut self, after: Duration) -> Step {
        self.has_stream = true;
        self.silences = 0;
        Step::Open { after }
    }

    fn poll(&mut self, now: Duration) -> Step {
        let after = self.pace.gap(now, self.polls, self.patience.bounds());
        self.polls = self.polls.saturating_add(1);
        Step::Query { after }
    }
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "lifecycle_model_tests.rs"]
mod model_tests;

#[cfg(test)]
#[path = "lifecycle_state_tests.rs"]
mod state_tests;
