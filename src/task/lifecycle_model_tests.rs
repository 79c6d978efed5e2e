use super::*;
use proptest::prelude::*;

const ZERO: Duration = Duration::ZERO;

fn answer() -> Bytes {
    Bytes::from_static(b"{}")
}

fn failure() -> Failure {
    Failure::of_event(b"boom")
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
        let mut machine = Lifecycle::new(Patience::example(), !service.never_follows);
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
                    let event = next_frame(&service, &mut place, limit, forwarded.len() as u64);
                    machine.on(now, event)
                }
                Step::Read => {
                    let event = next_frame(&service, &mut place, limit, forwarded.len() as u64);
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

fn next_frame(service: &Service, place: &mut u64, fault: Option<Fault>, told: u64) -> Event {
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
            Event::Chunk {
                is_new: *place > told,
            }
        }
        _ => Event::Done {
            total: Some(service.total),
            finished: true,
            owes: false,
        },
    }
}
