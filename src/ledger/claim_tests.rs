use super::*;
use crate::ledger::{IfDamaged, Keeping, Settings, Store};
use std::time::Duration;

const KEEPING: Keeping = Keeping {
    max_age: Duration::from_secs(3600),
    max_size: 1 << 20,
};

fn ledger(max_age: Duration, max_entries: usize) -> Ledger {
    Ledger::open(Settings {
        store: Store::Memory,
        if_damaged: IfDamaged::Refuse,
        max_age,
        max_entries,
        responses: KEEPING,
    })
    .unwrap()
}

fn usual() -> Ledger {
    ledger(Duration::from_secs(3600), 100)
}

fn bought(task: &str) -> Bought {
    Bought {
        task: task.into(),
        stream_url: None,
        created: 1,
        key: None,
        model: None,
    }
}

const FIRST: Claim = Claim {
    caller: Caller(b"sk-a"),
    key: None,
    is_retry: false,
    content: [b"/v1/chat/completions", b"{}"],
};

const RETRY: Claim = Claim {
    is_retry: true,
    ..FIRST
};

async fn intent(ledger: &Ledger, claim: Claim<'_>) -> Intent {
    match ledger.claim(claim).await {
        Claimed::New(intent) => intent,
        other => panic!("{other:?}"),
    }
}

async fn task(ledger: &Ledger, claim: Claim<'_>) -> Option<String> {
    match ledger.claim(claim).await {
        Claimed::Bought(bought, _) => Some(bought.task),
        Claimed::New(intent) => {
            intent.refused();
            None
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_retry_finds_its_task_until_the_answer_was_delivered() {
    let ledger = usual();
    let receipt = intent(&ledger, FIRST).await.bought(bought("t1"));
    assert_eq!(task(&ledger, RETRY).await.as_deref(), Some("t1"));
    receipt.delivered();
    assert_eq!(task(&ledger, RETRY).await, None);
}

#[tokio::test]
async fn equal_requests_are_two_unless_the_client_says_otherwise() {
    let ledger = usual();
    intent(&ledger, FIRST).await.bought(bought("t1"));
    intent(&ledger, FIRST).await.bought(bought("t2"));
    assert_eq!(task(&ledger, RETRY).await.as_deref(), Some("t2"));
}

#[tokio::test]
async fn nobody_finds_anothers_task() {
    let ledger = usual();
    intent(&ledger, FIRST).await.bought(bought("t1"));
    let key = Some("k");
    intent(&ledger, Claim { key, ..FIRST })
        .await
        .bought(bought("t2"));
    for other in [
        Claim {
            caller: Caller(b"sk-b"),
            ..RETRY
        },
        Claim {
            caller: Caller(b"sk-b"),
            key,
            ..RETRY
        },
        Claim {
            content: [b"/v1/chat/completions", b"{ }"],
            ..RETRY
        },
        Claim {
            content: [b"/v1/completions", b"{}"],
            ..RETRY
        },
        Claim {
            key: Some("other"),
            ..RETRY
        },
    ] {
        assert_eq!(task(&ledger, other).await, None, "{other:?}");
    }
}

#[tokio::test]
async fn a_key_finds_its_task_again_and_again() {
    let ledger = usual();
    let keyed = Claim {
        key: Some("k"),
        ..FIRST
    };
    intent(&ledger, keyed)
        .await
        .bought(bought("t1"))
        .delivered();
    assert_eq!(task(&ledger, keyed).await.as_deref(), Some("t1"));
    let other = Claim {
        content: [b"/v1/chat/completions", b"[]"],
        ..keyed
    };
    assert!(matches!(ledger.claim(other).await, Claimed::Conflict));
}

#[tokio::test]
async fn a_retry_waits_for_the_submit_under_way() {
    let ledger = usual();
    let first = intent(&ledger, FIRST).await;
    let retry = tokio::spawn({
        let ledger = ledger.clone();
        async move { task(&ledger, RETRY).await }
    });
    tokio::task::yield_now().await;
    assert!(!retry.is_finished());
    first.bought(bought("t1"));
    assert_eq!(retry.await.unwrap().as_deref(), Some("t1"));
}

#[tokio::test]
async fn what_was_refused_may_be_submitted_and_what_is_ambiguous_may_not() {
    let ledger = usual();
    intent(&ledger, FIRST).await.refused();
    let again = intent(&ledger, RETRY).await;
    again.ambiguous();
    assert!(matches!(ledger.claim(RETRY).await, Claimed::Ambiguous));
    // A submit that nobody saw end is no different.
    let keyed = Claim {
        key: Some("k"),
        ..FIRST
    };
    drop(intent(&ledger, keyed).await);
    let mut sending = intent(&ledger, keyed).await;
    sending.sending().await.unwrap();
    drop(sending);
    assert!(matches!(ledger.claim(keyed).await, Claimed::Ambiguous));
}

#[tokio::test]
async fn of_many_retries_at_once_one_submits() {
    let ledger = usual();
    let keyed = Claim {
        key: Some("k"),
        ..FIRST
    };
    let first = intent(&ledger, keyed).await;
    let retries: Vec<_> = (0..20)
        .map(|_| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                match ledger.claim(keyed).await {
                    Claimed::New(intent) => {
                        intent.bought(bought("t2"));
                        1
                    }
                    Claimed::Bought(bought, _) if bought.task == "t2" => 0,
                    other => panic!("{other:?}"),
                }
            })
        })
        .collect();
    tokio::task::yield_now().await;
    first.refused();
    let mut submits = 0;
    for retry in retries {
        submits += retry.await.unwrap();
    }
    assert_eq!(submits, 1);
}

