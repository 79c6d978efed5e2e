use bytes::Bytes;

/// The body of one submit.
///
/// Submitting buys a task, so a submission is spent by sending it: it cannot be cloned, and only an error that
/// proves that nothing was accepted gives it back.
#[derive(Debug)]
pub struct Submission {
    body: Bytes,
    streams: bool,
}

impl Submission {
    /// `streams` must be what the body says under `stream`.
    pub fn new(body: Bytes, streams: bool) -> Self {
        Self { body, streams }
    }

    pub fn body(&self) -> &Bytes {
        &self.body
    }

    pub fn streams(&self) -> bool {
        self.streams
    }
}
