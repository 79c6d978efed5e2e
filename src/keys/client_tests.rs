use super::*;
use crate::{keys::Hash, openai::Usage, translate::ByModel};

fn client(limits: Limits, models: Option<&[&str]>, now: Instant) -> Client {
    let patterns = |models: &[&str]| {
        models
            .iter()
            .map(|model| Pattern::new(model).unwrap())
            .collect()
    };
    let entry = Entry {
        name: "team-a".to_owned(),
        hash: Hash::of(b"secret"),
        models: models.map(patterns),
        limits,
    };
    Client::new(entry, None, now)
}

/// So many tokens in all.
fn used(tokens: u64) -> Option<Usage> {
    Some(Usage {
        input: tokens / 3,
        output: tokens - tokens / 3,
        ..Usage::default()
    })
}

fn limits() -> Limits {
    Limits::default()
}

/// Nothing was told of the answer.
fn nothing() -> Box<dyn Fn() -> (Option<Usage>, usize) + Send> {
    Box::new(|| (None, 0))
}

#[test]
fn as_many_at_once_as_are_allowed() {
    let now = Instant::now();
    let limited = Limits {
        concurrency: Some(2),
        ..limits()
    };
    let client = client(limited, None, now);
    let one = client.enter_at(true, now).unwrap();
    let _two = client.enter_at(false, now).unwrap();
    let refused = client.enter_at(true, now).unwrap_err();
    assert_eq!(refused.limit, Limit::Concurrency);
    let again = one.clone();
    drop(one);
    assert!(client.enter_at(true, now).is_err(), "a clone holds it");
    drop(again);
    assert!(client.enter_at(true, now).is_ok());
}

#[test]
fn a_refusal_for_being_too_many_uses_up_no_request() {
    let now = Instant::now();
    let limited = Limits {
        requests_per_minute: Some(2),
        concurrency: Some(1),
        ..limits()
    };
    let client = client(limited, None, now);
    let held = client.enter_at(true, now).unwrap();
    for _ in 0..5 {
        assert!(client.enter_at(true, now).is_err());
    }
    drop(held);
    assert_eq!(
        client.standing_at(now).requests.map(|rate| rate.left),
        Some(1)
    );
    drop(client.enter_at(true, now).unwrap());
    let refused = client.enter_at(true, now).unwrap_err();
    assert_eq!(
        (refused.limit, refused.wait),
        (Limit::Requests, Duration::from_secs(30))
    );
    assert!(
        client.enter_at(false, now).is_ok(),
        "this one does not count, and the refused one holds no place"
    );
}

#[test]
fn tokens_are_taken_before_and_corrected_afterwards() {
    let now = Instant::now();
    let limited = Limits {
        tokens_per_minute: Some(1000),
        ..limits()
    };
    let client = client(limited, None, now);
    let left = || client.standing_at(now).tokens.map(|rate| rate.left);
    let mut reserved = client.reserve_at(100, 500, now).unwrap().unwrap();
    assert_eq!(left(), Some(400));
    let refused = client.reserve_at(100, 500, now).unwrap_err();
    assert_eq!(
        (refused.limit, refused.left, refused.asked),
        (Limit::Tokens, 400, 600)
    );
    assert_eq!(refused.wait, Duration::from_secs(12));
    reserved.bought(nothing());
    reserved.settle_at(used(130), 0, now);
    assert_eq!(left(), Some(870));
    let uncounted = client.reserve_at(50, 50, now).unwrap().unwrap();
    uncounted.settle_at(None, 140, now);
    assert_eq!(left(), Some(785), "50 and a quarter of 140");
    let uncounted = client.reserve_at(50, 50, now).unwrap().unwrap();
    uncounted.settle_at(Some(Usage::default()), 140, now);
    assert_eq!(left(), Some(700), "a usage of nothing");
    drop(client.reserve_at(10, 10, now).unwrap());
    assert_eq!(left(), Some(700), "nothing was bought");
    let mut kept = client.reserve_at(10, 90, now).unwrap().unwrap();
    kept.bought(nothing());
    drop(kept);
    assert_eq!(
        left(),
        Some(600),
        "it was bought, and nobody knows what it used"
    );
}

#[test]
fn who_asks_for_more_than_a_minute_waits_for_all_of_it_and_owes_the_rest() {
    let now = Instant::now();
    let limited = Limits {
        tokens_per_minute: Some(600),
        ..limits()
    };
    let client = client(limited, None, now);
    let huge = client.reserve_at(u64::MAX, u64::MAX, now).unwrap().unwrap();
    huge.settle_at(used(1200), 0, now);
    let refused = client.reserve_at(10, 0, now).unwrap_err();
    assert_eq!((refused.left, refused.wait), (0, Duration::from_secs(61)));
}

