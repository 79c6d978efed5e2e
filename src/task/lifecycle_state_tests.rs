//! Every event in every state that a task can come into.

use std::collections::{HashSet, VecDeque};

use super::*;

/// Longer than every grace.
const LATER: Duration = Duration::from_secs(11);

/// The machine, the I/O that it has asked for, and what really happened, noted without its help.
#[derive(Debug, Clone)]
struct World {
    machine: Lifecycle,
    now: Duration,
    step: Step,
    stream: Stream,
    /// Chunks of the stream that is open.
    seen: u64,
    /// Whether a stream said its last word, and it was whole.
    was_whole: bool,
    has_result: bool,
    has_stream_error: bool,
    unknown: u32,
    /// Whether the last query failed.
    is_unreachable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stream {
    None,
    Opening,
    Open,
}

fn answer() -> Bytes {
    Bytes::from_static(b"{}")
}

fn failure() -> Failure {
    Failure::of_event(b"boom")
}

fn said_by_stream() -> Failure {
    Failure::of_event(b"said by the stream")
}

fn refused() -> Report {
    Report::Refused {
        status: 401,
        failure: None,
    }
}

impl World {
    fn begin(follows: bool) -> Self {
        let mut machine = Lifecycle::new(Patience::example(), follows);
        let step = machine.start();
        let mut world = Self {
            machine,
            now: Duration::ZERO,
            step: step.clone(),
            stream: Stream::None,
            seen: 0,
            was_whole: false,
            has_result: false,
            has_stream_error: false,
            unknown: 0,
            is_unreachable: false,
        };
        world.go_on_with(step);
        world
    }

    /// Everything that can be said to the machine.
    fn alphabet(&self) -> Vec<Event> {
        let trouble = |retry_after| Report::Trouble { retry_after };
        let wait = Some(Duration::from_secs(5));
        let reports = [
            Report::Running,
            Report::Completed(Some(answer())),
            Report::Completed(None),
            Report::Failed(failure()),
            Report::Unknown,
            trouble(None),
            trouble(wait),
            refused(),
        ];
        let mut events: Vec<Event> = reports.into_iter().map(Event::Queried).collect();
        events.extend([
            Event::Opened,
            Event::NotOpened { retry_after: None },
            Event::NotOpened { retry_after: wait },
            Event::Chunk { is_new: true },
            Event::Chunk { is_new: false },
            Event::Diverged,
            Event::StreamError(said_by_stream()),
            Event::Cut,
            Event::Silent,
            Event::Deadline,
            Event::Stop,
            Event::Cancel,
        ]);
        for total in [None, Some(self.seen), Some(self.seen + 1)] {
            for (finished, owes) in [(false, false), (false, true), (true, false), (true, true)] {
                events.push(Event::Done {
                    total,
                    finished,
                    owes,
                });
            }
        }
        events
    }

    /// Whether the I/O that the machine asked for can bring this.
    fn can_happen(&self, event: &Event) -> bool {
        let asks = matches!(self.step, Step::Query { .. });
        match event {
            Event::Queried(_) => asks,
            Event::Opened | Event::NotOpened { .. } => !asks && self.stream == Stream::Opening,
            Event::Silent => !asks && self.stream != Stream::None,
            Event::Deadline | Event::Stop | Event::Cancel => true,
            Event::Chunk { .. }
            | Event::Diverged
            | Event::Done { .. }
            | Event::StreamError(_)
            | Event::Cut => self.stream == Stream::Open,
        }
    }

    /// What becomes of it when this happens after a while; the step is checked.
    fn after(&self, gap: Duration, event: &Event) -> Self {
        let mut world = self.clone();
        world.now += gap;
        let is_whole = matches!(event, Event::Done { total, finished: true, .. } if total.is_none_or(|total| total == self.seen));
        world.was_whole |= is_whole;
        world.has_result |= matches!(event, Event::Queried(Report::Completed(Some(_))));
        if let Event::Queried(report) = event {
            world.is_unreachable = matches!(report, Report::Trouble { .. });
        }
        match event {
            Event::Opened => (world.stream, world.seen) = (Stream::Open, 0),
            Event::Chunk { .. } => world.seen += 1,
            Event::Queried(Report::Unknown) => world.unknown += 1,
            Event::Queried(_) => world.unknown = 0,
            Event::StreamError(_) => world.has_stream_error = true,
            _ => {}
        }
        if matches!(
            event,
            Event::Done { .. }
                | Event::StreamError(_)
                | Event::Cut
                | Event::Diverged
                | Event::NotOpened { .. }
        ) {
            world.stream = Stream::None;
        }
        let step = world.machine.on(world.now, event.clone());
        if let Step::Finish(ending) = &step {
            world.check_ending(event, ending);
        }
        if matches!(event, Event::Deadline | Event::Stop | Event::Cancel) {
            let has_ended = matches!(step, Step::Finish(_));
            assert!(has_ended, "{event:?} is passed over by {self:#?}");
        }
        world.go_on_with(step);
        world
    }

