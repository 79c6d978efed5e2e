use proptest::prelude::*;

use super::*;

const NOW: Duration = Duration::ZERO;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_key_that_was_never_refused_waits_for_nothing() {
    let (mut pacing, start) = (Pacing::default(), Instant::now());
    for _ in 0..1000 {
        assert_eq!(pacing.ask(start, NOW), Ok(NOW));
        assert!(!pacing.went_well(start));
    }
    assert!(pacing.is_free() && pacing.rests(start).is_none());
}

#[test]
fn it_rests_as_long_as_it_was_told_and_else_longer_each_time() {
    let start = Instant::now();
    for (cause, told, rests) in [
        (Cause::Limited, Some(7), [7, 7, 7]),
        (Cause::Limited, None, [1, 2, 4]),
        (Cause::Limited, Some(0), [1, 2, 4]),
        (Cause::Unauthorized, None, [60, 120, 240]),
        (Cause::NoBalance, None, [60, 120, 240]),
        (Cause::NoBalance, Some(3600), [3600, 3600, 3600]),
    ] {
        let (mut pacing, mut now) = (Pacing::default(), start);
        for rest in rests {
            let told = told.map(seconds);
            assert_eq!(pacing.refused(now, cause, told), Some(seconds(rest)));
            assert_eq!(pacing.rests(now), Some(cause));
            assert_eq!(pacing.ask(now, NOW), Err(seconds(rest)));
            now += seconds(rest);
            assert_eq!(pacing.rests(now), None);
        }
    }
    let mut pacing = Pacing::default();
    let mut now = start;
    for _ in 0..40 {
        now += pacing.refused(now, Cause::Unauthorized, None).unwrap();
    }
    let longest = pacing.refused(now, Cause::Unauthorized, None);
    assert_eq!(longest, Some(seconds(5 * 60)));
}

#[test]
fn what_was_under_way_when_it_was_refused_counts_as_one() {
    let (mut pacing, now) = (Pacing::default(), Instant::now());
    assert_eq!(pacing.refused(now, Cause::Limited, None), Some(seconds(1)));
    for _ in 0..50 {
        assert_eq!(pacing.refused(now, Cause::Limited, None), None);
        assert!(!pacing.went_well(now), "it was accepted before the refusal");
    }
    assert_eq!(pacing.next(now), seconds(1));
    assert_eq!(pacing.refused(now, Cause::Limited, Some(seconds(5))), None);
    assert_eq!(
        pacing.next(now),
        seconds(5),
        "who asks for more time gets it"
    );
}

#[test]
fn they_do_not_all_come_back_at_once_and_go_faster_while_it_goes_well() {
    let (mut pacing, mut now) = (Pacing::default(), Instant::now());
    pacing.refused(now, Cause::Limited, None);
    let waits: Vec<_> = (0..4).map(|_| pacing.ask(now, seconds(20))).collect();
    assert_eq!(waits, [1, 2, 3, 4].map(|wait| Ok(seconds(wait))));
    now += seconds(5);
    let mut gaps = Vec::new();
    while !pacing.is_free() {
        let gap = pacing.ask(now, seconds(20)).unwrap();
        now += gap;
        pacing.went_well(now);
        gaps.push(gap);
    }
    assert!(gaps.len() < 70, "{}", gaps.len());
    assert!(gaps.windows(2).skip(1).all(|pair| pair[0] >= pair[1]));
    assert_eq!(pacing.ask(now, NOW), Ok(NOW));
}

/// A busy key is limited for seconds, although whoever came while it rested has taken turns far into the future.
#[test]
fn a_refusal_of_a_busy_key_is_soon_forgotten() {
    const EVERY: Duration = Duration::from_millis(2);
    let (mut pacing, start) = (Pacing::default(), Instant::now());
    pacing.refused(start, Cause::Limited, None);
    let (mut now, mut waiting, mut answers) = (start, Vec::new(), Vec::new());
    while !pacing.is_free() {
        now += EVERY;
        assert!(now < start + seconds(8), "still limited");
        if let Ok(wait) = pacing.ask(now, seconds(20)) {
            waiting.push(now + wait);
        }
        let is_due = |at: &mut Instant| *at <= now;
        let sent = waiting.extract_if(.., is_due).count();
        answers.extend((0..sent).map(|_| now + Duration::from_millis(100)));
        for _ in answers.extract_if(.., is_due) {
            pacing.went_well(now);
        }
    }
}