#[tokio::test]
async fn age_and_number_are_bounded() {
    let ledger = ledger(Duration::from_secs(3600), 10);
    for n in 0..100u32 {
        let body = n.to_le_bytes();
        let claim = Claim {
            content: [b"/", &body],
            ..FIRST
        };
        intent(&ledger, claim).await.bought(bought("t"));
    }
    assert!(ledger.rows().count().0 <= 11);
    let oldest = Claim {
        content: [b"/", &0u32.to_le_bytes()],
        ..RETRY
    };
    assert_eq!(task(&ledger, oldest).await, None);
    let youngest = Claim {
        content: [b"/", &99u32.to_le_bytes()],
        ..RETRY
    };
    assert_eq!(task(&ledger, youngest).await.as_deref(), Some("t"));
}

#[tokio::test(start_paused = true)]
async fn a_request_is_forgotten_with_age() {
    let ledger = usual();
    intent(&ledger, FIRST).await.bought(bought("t"));
    tokio::time::advance(Duration::from_secs(3599)).await;
    assert_eq!(task(&ledger, RETRY).await.as_deref(), Some("t"));
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(task(&ledger, RETRY).await, None);
    assert_eq!(ledger.rows().count().0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_is_good_for_as_long_as_its_request_is_remembered() {
    let ledger = ledger(Duration::from_secs(100), 1);
    let receipt = intent(&ledger, FIRST).await.bought(bought("t"));
    tokio::time::advance(Duration::from_secs(40)).await;
    assert!(receipt.is_good_for(Duration::from_secs(60)));
    assert!(!receipt.is_good_for(Duration::from_secs(61)));
    // One too many takes its place.
    let _second = intent(&ledger, FIRST).await;
    let _third = intent(&ledger, FIRST).await;
    assert!(!receipt.is_good_for(Duration::ZERO));
}

#[tokio::test]
async fn delivered_requests_leave_nothing_behind() {
    let ledger = usual();
    let held = intent(&ledger, FIRST).await;
    for _ in 0..1000 {
        intent(&ledger, FIRST).await.bought(bought("t")).delivered();
    }
    assert_eq!(ledger.rows().count().0, 1);
    assert!(ledger.rows().count().1 < 100);
    held.refused();
    assert_eq!(ledger.rows().count().0, 0);
}

#[tokio::test]
async fn what_is_being_submitted_is_not_forgotten_for_want_of_room() {
    let ledger = ledger(Duration::from_secs(3600), 2);
    let claim = |n: &'static [u8], is_retry| Claim {
        content: [b"/", n],
        is_retry,
        ..FIRST
    };
    let first = intent(&ledger, claim(b"1", false)).await;
    let others = [b"2", b"3", b"4"];
    for other in others {
        drop(
            intent(&ledger, claim(other, false))
                .await
                .bought(bought("t")),
        );
    }
    // The others are what there is no room for.
    drop(first.bought(bought("t1")));
    match ledger.claim(claim(b"1", true)).await {
        Claimed::Bought(found, _) => assert_eq!(found.task, "t1"),
        other => panic!("{other:?}"),
    }
    assert!(ledger.rows().count().0 <= 3);
}

fn kept(path: &std::path::Path, max_age: Duration, max_entries: usize) -> Ledger {
    Ledger::open(Settings {
        store: Store::File(path.to_owned()),
        if_damaged: IfDamaged::Refuse,
        max_age,
        max_entries,
        responses: KEEPING,
    })
    .unwrap()
}

#[tokio::test]
async fn a_file_remembers_what_memory_does_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let hour = Duration::from_secs(3600);
    let body = |n: u32| n.to_le_bytes();
    {
        let ledger = kept(&path, hour, 10);
        for n in 0..500 {
            let claim = Claim {
                content: [b"/", &body(n)],
                ..FIRST
            };
            let mut intent = intent(&ledger, claim).await;
            intent.sending().await.unwrap();
            match n % 5 {
                0 => intent.refused(),
                1 => drop(intent.bought(bought("t")).delivered()),
                2 => intent.ambiguous(),
                _ => drop(intent.bought(bought(&format!("t{n}")))),
            }
        }
        ledger.flush().await;
    }
    let ledger = kept(&path, hour, 10);
    assert!(ledger.rows().count().0 <= 11);
    for n in 490..500 {
        let body = body(n);
        let claim = Claim {
            content: [b"/", &body],
            ..RETRY
        };
        let claimed = ledger.claim(claim).await;
        match n % 5 {
            0 | 1 => assert!(matches!(claimed, Claimed::New(_)), "{n}: {claimed:?}"),
            2 => assert!(matches!(claimed, Claimed::Ambiguous), "{n}: {claimed:?}"),
            _ => assert!(
                matches!(&claimed, Claimed::Bought(bought, _) if bought.task == format!("t{n}")),
                "{n}: {claimed:?}"
            ),
        }
    }
    assert!(std::fs::metadata(&path).unwrap().len() < 4 << 20);
}

