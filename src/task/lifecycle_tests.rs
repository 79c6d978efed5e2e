use super::*;

const ZERO: Duration = Duration::ZERO;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn answer() -> Bytes {
    Bytes::from_static(b"{}")
}

fn failure() -> Failure {
    Failure::of_event(b"boom")
}

/// Runs a script of events, all at time zero, and gives the last step.
fn run(machine: &mut Lifecycle, events: Vec<Event>) -> Step {
    events
        .into_iter()
        .map(|event| machine.on(ZERO, event))
        .last()
        .expect("a script has events")
}

fn followed() -> Lifecycle {
    let mut machine = Lifecycle::new(Patience::example(), true);
    assert_eq!(machine.start(), Step::Open { after: ZERO });
    assert_eq!(machine.on(ZERO, Event::Opened), Step::Read);
    machine
}

fn queried(report: Report) -> Event {
    Event::Queried(report)
}

#[test]
fn a_polled_task_is_asked_until_it_is_done() {
    let mut machine = Lifecycle::new(Patience::example(), false);
    let (mut now, mut gaps) = (ZERO, Vec::new());
    let mut step = machine.start();
    while now < secs(120) {
        let Step::Query { after } = step else {
            panic!("{step:?}")
        };
        gaps.push(after);
        now += after;
        step = machine.on(now, queried(Report::Running));
    }
    let Patience {
        poll_first,
        poll_max,
        ..
    } = Patience::example();
    assert_eq!(gaps[0], poll_first);
    assert!(gaps.iter().all(|gap| *gap <= poll_max), "{gaps:?}");
    assert!(gaps.iter().any(|gap| *gap > poll_max / 2), "{gaps:?}");
    let done = machine.on(now, queried(Report::Completed(Some(answer()))));
    assert_eq!(done, Step::Finish(Ending::Answered(answer())));
}

#[test]
fn results_are_waited_for_within_the_grace() {
    let mut machine = Lifecycle::new(Patience::example(), false);
    machine.start();
    assert!(matches!(
        machine.on(secs(3), queried(Report::Completed(None))),
        Step::Query { .. }
    ));
    assert!(matches!(
        machine.on(secs(12), queried(Report::Completed(None))),
        Step::Query { .. }
    ));
    let late = machine.on(secs(13), queried(Report::Completed(None)));
    assert_eq!(late, Step::Finish(Ending::NoResults));
}

#[test]
fn a_clean_stream_needs_no_query() {
    let mut machine = followed();
    assert_eq!(
        machine.on(ZERO, Event::Chunk { is_new: true }),
        Step::Forward
    );
    assert_eq!(
        machine.on(ZERO, Event::Chunk { is_new: true }),
        Step::Forward
    );
    let done = Event::Done {
        total: Some(2),
        finished: true,
        owes: false,
    };
    assert_eq!(machine.on(ZERO, done), Step::Finish(Ending::Streamed));
}

#[test]
fn a_whole_stream_that_owes_something_asks_for_the_result() {
    let whole = || {
        let mut machine = followed();
        machine.on(ZERO, Event::Chunk { is_new: true });
        let done = Event::Done {
            total: Some(1),
            finished: true,
            owes: true,
        };
        assert_eq!(machine.on(ZERO, done), Step::Query { after: ZERO });
        machine
    };
    let mut machine = whole();
    assert!(matches!(
        machine.on(secs(1), queried(Report::Running)),
        Step::Query { .. }
    ));
    assert!(matches!(
        machine.on(secs(2), queried(Report::Completed(None))),
        Step::Query { .. }
    ));
    let completed = queried(Report::Completed(Some(answer())));
    assert_eq!(
        machine.on(secs(3), completed),
        Step::Finish(Ending::Settled(answer()))
    );
    for event in [
        queried(Report::Running),
        queried(Report::Trouble { retry_after: None }),
        queried(Report::Refused {
            status: 401,
            failure: None,
        }),
        Event::Deadline,
        Event::Stop,
        Event::Cancel,
    ] {
        assert_eq!(whole().on(secs(10), event), Step::Finish(Ending::Streamed));
    }
}

