use std::path::Path;

use bytes::Bytes;
use futures_util::FutureExt;

use super::*;
use crate::ledger::{Bought, Caller, IfDamaged, KeptRequest, Ledger, Settings, Store};

const ANN: Caller = Caller(b"Bearer ann");
const BOB: Caller = Caller(b"Bearer bob");

fn ledger(store: Store, max_age: Duration, max_size: usize) -> Ledger {
    Ledger::open(Settings {
        store,
        if_damaged: IfDamaged::Refuse,
        max_age: Duration::from_secs(3600),
        max_entries: 100,
        responses: Keeping { max_age, max_size },
    })
    .unwrap()
}

fn in_memory(max_size: usize) -> Ledger {
    ledger(Store::Memory, Duration::from_secs(3600), max_size)
}

fn in_file(path: &Path) -> Ledger {
    let store = Store::File(path.to_owned());
    ledger(store, Duration::from_secs(3600), 1 << 20)
}

fn keep(ledger: &Ledger, caller: Caller, id: &str, input: &str) -> Arc<Kept> {
    let bought = Bought {
        task: format!("task of {id}"),
        stream_url: Some("/stream".to_owned()),
        created: 7,
        key: Some("key-one".to_owned()),
        model: None,
    };
    let request = KeptRequest {
        begun: "{}".to_owned(),
        input: input.to_owned(),
        model: "m".to_owned(),
        previous: None,
        background: true,
        follows: true,
        summarizes: false,
        wants_logprobs: false,
        customs: Vec::new(),
    };
    at_once(ledger.keep(caller, id.to_owned(), bought, request, true, None))
}

/// In memory nothing is waited for.
fn at_once<T>(asked: impl Future<Output = T>) -> T {
    asked.now_or_never().unwrap()
}

fn find(ledger: &Ledger, caller: Caller, id: &str) -> Option<Arc<Kept>> {
    at_once(ledger.kept(caller, id)).unwrap()
}

fn forget(ledger: &Ledger, caller: Caller, id: &str) -> bool {
    at_once(ledger.forget(caller, id)).unwrap()
}

fn settle(ledger: &Ledger, kept: &Arc<Kept>, outcome: &'static str) {
    kept.outcome
        .set(Bytes::from_static(outcome.as_bytes()))
        .unwrap();
    ledger.settled(kept, None);
}

#[test]
fn a_response_is_for_whoever_made_it() {
    let ledger = in_memory(1 << 20);
    let kept = keep(&ledger, ANN, "resp_1", "[]");
    assert!(find(&ledger, ANN, "resp_1").is_some_and(|found| Arc::ptr_eq(&found, &kept)));
    assert!(find(&ledger, BOB, "resp_1").is_none() && find(&ledger, ANN, "resp_2").is_none());
    assert!(!forget(&ledger, BOB, "resp_1"));
    assert!(forget(&ledger, ANN, "resp_1") && !forget(&ledger, ANN, "resp_1"));
    assert!(find(&ledger, ANN, "resp_1").is_none());
}

#[test]
fn who_asks_again_finds_what_is_kept() {
    let ledger = in_memory(1 << 20);
    let first = keep(&ledger, ANN, "resp_1", "[]");
    settle(&ledger, &first, "{}");
    let again = keep(&ledger, ANN, "resp_1", "[]");
    assert!(Arc::ptr_eq(&first, &again));
}

fn ended(ledger: &Ledger, caller: Caller, id: &str) {
    let kept = keep(ledger, caller, id, "[]");
    settle(ledger, &kept, "{}");
}

#[test]
fn what_was_used_longest_ago_makes_room() {
    let ledger = in_memory(5 * OVERHEAD);
    for number in 0..10 {
        ended(&ledger, ANN, &format!("resp_{number}"));
        assert!(ledger.shelf().size <= 5 * OVERHEAD);
        // It is used again and again.
        assert!(find(&ledger, ANN, "resp_0").is_some());
    }
    let known = |number| find(&ledger, ANN, &format!("resp_{number}")).is_some();
    assert_eq!((0..10).map(known).filter(|known| *known).count(), 4);
    assert!(known(9) && known(8) && !known(5));
    // What it has come to counts too.
    let kept = keep(&ledger, ANN, "resp_long", "[]");
    let outcome = Bytes::from(vec![b' '; 3 * OVERHEAD]);
    kept.outcome.set(outcome).unwrap();
    ledger.settled(&kept, None);
    assert!(!known(9) && find(&ledger, ANN, "resp_long").is_some());
    forget(&ledger, ANN, "resp_long");
    let shelf = ledger.shelf();
    assert_eq!((shelf.size, shelf.owners.len()), (0, 0));
}