    /// An ending is only given for what justifies it.
    fn check_ending(&self, event: &Event, ending: &Ending) {
        let is_just = match ending {
            Ending::Streamed => self.was_whole,
            Ending::Settled(result) => {
                self.was_whole && *event == Event::Queried(Report::Completed(Some(result.clone())))
            }
            Ending::Answered(result) => self.has_result && *result == answer(),
            Ending::Failed(told) => match event {
                Event::Queried(Report::Failed(told_now)) => told == told_now,
                Event::Queried(Report::Running) => {
                    self.has_stream_error && *told == said_by_stream()
                }
                _ => false,
            },
            Ending::NoResults => *event == Event::Queried(Report::Completed(None)),
            Ending::Lost { status: 404, .. } => self.unknown >= UNKNOWN_QUERIES,
            Ending::Lost { .. } => *event == Event::Queried(refused()),
            Ending::Deadline { unreachable } => {
                *event == Event::Deadline
                    && *unreachable == self.is_unreachable
                    && !self.is_settling()
            }
            Ending::Stopped => *event == Event::Stop && !self.is_settling(),
            Ending::Cancelled => *event == Event::Cancel && !self.is_settling(),
        };
        assert!(is_just, "{ending:?} after {event:?} of {self:#?}");
    }

    /// Whether the client has everything but what is owed besides.
    fn is_settling(&self) -> bool {
        self.machine.whole.is_some()
    }

    fn go_on_with(&mut self, step: Step) {
        if let Step::Open { .. } = step {
            assert!(
                self.machine.follows,
                "opens what is not followed: {self:#?}"
            );
            self.stream = Stream::Opening;
        }
        self.step = match step {
            Step::Forward => Step::Read,
            step => step,
        };
    }

    /// Whether what the machine waits for can come.
    fn is_waiting_for_something(&self) -> bool {
        match self.step {
            Step::Query { .. } | Step::Finish(_) => true,
            Step::Open { .. } | Step::Read | Step::Forward => self.stream != Stream::None,
        }
    }

    /// What the machine's future depends on. Beyond some small number its counts only make gaps longer.
    fn key(&self) -> impl std::hash::Hash + Eq + use<> {
        let machine = &self.machine;
        let is_old = |since: Duration| self.now - since >= machine.patience.results_grace;
        let wait = |(since, asked): (Duration, u32)| (is_old(since), asked.min(UNKNOWN_QUERIES));
        let waits = [machine.overdue, machine.whole].map(|since| since.map(wait));
        let error = machine.stream_error.as_ref();
        let flags = [
            machine.follows,
            machine.has_stream,
            machine.answer.is_some(),
            machine.open_no_sooner.is_zero(),
            matches!(self.step, Step::Query { .. }),
            self.was_whole,
            self.has_result,
            self.has_stream_error,
        ];
        let counts = [
            machine.silences,
            machine.fruitless.min(FRUITLESS_OPENINGS),
            machine.failures.min(1),
            machine.unknown,
            machine.seen.min(2) as u32,
            machine.forwarded.min(1) as u32,
        ];
        let error = error.map(|(since, _)| is_old(*since));
        (flags, counts, waits, error, self.stream)
    }
}

#[test]
fn every_event_in_every_state_is_answered_truthfully() {
    let (mut states, mut transitions, mut endings) = (0_usize, 0_usize, HashSet::new());
    let mut known = HashSet::new();
    let mut open: VecDeque<World> = [true, false].map(World::begin).into();
    known.extend(open.iter().map(World::key));
    while let Some(world) = open.pop_front() {
        states += 1;
        for event in world.alphabet() {
            for gap in [Duration::ZERO, LATER] {
                transitions += 1;
                let next = world.after(gap, &event);
                if !world.can_happen(&event) {
                    continue;
                }
                assert!(
                    next.is_waiting_for_something(),
                    "{event:?} leaves it waiting for nothing: {next:#?}"
                );
                if let Step::Finish(ending) = &next.step {
                    endings.insert(std::mem::discriminant(ending));
                } else if known.insert(next.key()) {
                    open.push_back(next);
                }
            }
        }
    }
    assert!(states > 5_000, "only {states} states");
    assert!(transitions > 300_000, "only {transitions} transitions");
    assert_eq!(endings.len(), 9, "each ending is come to");
}