#[test]
fn only_what_is_new_is_forwarded() {
    let mut machine = followed();
    let new = || Event::Chunk { is_new: true };
    let known = || Event::Chunk { is_new: false };
    let step = run(&mut machine, vec![new(), new(), Event::Cut]);
    assert_eq!(step, Step::Query { after: ZERO });
    let reopened = machine.on(ZERO, queried(Report::Running));
    assert!(matches!(reopened, Step::Open { .. }));
    machine.on(ZERO, Event::Opened);
    assert_eq!(machine.on(ZERO, known()), Step::Read);
    assert_eq!(machine.on(ZERO, new()), Step::Forward);
    assert_eq!(machine.forwarded(), 3);
    // The count that proves a stream whole is of this connection alone.
    let done = Event::Done {
        total: Some(2),
        finished: true,
        owes: false,
    };
    assert_eq!(machine.on(ZERO, done), Step::Finish(Ending::Streamed));
}

#[test]
fn a_replay_that_tells_something_else_is_doubted() {
    let mut machine = followed();
    machine.on(ZERO, Event::Chunk { is_new: true });
    assert_eq!(
        machine.on(ZERO, Event::Diverged),
        Step::Query { after: ZERO }
    );
}

#[test]
fn an_end_that_is_not_whole_is_doubted() {
    for done in [
        Event::Done {
            total: Some(3),
            finished: true,
            owes: false,
        },
        Event::Done {
            total: Some(1),
            finished: false,
            owes: false,
        },
        Event::Done {
            total: None,
            finished: false,
            owes: false,
        },
    ] {
        let mut machine = followed();
        machine.on(ZERO, Event::Chunk { is_new: true });
        assert_eq!(
            machine.on(ZERO, done.clone()),
            Step::Query { after: ZERO },
            "{done:?}"
        );
    }
}

#[test]
fn a_task_that_completed_behind_a_cut_is_replayed_before_its_result_is_used() {
    let mut machine = followed();
    let completed = || queried(Report::Completed(Some(answer())));
    assert_eq!(
        run(
            &mut machine,
            vec![Event::Chunk { is_new: true }, Event::Cut, completed()]
        ),
        Step::Open { after: ZERO }
    );
    // As long as replays may bring something new, they are worth more than the result.
    let replay = |is_new| vec![Event::Opened, Event::Chunk { is_new }, Event::Cut];
    for is_new in [true, false] {
        let again = run(&mut machine, replay(is_new));
        assert_eq!(again, Step::Open { after: ZERO });
    }
    assert_eq!(
        run(&mut machine, replay(false)),
        Step::Finish(Ending::Answered(answer()))
    );
}

#[test]
fn a_task_that_completed_without_results_is_replayed_while_they_are_waited_for() {
    let mut machine = followed();
    let missing = || queried(Report::Completed(None));
    machine.on(ZERO, Event::Cut);
    assert!(matches!(machine.on(ZERO, missing()), Step::Open { .. }));
    machine.on(ZERO, Event::Opened);
    machine.on(ZERO, Event::Silent);
    let late = Patience::example().results_grace;
    assert_eq!(machine.on(late, missing()), Step::Finish(Ending::NoResults));
}

#[test]
fn silence_asks_the_task_and_keeps_the_stream_once() {
    let mut machine = followed();
    let silent = |machine: &mut Lifecycle| {
        assert_eq!(machine.on(ZERO, Event::Silent), Step::Query { after: ZERO });
        machine.on(ZERO, queried(Report::Running))
    };
    assert_eq!(silent(&mut machine), Step::Read);
    // A chunk between two silences proves that the stream lives.
    machine.on(ZERO, Event::Chunk { is_new: true });
    assert_eq!(silent(&mut machine), Step::Read);
    assert_eq!(silent(&mut machine), Step::Open { after: ZERO });
    // The same for a stream whose head does not come.
    assert_eq!(silent(&mut machine), Step::Read);
    assert_eq!(silent(&mut machine), Step::Open { after: ZERO });
}