#[test]
fn nobody_loses_what_runs_or_what_they_have_to_whoever_has_more() {
    let ledger = in_memory(10 * OVERHEAD);
    keep(&ledger, BOB, "resp_runs", "[]");
    ended(&ledger, BOB, "resp_bob");
    for number in 0..100 {
        ended(&ledger, ANN, &format!("resp_{number}"));
    }
    assert!(find(&ledger, BOB, "resp_runs").is_some() && find(&ledger, BOB, "resp_bob").is_some());
    // Of one's own, what runs goes last.
    for number in 0..100 {
        ended(&ledger, BOB, &format!("resp_b{number}"));
    }
    assert!(find(&ledger, BOB, "resp_runs").is_some() && find(&ledger, BOB, "resp_bob").is_none());
}

#[test]
fn what_turns_out_too_large_takes_nobody_with_it() {
    let ledger = in_memory(5 * OVERHEAD);
    ended(&ledger, BOB, "resp_bob");
    let kept = keep(&ledger, ANN, "resp_large", "[]");
    let outcome = Bytes::from(vec![b' '; 6 * OVERHEAD]);
    kept.outcome.set(outcome).unwrap();
    ledger.settled(&kept, None);
    assert!(find(&ledger, ANN, "resp_large").is_none() && find(&ledger, BOB, "resp_bob").is_some());
}

#[test]
fn what_is_too_large_or_unwanted_is_not_kept() {
    let usual = in_memory(1 << 20);
    assert!(usual.keeps(1000) && !usual.keeps(1 << 20));
    let never = ledger(Store::Memory, Duration::ZERO, 1 << 20);
    assert!(!never.keeps(1));
}

#[test]
fn places_of_responses_that_are_gone_do_not_pile_up() {
    let ledger = in_memory(1 << 20);
    for number in 0..1000 {
        let id = format!("resp_{number}");
        keep(&ledger, ANN, &id, "[]");
        assert!(forget(&ledger, ANN, &id));
        assert!(ledger.shelf().uses.len() <= 66);
        find(&ledger, ANN, "resp_other");
    }
}

#[tokio::test]
async fn a_file_remembers_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let before = in_file(&path);
    let settled = keep(&before, ANN, "resp_1", "[1]");
    settle(&before, &settled, r#"{"status":"completed"}"#);
    keep(&before, ANN, "resp_2", "[2]");
    keep(&before, ANN, "resp_3", "[3]");
    forget(&before, ANN, "resp_3");
    before.flush().await;
    drop((before, settled));

    let after = in_file(&path);
    let found = find(&after, ANN, "resp_1").unwrap();
    assert_eq!(found.request.input, "[1]");
    assert_eq!(found.bought.task, "task of resp_1");
    assert_eq!(found.outcome.get().unwrap(), r#"{"status":"completed"}"#);
    let running = find(&after, ANN, "resp_2").unwrap();
    assert!(running.outcome.get().is_none());
    assert!(find(&after, BOB, "resp_1").is_none() && find(&after, ANN, "resp_3").is_none());
}

#[tokio::test]
async fn what_is_too_old_is_forgotten_in_the_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let open = |max_age| ledger(Store::File(path.clone()), max_age, 1 << 20);
    let before = open(Duration::from_secs(3600));
    ended(&before, ANN, "resp_1");
    before.flush().await;
    drop(before);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let strict = open(Duration::from_millis(10));
    assert!(find(&strict, ANN, "resp_1").is_none());
    strict.flush().await;
    drop(strict);
    assert!(find(&open(Duration::from_secs(3600)), ANN, "resp_1").is_none());
}
