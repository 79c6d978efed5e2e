use bytes::Bytes;

use scopeguard::ScopeGuard;

use super::{Attended, pursuit::Progress};
use crate::{
    api_error::ApiError,
    task::Ending,
    translate::{self, Transcript},
};

/// A task that has come to a good end without anybody being told on the way.
pub struct Waited {
    /// `results[0]`; `None` when only the whole stream could be had.
    pub result: Option<Bytes>,
    /// What the stream said, if the task was followed.
    pub transcript: Transcript,
}

/// Follows a task to its end.
pub async fn wait(mut pursuit: Attended) -> Result<Waited, ApiError> {
    let ending = loop {
        match pursuit.advance().await {
            Progress::Ended(ending) => break ending,
            // Nobody reads the chunks of an answer that is given in one piece.
            Progress::Wrote => drop(pursuit.take()),
            Progress::Quiet => {}
        }
    };
    if let Some(error) = translate::ended(&ending, pursuit.task()) {
        return Err(error);
    }
    let result = match ending {
        Ending::Answered(result) | Ending::Settled(result) => Some(result),
        _ => None,
    };
    let transcript = ScopeGuard::into_inner(pursuit).into_transcript();
    Ok(Waited { result, transcript })
}
