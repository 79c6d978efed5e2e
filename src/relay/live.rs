use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};

use super::pursuit::{Progress, Pursuit};
use crate::{
    api_error::{ApiError, Retry},
    sse::{DONE, KEEP_ALIVE, write_data},
    task::Ending,
    translate::{self, Identity},
};

/// What a live stream is told besides its task.
pub struct Live<R> {
    /// The model that the client asked for.
    pub model: String,
    /// Unix seconds.
    pub created: u64,
    pub include_usage: bool,
    /// Called once at the end, with the number of chunks or the error that the client was told. Dropped uncalled
    /// when the client leaves first.
    pub report: R,
}

/// Bridges a task's stream to the client: the pieces of an event stream, each to be written as soon as it is there.
///
/// It ends with `data: [DONE]` behind a whole answer and only then; otherwise its last frame is an error. The task
/// is pursued only as fast as the pieces are taken, and no longer than this stream lives.
pub fn live<R>(pursuit: Pursuit, live: Live<R>) -> impl Stream<Item = Bytes> + Send
where
    R: FnOnce(Result<u64, &ApiError>) + Send,
{
    stream::unfold(Some((pursuit, live)), |state| async move {
        let (mut pursuit, live) = state?;
        match pursuit.advance().await {
            Progress::Wrote => Some((pursuit.take(), Some((pursuit, live)))),
            Progress::Quiet => Some((Bytes::from_static(KEEP_ALIVE), Some((pursuit, live)))),
            Progress::Ended(ending) => Some((last_piece(&pursuit, live, &ending), None)),
        }
    })
}

fn last_piece<R: FnOnce(Result<u64, &ApiError>)>(
    pursuit: &Pursuit,
    live: Live<R>,
    ending: &Ending,
) -> Bytes {
    let mut out = BytesMut::new();
    match owed(pursuit, &live, ending) {
        Ok(chunks) => {
            for chunk in &chunks {
                write_data(&mut out, chunk.as_bytes());
            }
            out.extend_from_slice(DONE);
            (live.report)(Ok(pursuit.chunks() + chunks.len() as u64));
        }
        Err(error) => {
            write_data(&mut out, &error.body());
            (live.report)(Err(&error));
        }
    }
    out.freeze()
}

/// The chunks that are still owed at the end.
fn owed<R>(pursuit: &Pursuit, live: &Live<R>, ending: &Ending) -> Result<Vec<String>, ApiError> {
    if let Some(error) = translate::ended(ending, pursuit.task()) {
        return Err(error);
    }
    let Ending::Answered(result) = ending else {
        return Ok(Vec::new());
    };
    let identity = Identity {
        task: pursuit.task(),
        model: &live.model,
        created: live.created,
    };
    translate::tail(pursuit.transcript(), result, &identity, live.include_usage).map_err(|mismatch| {
        ApiError::new(
            502,
            "server_error",
            "stream_incomplete",
            format!(
                "The stream of task {} broke off and cannot be completed. What was streamed is real but not whole; \
                 the task is billed. Send the request again if you accept paying twice.",
                pursuit.task()
            ),
        )
        .with_detail(mismatch.to_string())
        .with_retry(Retry::Never)
    })
}