#[tokio::test]
async fn age_counts_on_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    {
        let ledger = kept(&path, Duration::from_secs(3600), 10);
        let mut intent = intent(&ledger, FIRST).await;
        intent.sending().await.unwrap();
        intent.bought(bought("t1"));
        ledger.flush().await;
    }
    let arrived = std::time::SystemTime::now();
    while arrived.elapsed().unwrap() < Duration::from_millis(2) {
        tokio::task::yield_now().await;
    }
    let young = kept(&path, Duration::from_secs(3600), 10);
    assert_eq!(task(&young, RETRY).await.as_deref(), Some("t1"));
    young.flush().await;
    drop(young);
    let old = kept(&path, Duration::from_millis(1), 10);
    assert_eq!(task(&old, RETRY).await, None);
}

#[tokio::test]
async fn an_intent_that_is_given_up_while_it_is_noted_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let hour = Duration::from_secs(3600);
    {
        let ledger = kept(&path, hour, 10);
        let mut intent = intent(&ledger, FIRST).await;
        let waker = &mut std::task::Context::from_waker(std::task::Waker::noop());
        let noting = std::pin::pin!(intent.sending()).as_mut().poll(waker);
        drop(noting);
        drop(intent);
        ledger.flush().await;
    }
    let ledger = kept(&path, hour, 10);
    assert_eq!(ledger.rows().count().0, 0);
}

#[path = "delivered_tests.rs"]
mod delivered;