/// Where the upstream takes so many a second and no more, about as many go through, and few are refused.
#[test]
fn it_settles_at_what_the_upstream_takes() {
    const EVERY: Duration = Duration::from_millis(5);
    for takes in [3_usize, 10, 30] {
        let (mut pacing, start) = (Pacing::default(), Instant::now());
        let (mut waiting, mut sent) = (Vec::new(), Vec::<Instant>::new());
        let (mut accepted, mut refused) = (0, 0);
        for step in 0..60_000 / 5 {
            let now = start + EVERY * step;
            if let Ok(wait) = pacing.ask(now, seconds(20)) {
                waiting.push(now + wait);
            }
            for _ in waiting.extract_if(.., |at| *at <= now) {
                if pacing.rests(now).is_some() {
                    continue;
                }
                sent.retain(|at| *at + seconds(1) > now);
                if sent.len() < takes {
                    sent.push(now);
                    accepted += 1;
                    pacing.went_well(now);
                } else {
                    refused += 1;
                    pacing.refused(now, Cause::Limited, None);
                }
            }
        }
        let possible = 60 * takes;
        assert!(accepted * 3 > possible, "{accepted} of {possible}");
        assert!(refused * 2 < accepted, "{refused} beside {accepted}");
    }
}

#[test]
fn a_minute_without_a_refusal_is_enough() {
    let (mut pacing, mut now) = (Pacing::default(), Instant::now());
    pacing.refused(now, Cause::Limited, None);
    now += seconds(1);
    assert!(pacing.ask(now, NOW).is_ok() && pacing.went_well(now));
    assert!(!pacing.went_well(now), "it is back only once");
    now += seconds(60);
    assert!(pacing.ask(now, NOW).is_ok() && pacing.is_free());
    // Time alone proves nothing.
    pacing.refused(now, Cause::Unauthorized, None);
    now += seconds(600);
    assert!(pacing.ask(now, NOW).is_ok() && !pacing.is_free());
}

#[derive(Debug, Clone)]
enum Happens {
    Passes(u64),
    Asks(u64),
    Accepted,
    Refused(u16, Option<u64>),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        (0..5000_u64).prop_map(Happens::Passes),
        (0..30_000_u64).prop_map(Happens::Asks),
        Just(Happens::Accepted),
        (
            prop_oneof![Just(401), Just(402), Just(429)],
            proptest::option::of(0..86_400_000_u64)
        )
            .prop_map(|(status, told)| Happens::Refused(status, told)),
    ]
}

proptest! {
    /// Whatever happens: no turn lies in a rest that was known, none is further away than whoever asked would wait, no two
    /// are closer to each other than the fastest pace of a limited key, and there are never many.
    #[test]
    fn turns_are_paced(happens in prop::collection::vec(happens(), 1..200)) {
        let start = Instant::now();
        let (mut pacing, mut now) = (Pacing::default(), start);
        let mut turns: Vec<Instant> = Vec::new();
        for it in happens {
            match it {
                Happens::Passes(milliseconds) => now += Duration::from_millis(milliseconds),
                Happens::Accepted => { pacing.went_well(now); }
                Happens::Refused(status, told) => {
                    let cause = Cause::of(status).unwrap();
                    let rest = pacing.refused(now, cause, told.map(Duration::from_millis));
                    prop_assert!(rest.is_none_or(|rest| rest > Duration::ZERO));
                    prop_assert!(pacing.rests(now).is_some() && pacing.next(now) > Duration::ZERO);
                    turns.retain(|turn| pacing.rests(*turn).is_none() && *turn > now);
                }
                Happens::Asks(patience) => {
                    let patience = Duration::from_millis(patience);
                    let rests = pacing.rests(now).is_some();
                    match pacing.ask(now, patience) {
                        Ok(wait) => {
                            prop_assert!(wait <= patience);
                            prop_assert!(!rests || wait > Duration::ZERO);
                            let at = now + wait;
                            prop_assert!(pacing.rests(at).is_none());
                            if pacing.is_free() {
                                turns.clear();
                                continue;
                            }
                            let least = Duration::from_secs_f64(1.0 / FREE_RATE);
                            for turn in &turns {
                                prop_assert!(at.max(*turn) - at.min(*turn) >= least);
                            }
                            turns.push(at);
                            let kept = pacing.0.as_ref().map_or(0, |limit| limit.turns.len());
                            prop_assert!(kept <= 32 * FREE_RATE as usize);
                        }
                        Err(wait) => prop_assert!(wait > patience),
                    }
                }
            }
        }
    }

    /// Until something is accepted, no more than one request a second goes out, however many ask.
    #[test]
    fn it_begins_low(asking in 1..500_usize, wait in 1..60_u64) {
        let (mut pacing, now) = (Pacing::default(), Instant::now());
        pacing.refused(now, Cause::Limited, Some(seconds(wait)));
        let within = |turn: &Result<Duration, Duration>| turn.is_ok();
        let turns = (0..asking).map(|_| pacing.ask(now, seconds(wait + 10)));
        prop_assert!(turns.filter(within).count() <= 11);
    }
}
