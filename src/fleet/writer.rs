use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::{Failure, State, Tag, changes::Changes, script};

/// How many callers' changes are on their way together.
const BATCH: usize = 128;
/// After a failure, so that the keeper gets to hear of it.
const PAUSE: Duration = Duration::from_millis(10);

/// Tells Redis what was noted: what comes while it is being told something goes together the next time.
pub(super) async fn write(state: &State) {
    let mut is_up = state.is_up.subscribe();
    loop {
        // Where nobody else has it, neither end can be lost.
        if is_up.wait_for(|is_up| *is_up == Some(true)).await.is_err() {
            return;
        }
        let batch = state.pending().take(BATCH);
        if batch.is_empty() {
            state.written.notify_waiters();
            state.woken.notified().await;
            continue;
        }
        let telling = batch
            .iter()
            .map(|(tag, changes)| tell(state, *tag, changes));
        let told = join_all(telling).await;
        let is_away = |told: &Result<(), Failure>| matches!(told, Err(Failure::Away));
        let has_failed = told.iter().any(is_away);
        {
            let mut pending = state.pending();
            for ((tag, changes), told) in batch.into_iter().zip(told) {
                match told {
                    Ok(()) => changes.done(),
                    Err(Failure::Away) => pending.put_back(tag, changes),
                    // What cannot be written although Redis is well will not be the next time either.
                    Err(Failure::Unusable) => {}
                }
            }
            pending.written();
        }
        if has_failed {
            sleep(PAUSE).await;
        }
    }
}

async fn tell(state: &State, tag: Tag, changes: &Changes) -> Result<(), Failure> {
    let (keys, effects, texts) = changes.told(tag);
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let lives = state.settings.max_age.as_millis().to_string();
    let most = state.settings.max_rows.to_string();
    let mut arguments = vec![effects.as_str(), &lives, &most];
    arguments.extend(texts);
    state.ask(&script::APPLY, &keys, &arguments).await.map(drop)
}
