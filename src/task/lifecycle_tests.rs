use super::*;
use proptest::prelude::*;

const ZERO: Duration = Duration::ZERO;

fn patience() -> Patience {
    Patience {
        deadline: Duration::from_secs(590),
        poll_first: Duration::from_millis(250),
        poll_max: Duration::from_secs(2),
        results_grace: Duration::from_secs(10),
        submit_retries: 2,
    }
}

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
    let mut machine = Lifecycle::new(patience(), true);
    assert_eq!(machine.start(), Step::Open { after: ZERO });
    assert_eq!(machine.on(ZERO, Event::Opened), Step::Read);
    machine
}

fn queried(report: Report) -> Event {
    Event::Queried(report)
}

#[test]
fn a_polled_task_is_asked_ever_more_rarely_until_it_is_done() {
    let mut machine = Lifecycle::new(patience(), false);
    let mut gaps = Vec::new();
    let mut step = machine.start();
    for _ in 0..8 {
        let Step::Query { after } = step else {
            panic!("{step:?}")
        };
        gaps.push(after);
        step = machine.on(ZERO, queried(Report::Running));
    }
    assert!(gaps.is_sorted(), "{gaps:?}");
    assert_eq!(
        (gaps[0], gaps[7]),
        (patience().poll_first, patience().poll_max)
    );
    let done = machine.on(ZERO, queried(Report::Completed(Some(answer()))));
    assert_eq!(done, Step::Finish(Ending::Answered(answer())));
}

#[test]
fn results_are_waited_for_within_the_grace() {
    let mut machine = Lifecycle::new(patience(), false);
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
    assert_eq!(machine.on(ZERO, Event::Chunk), Step::Forward);
    assert_eq!(machine.on(ZERO, Event::Chunk), Step::Forward);
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
        machine.on(ZERO, Event::Chunk);
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
    ] {
        assert_eq!(whole().on(secs(10), event), Step::Finish(Ending::Streamed));
    }
}

#[test]
fn a_replay_is_skipped_up_to_what_was_forwarded() {
    let mut machine = followed();
    let step = run(&mut machine, vec![Event::Chunk, Event::Chunk, Event::Cut]);
    assert_eq!(step, Step::Query { after: ZERO });
    assert!(matches!(
        machine.on(ZERO, queried(Report::Running)),
        Step::Open { .. }
    ));
    machine.on(ZERO, Event::Opened);
    assert_eq!(machine.on(ZERO, Event::Chunk), Step::Read);
    assert_eq!(machine.on(ZERO, Event::Chunk), Step::Read);
    assert_eq!(machine.on(ZERO, Event::Chunk), Step::Forward);
    assert_eq!(machine.forwarded(), 3);
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
        machine.on(ZERO, Event::Chunk);
        assert_eq!(
            machine.on(ZERO, done.clone()),
            Step::Query { after: ZERO },
            "{done:?}"
        );
    }
    // A replay that ends before it reaches what was forwarded proves nothing.
    let mut machine = followed();
    run(
        &mut machine,
        vec![
            Event::Chunk,
            Event::Chunk,
            Event::Cut,
            queried(Report::Running),
            Event::Opened,
        ],
    );
    machine.on(ZERO, Event::Chunk);
    let short = Event::Done {
        total: Some(1),
        finished: true,
        owes: false,
    };
    assert_eq!(machine.on(ZERO, short), Step::Query { after: ZERO });
}

#[test]
fn a_task_that_completed_behind_a_cut_is_replayed_before_its_result_is_used() {
    let mut machine = followed();
    let completed = || queried(Report::Completed(Some(answer())));
    assert_eq!(
        run(&mut machine, vec![Event::Chunk, Event::Cut, completed()]),
        Step::Open { after: ZERO }
    );
    let again = run(&mut machine, vec![Event::Opened, Event::Chunk, Event::Cut]);
    assert_eq!(again, Step::Finish(Ending::Answered(answer())));
}

#[test]
fn silence_asks_the_task_and_keeps_the_stream() {
    let mut machine = followed();
    assert_eq!(machine.on(ZERO, Event::Silent), Step::Query { after: ZERO });
    assert_eq!(machine.on(ZERO, queried(Report::Running)), Step::Read);
    machine.on(ZERO, Event::Silent);
    let completed = queried(Report::Completed(Some(answer())));
    assert_eq!(machine.on(ZERO, completed), Step::Open { after: ZERO });
    machine.on(ZERO, Event::Opened);
    assert_eq!(
        machine.on(ZERO, Event::Silent),
        Step::Finish(Ending::Answered(answer()))
    );
}