#[test]
fn no_limit_is_no_limit() {
    let now = Instant::now();
    let client = client(limits(), None, now);
    for _ in 0..1000 {
        assert!(client.enter_at(true, now).unwrap().is_none());
        assert!(client.reserve_at(u64::MAX, 1, now).unwrap().is_none());
    }
    let standing = client.standing_at(now);
    assert_eq!((standing.requests, standing.tokens), (None, None));
}

#[test]
fn a_model_is_allowed_by_its_name_or_by_the_one_behind_an_alias() {
    let alias = |name, model: &str| (Pattern::new(name).unwrap(), model.to_owned());
    let settings = translate::Settings {
        claude_max_tokens: 1,
        gpt_min_tokens: 1,
        aliases: ByModel::new(vec![
            alias("fast", "gpt-5.5"),
            alias("gpt-4o", "claude-opus-4-7"),
            alias("my-*", "*"),
        ]),
        fallbacks: ByModel::default(),
        wait: ByModel::default(),
        inline_max: 1,
    };
    let now = Instant::now();
    let some = client(limits(), Some(&["gpt-*", "kimi-k2"]), now);
    for model in ["gpt-5.5", "gpt-", "kimi-k2", "fast", "gpt-4o", "my-gpt-1"] {
        assert!(some.may_use(model, &settings), "{model}");
    }
    for model in ["claude-opus-4-7", "kimi-k2.6", "Gpt-5", "my-claude", ""] {
        assert!(!some.may_use(model, &settings), "{model}");
    }
    let none = client(limits(), Some(&[]), now);
    assert!(!none.may_use("gpt-5.5", &settings) && none.is_restricted());
    let all = client(limits(), None, now);
    assert!(all.may_use("anything", &settings) && !all.is_restricted());
}

#[test]
fn a_refusal_says_which_limit_of_which_key_and_when_to_come_again() {
    let now = Instant::now();
    let limited = Limits {
        requests_per_minute: Some(1),
        tokens_per_minute: Some(100),
        concurrency: Some(1),
    };
    let client = client(limited, None, now);
    let permit = client.enter(true).unwrap();
    let at_once = client.enter(true).unwrap_err();
    drop(permit);
    let requests = client.enter(true).unwrap_err();
    let kept = client.reserve(100, 0).unwrap();
    let tokens = client.reserve(10, 10).unwrap_err();
    drop(kept);
    for (error, kind, words) in [
        (at_once, "requests", "at the same time: limit 1"),
        (requests, "requests", "requests per minute: limit 1"),
        (tokens, "tokens", "tokens per minute: limit 100"),
    ] {
        assert_eq!((error.status, error.kind), (429, kind));
        assert_eq!(error.code.as_deref(), Some("rate_limit_exceeded"));
        assert!(error.message.contains("key 'team-a'"), "{}", error.message);
        assert!(error.message.contains(words), "{}", error.message);
        assert!(error.message.contains("Try again in "), "{}", error.message);
    }
}

#[test]
fn threads_share_one_limit() {
    let now = Instant::now();
    let limited = Limits {
        requests_per_minute: Some(100),
        concurrency: Some(1000),
        ..limits()
    };
    let client = client(limited, None, now);
    let entered: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let client = client.clone();
                scope.spawn(move || {
                    (0..100)
                        .filter(|_| client.enter_at(true, now).is_ok())
                        .count()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(entered, 100);
}

#[test]
fn whoever_leaves_early_owes_what_was_told() {
    let now = Instant::now();
    let limited = Limits {
        tokens_per_minute: Some(1000),
        ..limits()
    };
    let client = client(limited, None, now);
    let left = || {
        client
            .standing_at(Instant::now())
            .tokens
            .map_or(0, |rate| rate.left)
    };
    let mut reserved = client.reserve_at(100, 0, now).unwrap().unwrap();
    reserved.bought(Box::new(|| (None, 1600)));
    drop(reserved);
    // 100 of the prompt and 400 of the answer; a little comes back with time.
    assert!((500..=550).contains(&left()), "{}", left());
    let mut owed = client.owe().unwrap();
    owed.bought(Box::new(|| (None, 400)));
    drop(owed);
    assert!((400..=450).contains(&left()), "{}", left());
}
