//! Answers in one piece that begin before they are there, so that nothing between here and the client takes the silence
//! for a dead connection.

use std::{future, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::{task::yield_now, time::timeout};

use super::reply::BrokenOff;
use crate::api_error::ApiError;

/// JSON allows it before a value, and every client skips it.
const SPACE: Bytes = Bytes::from_static(b" ");

/// The body of an answer whose head has gone out already: a space at once and after every `interval`, then the JSON.
///
/// A failure can no longer be a status, and under a status of 200 SDKs would take an error object for an answer. So its
/// text is followed by no end: the body breaks off, which every client takes for the failure that it is.
///
/// `report` is called once, with the answer or the error; it is dropped uncalled when the client leaves first.
pub(super) fn kept_alive<A, R>(
    answer: A,
    interval: Duration,
    report: R,
) -> impl Stream<Item = Result<Bytes, BrokenOff>> + Send
where
    A: Future<Output = Result<Bytes, ApiError>> + Send + Unpin,
    R: FnOnce(Result<(), &ApiError>) + Send,
{
    let waiting = State::Waiting(answer, report);
    let rest = stream::unfold(waiting, move |state| async move {
        match state {
            State::Waiting(mut answer, report) => match timeout(interval, &mut answer).await {
                Err(_) => Some((Ok(SPACE), State::Waiting(answer, report))),
                Ok(Ok(json)) => {
                    report(Ok(()));
                    Some((Ok(json), State::Ended))
                }
                Ok(Err(error)) => {
                    report(Err(&error));
                    Some((Ok(error.body().into()), State::Failed))
                }
            },
            State::Failed => {
                // What is yielded together with the break would not be written any more.
                yield_now().await;
                Some((Err(BrokenOff), State::Ended))
            }
            State::Ended => None,
        }
    });
    stream::once(future::ready(Ok(SPACE))).chain(rest)
}

enum State<A, R> {
    Waiting(A, R),
    /// The error has been told.
    Failed,
    Ended,
}
