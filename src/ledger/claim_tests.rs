use super::*;
use crate::ledger::Settings;
use std::time::Duration;

fn ledger(max_age: Duration, max_entries: usize) -> Ledger {
    Ledger::new(Settings {
        max_age,
        max_entries,
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
    sending.sending();
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
