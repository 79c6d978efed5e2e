use super::*;

#[tokio::test]
async fn what_was_delivered_and_not_taken_is_found_again_and_again() {
    let ledger = usual();
    let older = intent(&ledger, FIRST).await.bought(bought("t1"));
    for _ in 0..3 {
        let receipt = match ledger.claim(RETRY).await {
            Claimed::Bought(bought, receipt) => {
                assert_eq!(bought.task, "t1");
                receipt
            }
            other => panic!("{other:?}"),
        };
        let delivered = receipt.delivered().unwrap();
        assert_eq!(task(&ledger, RETRY).await, None);
        delivered.undo();
        let Claimed::Bought(_, receipt) = ledger.claim(RETRY).await else {
            panic!("it is not found");
        };
        // Account was taken of it.
        assert!(receipt.was_delivered());
    }
    drop(older);
    // What can be found by its key can be found anyway.
    let keyed = Claim {
        key: Some("k"),
        ..FIRST
    };
    let receipt = intent(&ledger, keyed).await.bought(bought("t2"));
    assert!(receipt.delivered().is_none());
    assert_eq!(ledger.rows().count().0, 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_taken_is_found_for_a_while_and_not_in_anothers_place() {
    let ledger = usual();
    let older = intent(&ledger, FIRST).await.bought(bought("t1"));
    older.delivered().unwrap().undo();
    assert_eq!(task(&ledger, RETRY).await.as_deref(), Some("t1"));
    // An equal request that waits for its own answer.
    let pending = intent(&ledger, FIRST).await.bought(bought("t2"));
    let (second, untaken) = (intent(&ledger, FIRST).await.bought(bought("t3")), RETRY);
    second.delivered().unwrap().undo();
    assert_eq!(task(&ledger, untaken).await.as_deref(), Some("t2"));
    drop(pending.delivered());
    let Claimed::Bought(_, receipt) = ledger.claim(RETRY).await else {
        panic!("it is not found");
    };
    // Nobody is promised that it will be found after the longest pause.
    assert!(!receipt.is_good_for(Duration::from_secs(60)));
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(task(&ledger, RETRY).await, None);
    assert_eq!(ledger.rows().count().0, 0);
}

#[tokio::test]
async fn what_is_found_again_is_bounded_and_grows_old() {
    let ledger = ledger(Duration::from_secs(3600), 3);
    let claim = |n: &'static [u8], is_retry| Claim {
        content: [b"/", n],
        is_retry,
        ..FIRST
    };
    let names: [&[u8]; 5] = [b"1", b"2", b"3", b"4", b"5"];
    let mut delivered = Vec::new();
    for name in names {
        let bought = intent(&ledger, claim(name, false))
            .await
            .bought(bought("t"));
        delivered.extend(bought.delivered());
    }
    delivered.into_iter().rev().for_each(Delivered::undo);
    let _one_more = intent(&ledger, claim(b"6", false)).await;
    assert!(ledger.rows().count().0 <= 4);
    // The oldest had to go, in whichever order they came back.
    assert_eq!(task(&ledger, claim(b"1", true)).await, None);
    assert_eq!(task(&ledger, claim(b"5", true)).await.as_deref(), Some("t"));
}