#[test]
fn a_stream_that_cannot_be_opened_becomes_polling() {
    let mut machine = Lifecycle::new(patience(), true);
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
    let mut machine = Lifecycle::new(patience(), false);
    machine.start();
    let asked = Some(secs(7));
    let step = machine.on(ZERO, queried(Report::Trouble { retry_after: asked }));
    assert_eq!(step, Step::Query { after: secs(7) });
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
    let mut machine = Lifecycle::new(patience(), false);
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
        || Lifecycle::new(patience(), false),
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
            Step::Finish(Ending::Deadline)
        );
        assert_eq!(
            state().on(secs(1), Event::Stop),
            Step::Finish(Ending::Stopped)
        );
    }
}

/// A service whose task has `total` chunks and completes at the given step, and what goes wrong on the way.
#[derive(Debug, Clone)]
struct Service {
    total: u64,
    faults: Vec<Fault>,
    completes_after: usize,
    never_follows: bool,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Cut { after: u64 },
    NotOpened,
    Silent { after: u64 },
    Error { after: u64 },
    EarlyDone { after: u64 },
    QueryTrouble,
    ResultsLate,
}

fn service() -> impl Strategy<Value = Service> {
    let fault = prop_oneof![
        (0u64..12).prop_map(|after| Fault::Cut { after }),
        Just(Fault::NotOpened),
        (0u64..12).prop_map(|after| Fault::Silent { after }),
        (0u64..12).prop_map(|after| Fault::Error { after }),
        (0u64..12).prop_map(|after| Fault::EarlyDone { after }),
        Just(Fault::QueryTrouble),
        Just(Fault::ResultsLate),
    ];
    (
        0u64..12,
        proptest::collection::vec(fault, 0..20),
        0usize..30,
        any::<bool>(),
    )
        .prop_map(|(total, faults, completes_after, never_follows)| Service {
            total,
            faults,
            completes_after,
            never_follows,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Whatever the service does, each chunk is forwarded once and in order, and it ends: with the whole
    /// stream, or with the result, but never cleanly with a part.
    #[test]
    fn nothing_is_lost_or_repeated(service in service()) {
        let mut machine = Lifecycle::new(patience(), !service.never_follows);
        let mut faults = service.faults.iter().copied();
        let mut forwarded: Vec<u64> = Vec::new();
        let (mut now, mut steps, mut place, mut limit) = (ZERO, 0usize, 0u64, None);
        let mut step = machine.start();
        let ending = loop {
            steps += 1;
            prop_assert!(steps < 5000, "it never ends");
            step = match step {
                Step::Finish(ending) => break ending,
                Step::Forward => {
                    forwarded.push(place - 1);
                    let event = next_frame(&service, &mut place, limit);
                    machine.on(now, event)
                }
                Step::Read => {
                    let event = next_frame(&service, &mut place, limit);
                    machine.on(now, event)
                }
                Step::Open { after } => {
                    prop_assert!(!service.never_follows);
                    now += after;
                    place = 0;
                    limit = faults.next();
                    match limit {
                        Some(Fault::NotOpened) => machine.on(now, Event::NotOpened { retry_after: None }),
                        _ => machine.on(now, Event::Opened),
                    }
                }
                Step::Query { after } => {
                    now += after;
                    let report = match faults.next() {
                        Some(Fault::QueryTrouble) => Report::Trouble { retry_after: None },
                        Some(Fault::ResultsLate) => Report::Completed(None),
                        _ if steps >= service.completes_after => Report::Completed(Some(answer())),
                        _ => Report::Running,
                    };
                    machine.on(now, Event::Queried(report))
                }
            };
        };
        prop_assert!(forwarded.iter().copied().eq(0..forwarded.len() as u64), "{forwarded:?}");
        match ending {
            Ending::Streamed => prop_assert_eq!(forwarded.len() as u64, service.total),
            Ending::Answered(_) | Ending::NoResults => {}
            Ending::Failed(_) => {
                let has_errors = service.faults.iter().any(|fault| matches!(fault, Fault::Error { .. }));
                prop_assert!(has_errors);
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

fn next_frame(service: &Service, place: &mut u64, fault: Option<Fault>) -> Event {
    match fault {
        Some(Fault::Cut { after }) if after <= *place => Event::Cut,
        Some(Fault::Silent { after }) if after <= *place => Event::Silent,
        Some(Fault::Error { after }) if after <= *place => Event::StreamError(failure()),
        Some(Fault::EarlyDone { after }) if after <= *place && after < service.total => {
            Event::Done {
                total: Some(service.total),
                finished: false,
                owes: false,
            }
        }
        _ if *place < service.total => {
            *place += 1;
            Event::Chunk
        }
        _ => Event::Done {
            total: Some(service.total),
            finished: true,
            owes: false,
        },
    }
}
