use std::time::Duration;

use bytes::Bytes;

use crate::fox::Failure;

/// Something that happened to the task; whoever drives the machine does the I/O and reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A query was answered, or failed.
    Queried(Report),
    /// The stream is open; it starts over from chunk 0.
    Opened,
    /// The stream could not be opened.
    NotOpened { retry_after: Option<Duration> },
    /// A chunk was read. `is_new`: it brings what the client has not been told.
    Chunk { is_new: bool },
    /// The stream replays something else than what the client was told.
    Diverged,
    /// The stream says that it is whole. `finished`: everything that was begun has its finish reason. `owes`: the
    /// client is owed something that only the task's result has, such as usage.
    Done {
        total: Option<u64>,
        finished: bool,
        owes: bool,
    },
    /// The stream says that the task went wrong.
    StreamError(Failure),
    /// The stream ended without saying so.
    Cut,
    /// No chunk for `stream.idle`, from a stream that is open or still being opened.
    Silent,
    /// `task.deadline` has passed.
    Deadline,
    /// The proxy is being stopped and will wait no longer.
    Stop,
    /// Whoever it is pursued for wants no more of it.
    Cancel,
}

/// What a query says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It has not begun yet.
    Queued,
    Running,
    /// With or still without `results[0]`.
    Completed(Option<Bytes>),
    Failed(Failure),
    /// 404.
    Unknown,
    /// It could not be asked just now: 429, 5xx, network, an unreadable reply.
    Trouble {
        retry_after: Option<Duration>,
    },
    /// It may not be asked any more: another 4xx.
    Refused {
        status: u16,
        failure: Option<Failure>,
    },
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Query the task after this long. A stream that is open, or being opened, stays so meanwhile.
    Query {
        after: Duration,
    },
    /// Open the stream anew after this long, in place of one that may still be open or being opened.
    Open {
        after: Duration,
    },
    /// Go on with the stream: read it, or wait for it to be opened.
    Read,
    /// Hand the chunk just read to the client, then read on.
    Forward,
    Finish(Ending),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The stream was whole and every chunk of it was forwarded.
    Streamed,
    /// The same, and this is the task's result with what was owed besides.
    Settled(Bytes),
    /// The task's result: the whole answer. After forwarded chunks, its tail is still owed.
    Answered(Bytes),
    Failed(Failure),
    /// Completed, but the results did not come within the grace.
    NoResults,
    /// The upstream no longer knows the task or no longer lets it be asked for.
    Lost {
        status: u16,
        failure: Option<Failure>,
    },
    /// The deadline passed while the task was still running, or (`unreachable`) could not be asked about.
    Deadline {
        unreachable: bool,
    },
    Stopped,
    /// It is wanted no longer; the task goes on all the same.
    Cancelled,
}