#[test]
fn a_silent_stream_of_a_completed_task_is_replayed_once() {
    let mut machine = followed();
    machine.on(ZERO, Event::Silent);
    let completed = queried(Report::Completed(Some(answer())));
    assert_eq!(machine.on(ZERO, completed), Step::Open { after: ZERO });
    machine.on(ZERO, Event::Opened);
    let silent = machine.on(ZERO, Event::Silent);
    assert_eq!(silent, Step::Finish(Ending::Answered(answer())));
}

#[test]
fn a_stream_that_cannot_be_opened_becomes_polling() {
    let mut machine = Lifecycle::new(Patience::example(), true);
    machine.start();
    for _ in 0..FRUITLESS_OPENINGS {
        let step = machine.on(ZERO, Event::NotOpened { retry_after: None });
        assert_eq!(step, Step::Query { after: ZERO });
        machine.on(ZERO, queried(Report::Running));
    }
    assert!(matches!(
        machine.on(ZERO, queried(Report::Running)),
        Step::Query { .. }
    ));
    let completed = queried(Report::Completed(Some(answer())));
    assert_eq!(
        machine.on(ZERO, completed),
        Step::Finish(Ending::Answered(answer()))
    );
}

#[test]
fn the_task_is_right_where_it_disagrees_with_an_error_event() {
    let mut machine = followed();
    machine.on(ZERO, Event::StreamError(failure()));
    let failed = queried(Report::Failed(failure()));
    assert_eq!(
        machine.on(ZERO, failed),
        Step::Finish(Ending::Failed(failure()))
    );

    let mut machine = followed();
    let completed = queried(Report::Completed(Some(answer())));
    let step = run(&mut machine, vec![Event::StreamError(failure()), completed]);
    assert_eq!(step, Step::Open { after: ZERO });
}

#[test]
fn an_error_event_stands_when_the_task_never_comes_round() {
    let mut machine = followed();
    for at in 0..FRUITLESS_OPENINGS {
        machine.on(secs(at.into()), Event::StreamError(failure()));
        machine.on(secs(at.into()), queried(Report::Running));
    }
    let step = machine.on(secs(10), queried(Report::Running));
    assert_eq!(step, Step::Finish(Ending::Failed(failure())));
}

#[test]
fn queries_that_fail_are_repeated_and_those_that_are_refused_are_not() {
    let mut machine = Lifecycle::new(Patience::example(), false);
    machine.start();
    let asked = Some(secs(7));
    let step = machine.on(ZERO, queried(Report::Trouble { retry_after: asked }));
    assert_eq!(step, Step::Query { after: secs(7) });
    // A client is waiting: it is not kept for as long as an upstream may ask.
    let step = machine.on(
        ZERO,
        queried(Report::Trouble {
            retry_after: Some(secs(3600)),
        }),
    );
    assert_eq!(step, Step::Query { after: secs(20) });
    let refused = Report::Refused {
        status: 401,
        failure: None,
    };
    let step = machine.on(ZERO, queried(refused));
    assert_eq!(
        step,
        Step::Finish(Ending::Lost {
            status: 401,
            failure: None
        })
    );
}

#[test]
fn a_new_task_may_be_unknown_for_a_moment() {
    let mut machine = Lifecycle::new(Patience::example(), false);
    machine.start();
    for _ in 1..UNKNOWN_QUERIES {
        assert!(matches!(
            machine.on(ZERO, queried(Report::Unknown)),
            Step::Query { .. }
        ));
    }
    let step = machine.on(ZERO, queried(Report::Unknown));
    assert_eq!(
        step,
        Step::Finish(Ending::Lost {
            status: 404,
            failure: None
        })
    );
}

#[test]
fn the_deadline_and_a_stop_end_every_state() {
    let states: [fn() -> Lifecycle; 3] = [
        || Lifecycle::new(Patience::example(), false),
        followed,
        || {
            let mut machine = followed();
            machine.on(ZERO, Event::Silent);
            machine
        },
    ];
    for state in states {
        assert_eq!(
            state().on(secs(590), Event::Deadline),
            Step::Finish(Ending::Deadline { unreachable: false })
        );
        assert_eq!(
            state().on(secs(1), Event::Stop),
            Step::Finish(Ending::Stopped)
        );
    }
}
