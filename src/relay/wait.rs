use bytes::Bytes;

use super::pursuit::{Progress, Pursuit};
use crate::{api_error::ApiError, task::Ending, translate};

/// Follows a task to its end and gives its result, `results[0]`.
pub async fn wait(mut pursuit: Pursuit) -> Result<Bytes, ApiError> {
    loop {
        match pursuit.advance().await {
            Progress::Ended(Ending::Answered(result)) => return Ok(result),
            Progress::Ended(ending) => {
                // A task that is only polled has no stream that could end well without a result.
                let error = translate::ended(&ending, pursuit.task());
                return Err(error.unwrap_or_else(|| {
                    translate::ambiguous("a stream ended where none was", None)
                }));
            }
            Progress::Wrote | Progress::Quiet => {}
        }
    }
}
