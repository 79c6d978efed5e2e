use proptest::prelude::*;

use super::*;

const PAUSE: Duration = Duration::from_secs(5);

fn circuit() -> Circuit {
    Circuit::new(0.8, PAUSE)
}

/// Submits one after the other, of which those fail that say so.
fn submit(circuit: &mut Circuit, now: Instant, failures: &[bool]) {
    for has_failed in failures {
        let pass = circuit.admit(now).expect("closed");
        circuit.outcome(now, pass, *has_failed);
    }
}

#[test]
fn it_opens_at_its_share_of_enough_failures() {
    for (failures, expected) in [
        (vec![true; 9], Breaker::Closed),
        (vec![true; 10], Breaker::Open),
        ([vec![false; 3], vec![true; 7]].concat(), Breaker::Closed),
        ([vec![false; 2], vec![true; 8]].concat(), Breaker::Open),
        // Only the latest count.
        ([vec![false; 500], vec![true; 15]].concat(), Breaker::Closed),
        ([vec![false; 500], vec![true; 16]].concat(), Breaker::Open),
        ([true, false].repeat(100), Breaker::Closed),
    ] {
        let (mut circuit, now) = (circuit(), Instant::now());
        submit(&mut circuit, now, &failures);
        assert_eq!(circuit.state(now), expected, "{failures:?}");
    }
}

#[test]
fn what_is_long_past_counts_for_nothing() {
    let (mut circuit, mut now) = (circuit(), Instant::now());
    for _ in 0..100 {
        submit(&mut circuit, now, &[true; 1]);
        now += Duration::from_secs(7);
    }
    assert_eq!(circuit.state(now), Breaker::Closed);
}

#[test]
fn one_probe_decides_and_the_pause_grows() {
    let (mut circuit, mut now) = (circuit(), Instant::now());
    submit(&mut circuit, now, &[true; 10]);
    for pause in [5, 10, 20, 40, 60, 60] {
        let pause = Duration::from_secs(pause);
        assert_eq!(circuit.admit(now), Err(pause));
        now += pause;
        assert_eq!(circuit.state(now), Breaker::HalfOpen);
        assert_eq!(circuit.shut(now), None);
        assert_eq!(circuit.admit(now), Ok(Pass::Probe));
        assert_eq!(
            circuit.admit(now),
            Err(PROBED_FOR),
            "one request is risked, not more"
        );
        assert_eq!(circuit.outcome(now, Pass::Probe, true), None);
    }
    now += Duration::from_secs(60);
    assert_eq!(circuit.admit(now), Ok(Pass::Probe));
    assert_eq!(circuit.outcome(now, Pass::Probe, false), Some(false));
    assert_eq!(circuit.admit(now), Ok(Pass::Usual));
    submit(&mut circuit, now, &[true; 9]);
    assert_eq!(circuit.state(now), Breaker::Closed, "it begins anew");
}

#[test]
fn a_probe_that_nobody_hears_of_leaves_room_for_another() {
    let (mut circuit, mut now) = (circuit(), Instant::now());
    submit(&mut circuit, now, &[true; 10]);
    now += PAUSE;
    let probe = circuit.admit(now).expect("a probe");
    circuit.give_up(now, probe);
    assert_eq!(circuit.admit(now), Ok(Pass::Probe));
}

#[test]
fn what_was_sent_before_it_opened_changes_nothing() {
    let (mut circuit, mut now) = (circuit(), Instant::now());
    submit(&mut circuit, now, &[true; 10]);
    assert_eq!(circuit.outcome(now, Pass::Usual, false), None);
    assert_eq!(circuit.state(now), Breaker::Open);
    now += PAUSE;
    assert_eq!(circuit.admit(now), Ok(Pass::Probe));
    assert_eq!(circuit.outcome(now, Pass::Usual, false), None);
    assert_eq!(circuit.admit(now), Err(PROBED_FOR));
}

proptest! {
    /// Whatever happens, it is never shut for longer than its longest pause, and never takes more than one probe.
    #[test]
    fn it_is_never_shut_for_ever(outcomes in prop::collection::vec((0..20_000_u64, any::<bool>(), any::<bool>()), 1..300)) {
        let (mut circuit, mut now) = (circuit(), Instant::now());
        let mut probe = None;
        for (passes, has_failed, is_heard_of) in outcomes {
            now += Duration::from_millis(passes);
            match circuit.admit(now) {
                Ok(Pass::Probe) => {
                    prop_assert!(probe.is_none());
                    probe = Some(Pass::Probe);
                }
                Ok(Pass::Usual) => {
                    prop_assert!(probe.is_none());
                    circuit.outcome(now, Pass::Usual, has_failed);
                }
                Err(wait) => prop_assert!(wait <= LONGEST && wait > Duration::ZERO),
            }
            if let (Some(pass), true) = (probe, is_heard_of) {
                circuit.outcome(now, pass, has_failed);
                probe = None;
            }
        }
        if let Some(pass) = probe {
            circuit.give_up(now, pass);
        }
        prop_assert!(circuit.admit(now + LONGEST).is_ok());
    }
}
