use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{Stream, stream};

use super::{
    Attended,
    pursuit::{Progress, Pursuit},
};
use crate::{
    api_error::{ApiError, Retry},
    sse::KEEP_ALIVE,
    task::Ending,
    translate::{self, Mismatch, Transcript},
};

/// A whole answer that a client was told.
pub struct Told<'a> {
    pub chunks: u64,
    transcript: &'a Transcript,
}

impl Told<'_> {
    /// How many bytes of text it is.
    pub fn length(&self) -> usize {
        self.transcript.length()
    }
}

/// Bridges a task's stream to the client: the pieces of an event stream, each to be written as soon as it is there.
///
/// It ends with `data: [DONE]`, or what the client's API has in its place, behind a whole answer and only then; otherwise
/// its last frame is an error. The task
/// is pursued only as fast as the pieces are taken, and no longer than this stream lives.
///
/// `report` is called once at the end, with what was told or the error that the client was told; it is dropped uncalled
/// when the client leaves first.
pub fn live<R>(pursuit: Attended, report: R) -> impl Stream<Item = Bytes> + Send
where
    R: FnOnce(Result<Told<'_>, &ApiError>) + Send,
{
    stream::unfold(Some((pursuit, report)), |state| async move {
        let (mut pursuit, report) = state?;
        match pursuit.advance().await {
            Progress::Wrote => Some((pursuit.take(), Some((pursuit, report)))),
            Progress::Quiet => Some((Bytes::from_static(KEEP_ALIVE), Some((pursuit, report)))),
            Progress::Ended(ending) => Some((last_piece(&mut pursuit, report, &ending), None)),
        }
    })
}

fn last_piece(
    pursuit: &mut Pursuit,
    report: impl FnOnce(Result<Told<'_>, &ApiError>),
    ending: &Ending,
) -> Bytes {
    match owed(pursuit, ending) {
        Ok(chunks) => {
            note_usage(pursuit, ending);
            let count = pursuit.chunks() + chunks.len() as u64;
            pursuit.telling().finish(chunks, unix_now());
            report(Ok(Told {
                chunks: count,
                transcript: pursuit.telling().transcript(),
            }));
        }
        Err(error) => {
            let is_final = matches!(ending, Ending::Failed(_));
            pursuit.telling().fail(&error, is_final);
            report(Err(&error));
        }
    }
    pursuit.take()
}

/// Notes the tokens that were used, from whoever told them.
fn note_usage(pursuit: &mut Pursuit, ending: &Ending) {
    let told = pursuit.telling().transcript().spent();
    let spent = told.or_else(|| match ending {
        Ending::Answered(result) | Ending::Settled(result) => translate::spent(result),
        _ => None,
    });
    if let Some(usage) = spent {
        pursuit.course().note_usage(usage);
    }
}

fn unix_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}

/// The chunks that are still owed at the end.
fn owed(pursuit: &mut Pursuit, ending: &Ending) -> Result<Vec<String>, ApiError> {
    if let Some(error) = translate::ended(ending, pursuit.task()) {
        return Err(error);
    }
    let owes_usage = pursuit.telling().owes_usage();
    let task = pursuit.task().to_owned();
    let told = pursuit.telling().transcript();
    match ending {
        Ending::Answered(result) => translate::tail(told, result, owes_usage)
            .map_err(|mismatch| incomplete(&task, &mismatch)),
        Ending::Settled(result) if owes_usage => Ok(translate::usage_chunk(told, Some(result))
            .into_iter()
            .collect()),
        _ if owes_usage => Ok(translate::usage_chunk(told, None).into_iter().collect()),
        _ => Ok(Vec::new()),
    }
}

fn incomplete(task: &str, mismatch: &Mismatch) -> ApiError {
    ApiError::new(
        502,
        "server_error",
        "stream_incomplete",
        format!(
            "The stream of task {task} broke off and cannot be completed. What was streamed is real but not whole; the \
             task is billed. Send the request again if you accept paying twice."
        ),
    )
    .with_detail(mismatch.to_string())
    .with_retry(Retry::Never)
}
