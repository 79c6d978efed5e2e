use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn listed(names: &[&str]) -> Vec<UpstreamKey> {
    let key = |name: &&str| UpstreamKey {
        name: (*name).to_owned(),
        key: format!("sk-secret-{name}").into(),
        weight: 1,
    };
    names.iter().map(key).collect()
}

fn chain(names: &[&str]) -> Keychain {
    Keychain::new(&listed(names), None).unwrap()
}

fn refuse(key: &Key, now: Instant, cause: Cause, told: Option<Duration>) {
    key.member().unwrap().refused(now, cause, told);
}

fn picked(chain: &Keychain, now: Instant) -> String {
    chain.pick(now).unwrap().name().unwrap().to_owned()
}

#[test]
fn whoever_rests_is_passed_over() {
    let (chain, now) = (chain(&["a", "b", "c"]), Instant::now());
    let picks: Vec<_> = (0..3).map(|_| picked(&chain, now)).collect();
    assert_eq!(picks, ["a", "b", "c"]);
    refuse(chain.named("b").unwrap(), now, Cause::Limited, Some(SECOND));
    let picks: Vec<_> = (0..4).map(|_| picked(&chain, now)).collect();
    assert!(!picks.contains(&"b".to_owned()), "{picks:?}");
    let states = chain.resting(now);
    assert_eq!(
        states,
        [("a", false), ("b", true), ("c", false)].map(|(name, rests)| (name.to_owned(), rests))
    );
    let later = now + SECOND;
    assert!((0..3).any(|_| picked(&chain, later) == "b"));
}

#[test]
fn a_request_goes_from_key_to_key_and_takes_none_twice() {
    let (chain, now) = (chain(&["a", "b", "c"]), Instant::now());
    let (mut key, mut tried) = (chain.pick(now).unwrap().clone(), Tried::default());
    let mut used = Vec::new();
    let never = loop {
        match chain.turn(now, &mut key, &mut tried, None) {
            Turn::Now => {}
            Turn::Never(never) => break never,
            Turn::After(_) => panic!("nobody waits"),
        }
        used.push(key.name().unwrap().to_owned());
        // A rest that is over at once must not lead in circles.
        refuse(&key, now, Cause::Limited, Some(Duration::from_nanos(1)));
        chain.note_tried(&key, &mut tried);
    };
    used.sort();
    assert_eq!(used, ["a", "b", "c"]);
    assert_eq!((never.cause, never.keys), (Cause::Limited, 3));
}

#[test]
fn whoever_has_patience_waits_for_the_soonest() {
    let (chain, now) = (chain(&["a", "b"]), Instant::now());
    let [a, b] = ["a", "b"].map(|name| chain.named(name).unwrap());
    refuse(a, now, Cause::Limited, Some(9 * SECOND));
    refuse(b, now, Cause::Limited, Some(3 * SECOND));
    let mut key = a.clone();
    let turn =
        |key: &mut Key, patience| chain.turn(now, key, &mut Tried::default(), Some(patience));
    let rest = AllRest {
        cause: Cause::Limited,
        keys: 2,
        soonest: 3 * SECOND,
    };
    assert_eq!(turn(&mut key, 2 * SECOND), Turn::Never(rest));
    assert_eq!(turn(&mut key, 3 * SECOND), Turn::After(3 * SECOND));
    assert_eq!(key.name(), Some("b"));
    assert_eq!(turn(&mut key, 5 * SECOND), Turn::After(4 * SECOND));
}

#[test]
fn the_refusal_that_fits_all_keys_is_told() {
    use Cause::{Limited, NoBalance, Unauthorized};
    for (causes, told) in [
        ([Unauthorized, Unauthorized], Unauthorized),
        ([NoBalance, NoBalance], NoBalance),
        ([NoBalance, Unauthorized], NoBalance),
        ([Limited, Unauthorized], Limited),
        ([NoBalance, Limited], Limited),
        ([Limited, Limited], Limited),
    ] {
        let (chain, now) = (chain(&["a", "b"]), Instant::now());
        for (name, cause) in ["a", "b"].into_iter().zip(causes) {
            refuse(chain.named(name).unwrap(), now, cause, Some(SECOND));
        }
        let mut key = chain.pick(now).unwrap().clone();
        match chain.turn(now, &mut key, &mut Tried::default(), None) {
            Turn::Never(rest) => assert_eq!(rest.cause, told, "{causes:?}"),
            turn => panic!("{turn:?}"),
        }
    }
}

#[test]
fn a_list_that_is_read_again_forgets_nothing_of_a_key_that_stays() {
    let (before, now) = (chain(&["a", "b"]), Instant::now());
    for name in ["a", "b"] {
        refuse(before.named(name).unwrap(), now, Cause::Unauthorized, None);
    }
    let mut changed = listed(&["a", "b", "c"]);
    changed[1].key = "sk-another".into();
    let after = Keychain::new(&changed, Some(&before)).unwrap();
    let resting: Vec<_> = after
        .resting(now)
        .into_iter()
        .map(|(_, rests)| rests)
        .collect();
    assert_eq!(resting, [true, false, false]);
    // What comes of requests that began before counts for those that begin now.
    refuse(before.named("b").unwrap(), now, Cause::Limited, None);
    let a = before.named("a").unwrap();
    a.member().unwrap().went_well(now + 60 * SECOND);
    assert!(!after.resting(now + 60 * SECOND)[0].1);
}

#[test]
fn no_key_is_shown() {
    let chain = chain(&["a"]);
    let shown = format!("{:?} {:?}", chain.named("a"), listed(&["a"]));
    assert!(shown.contains('a') && !shown.contains("secret"), "{shown}");
    assert_eq!(
        Keychain::new(
            &[UpstreamKey {
                key: "two words".into(),
                ..listed(&["a"]).remove(0)
            }],
            None
        )
        .map(|_| ()),
        None
    );
}

#[test]
fn keys_that_were_all_refused_are_tried_again_and_healed_by_one_success_each() {
    for (cause, told) in [
        (Cause::Unauthorized, None),
        (Cause::NoBalance, None),
        (Cause::Unauthorized, Some(SECOND * 7)),
    ] {
        let (chain, mut now) = (chain(&["a", "b"]), Instant::now());
        for name in ["a", "b"] {
            refuse(chain.named(name).unwrap(), now, cause, told);
        }
        let turn = |now| {
            let mut key = chain.pick(now).unwrap().clone();
            let turn = chain.turn(now, &mut key, &mut Tried::default(), None);
            (turn, key)
        };
        let rest = told.unwrap_or(SECOND * 60);
        let all_rest = AllRest {
            cause,
            keys: 2,
            soonest: rest,
        };
        assert_eq!(turn(now).0, Turn::Never(all_rest));
        now += rest;
        let (first, key) = turn(now);
        assert_eq!(first, Turn::Now);
        key.member().unwrap().went_well(now);
        let (second, other) = turn(now);
        assert_eq!(second, Turn::Now);
        assert_ne!(key.name(), other.name());
        other.member().unwrap().went_well(now);
        now += SECOND;
        assert_eq!(turn(now).0, Turn::Now);
        assert!(chain.resting(now).iter().all(|(_, rests)| !rests));
    }
}
