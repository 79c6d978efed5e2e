//! Keeps the connection to Redis, says that this replica lives, and hears who else does.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Away, Secret, State,
    link::{self, CONNECT_PATIENCE, Link},
    no_answer, script, writer,
};

/// How often a replica says that it lives.
const BEAT: Duration = Duration::from_secs(1);
/// After how long without a word it is taken for dead.
const LIVES: Duration = Duration::from_secs(5);
/// Between two attempts to connect: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often it is said that Redis is away.
const REMINDER: Duration = Duration::from_secs(60);

/// What belongs to no caller. One hash tag, so that one script can see all of it.
const BEATS: &str = "fb:{fleet}beats";
const SECRET: &str = "fb:{fleet}secret";
pub(super) const CANCELLED: &str = "fb:{fleet}cancelled";
/// Who has given the secret without having shared one before, for a minute.
const NEWCOMER: &str = "fb:{fleet}newcomer";
/// What Redis has forgotten when it was emptied.
const EPOCH: &str = "fb:{fleet}epoch";
/// What a beat looks at.
const OF_ALL: [&str; 5] = [BEATS, SECRET, CANCELLED, NEWCOMER, EPOCH];

/// Replicas that hash with secrets of their own find nothing of each other's, and would buy twice without a word.
const NO_SECRET: &str = "the key fb:{fleet}secret does not hold what foxbridge writes there; delete it, and see that nobody else \
                         writes to fb:*";

/// Whether a key belongs to no caller.
pub(super) fn is_of_all(key: &str) -> bool {
    OF_ALL.contains(&key)
}

/// Resolves when told to stop, with a last word to the others.
pub(super) async fn keep(state: &State, stop: &CancellationToken) {
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = connect_again_and_again(state) => {}
        () = writer::write(state) => {}
    }
    let lives = LIVES.as_micros().to_string();
    let farewell = [&state.replica, "", &lives, "1"];
    let _ = state.run(&script::BEAT, &OF_ALL, &farewell).await;
}

async fn connect_again_and_again(state: &State) {
    let mut away = None;
    let mut pause = FIRST_PAUSE;
    loop {
        let trouble = match timeout(CONNECT_PATIENCE, connect(state)).await {
            Ok(Ok(())) => {
                if let Some(Outage { since, .. }) = away.take() {
                    tracing::warn!(away = ?since.elapsed(), "Redis (ledger.store) answers again: what waited for it is written");
                }
                pause = FIRST_PAUSE;
                stay(state).await;
                state.is_up.send_replace(Some(false));
                state.trouble.load_full().map(|trouble| trouble.to_string())
            }
            Ok(Err(trouble)) => Some(trouble),
            Err(_) => Some(no_answer(CONNECT_PATIENCE)),
        };
        let trouble = trouble.unwrap_or_default();
        remind(state, &mut away, &trouble);
        state.trouble.store(Some(Arc::new(trouble)));
        state.is_up.send_replace(Some(false));
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What has been said of Redis being away.
struct Outage {
    since: Instant,
    said: Instant,
    unnoted: u64,
}

fn remind(state: &State, away: &mut Option<Outage>, trouble: &str) {
    let now = Instant::now();
    let unnoted = state.unnoted.load(Ordering::Relaxed);
    let outage = away.get_or_insert(Outage {
        since: now,
        said: now.checked_sub(REMINDER).unwrap_or(now),
        unnoted,
    });
    if now.duration_since(outage.said) < REMINDER && outage.since != now {
        return;
    }
    outage.said = now;
    let unnoted = unnoted - outage.unnoted;
    let consequence = match state.settings.if_unavailable {
        super::IfUnavailable::Serve => {
            "requests go on, but their retries find their tasks only here, and limits count for this replica alone"
        }
        super::IfUnavailable::Refuse => "new requests are refused until it answers",
    };
    tracing::warn!(
        error = trouble, unnoted, away = ?outage.since.elapsed(),
        "Redis (ledger.store) cannot be used: {consequence}"
    );
}

/// A connection that has answered is the one that everybody uses.
async fn connect(state: &State) -> Result<(), String> {
    let advice = |error| link::advice(&error);
    let mut link = Link::open(&state.settings).await.map_err(advice)?;
    let beat = beat(state, &mut link).await.map_err(advice)?;
    if beat.secret.is_none() {
        return Err(NO_SECRET.to_owned());
    }
    heard(state, beat);
    let number = 1 + state.links.fetch_add(1, Ordering::Relaxed);
    state.trouble.store(None);
    state.link.store(Some(Arc::new((number, link))));
    state.is_up.send_replace(Some(true));
    Ok(())
}

/// Says again and again that this replica lives, until nobody answers.
async fn stay(state: &State) {
    loop {
        tokio::select! {
            () = state.lost.notified() => {}
            () = sleep(BEAT) => drop(beat_now(state).await),
        }
        if state.link.load().is_none() {
            return;
        }
    }
}

struct Beat {
    /// `None`: what Redis has is none.
    secret: Option<[u8; 32]>,
    epoch: String,
    living: HashSet<String>,
    cancelled: Vec<String>,
}

async fn beat(state: &State, link: &mut Link) -> redis::RedisResult<Beat> {
    let told = told(state);
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    let answer = link.run(&script::BEAT, &OF_ALL, &told).await?;
    Ok(read(answer))
}

/// Asks at once who lives.
pub(super) async fn beat_now(state: &State) -> Result<(), Away> {
    let told = told(state);
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    let answer = state.run(&script::BEAT, &OF_ALL, &told).await?;
    let beat = read(answer);
    if beat.secret.is_none() {
        state.lose_any(NO_SECRET);
        return Err(Away);
    }
    heard(state, beat);
    Ok(())
}

fn told(state: &State) -> [String; 6] {
    let secret = state.secret.load();
    let digits: String = secret
        .bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let lives = LIVES.as_micros().to_string();
    let has_shared = state.has_shared.load(Ordering::Relaxed);
    let has_shared = u8::from(has_shared).to_string();
    [
        state.replica.clone(),
        digits,
        lives,
        "0".to_owned(),
        has_shared,
        format!("{:016x}", fastrand::u64(..)),
    ]
}

fn read(answer: Vec<String>) -> Beat {
    let mut answer = answer.into_iter();
    let secret = answer.next().unwrap_or_default();
    let epoch = answer.next().unwrap_or_default();
    let count = answer.next().and_then(|count| count.parse().ok());
    let living = answer.by_ref().take(count.unwrap_or(0)).collect();
    Beat {
        secret: secret_of(&secret),
        epoch,
        living,
        cancelled: answer.collect(),
    }
}

/// What Redis has lost, or never had, is told again.
fn heard(state: &State, beat: Beat) {
    if let Some(bytes) = beat.secret
        && bytes != state.secret.load().bytes
    {
        state.secret.store(Arc::new(Secret::new(bytes)));
    }
    state.has_shared.store(true, Ordering::Relaxed);
    state.living.store(Arc::new(beat.living));
    let has_dropped = std::mem::take(&mut state.pending().has_dropped);
    if let Some(listener) = state.listener.get() {
        let has_lost = state.epoch.load().as_deref() != Some(&beat.epoch);
        if has_lost || has_dropped {
            let lost = listener.lost(&state.replica);
            let mut pending = state.pending();
            for (tag, effect) in lost {
                pending.add(tag, [effect]);
            }
            drop(pending);
            state.epoch.store(Some(Arc::new(beat.epoch)));
            state.woken.notify_one();
        }
        if !beat.cancelled.is_empty() {
            listener.cancelled(&beat.cancelled);
        }
    }
}

fn secret_of(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}
