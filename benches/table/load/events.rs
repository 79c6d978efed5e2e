use memchr::memmem;

use super::tally::Tally;
use crate::{Fault, plan::Plan, words};

/// Checks a stream while it comes: every chunk there, in order, with its own content, and the right end.
pub(super) struct Events {
    tag: u64,
    total: u32,
    is_paced: bool,
    seen: u32,
    end: End,
    has_ended: bool,
}

/// How a stream says that it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// As OpenAI does.
    Done,
    /// As the upstream does, with the number of chunks.
    Total,
}

impl Events {
    pub(super) fn new(plan: Plan, tag: u64, end: End) -> Result<Self, Fault> {
        let (total, is_paced) = match plan {
            Plan::Burst { chunks } => (chunks, false),
            Plan::Paced { chunks, .. } => (chunks, true),
            plan => return Err(format!("{plan} is not asked for as a stream").into()),
        };
        Ok(Self {
            tag,
            total,
            is_paced,
            seen: 0,
            end,
            has_ended: false,
        })
    }

    /// Takes all whole events off the front of `text`.
    pub(super) fn take(&mut self, text: &mut Vec<u8>, tally: &Tally) -> Result<(), Fault> {
        let mut used = 0;
        while let Some(rest) = text.get(used..)
            && let Some(end) = memmem::find(rest, b"\n\n")
        {
            let event = rest.get(..end).unwrap_or_default();
            for line in event.split(|&byte| byte == b'\n') {
                if let Some(data) = line.strip_prefix(b"data: ") {
                    self.on_data(data, tally)?;
                }
            }
            used += end + 2;
        }
        text.drain(..used);
        Ok(())
    }

    /// # Errors
    /// When the stream has ended before it was whole.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        match self.has_ended {
            true => Ok(()),
            false => Err(format!("ended behind {} of {} chunks", self.seen, self.total).into()),
        }
    }

    fn on_data(&mut self, data: &[u8], tally: &Tally) -> Result<(), Fault> {
        if self.has_ended {
            return Err(self.unexpected(data));
        }
        if self.seen == self.total {
            self.has_ended = match self.end {
                End::Done => data == b"[DONE]",
                End::Total => {
                    words::text_behind(data, b"{").is_ok_and(|name| name.is_empty())
                        && memmem::find(data, format!(":{}}}", self.total).as_bytes()).is_some()
                }
            };
            return match self.has_ended {
                true => Ok(()),
                false => Err(self.unexpected(data)),
            };
        }
        let at = self.seen;
        self.seen += 1;
        if self.seen == self.total {
            words::text_behind(data, br#""finish_reason":"stop"#)?;
            tally.note_chunk(None);
            return Ok(());
        }
        let content = words::text_behind(data, br#""content":""#)?;
        let mut parts = content.trim_start().split('.');
        let tag = parts.next().and_then(|part| part.parse().ok());
        let number = parts.next().and_then(|part| part.parse().ok());
        let stamp = parts.next().and_then(|part| part.parse().ok());
        if tag != Some(self.tag) || number != Some(at) || stamp.is_some() != self.is_paced {
            return Err(self.unexpected(data));
        }
        tally.note_chunk(stamp);
        Ok(())
    }

    fn unexpected(&self, data: &[u8]) -> Fault {
        let data = String::from_utf8_lossy(data);
        format!("behind chunk {} of {}: {data}", self.seen, self.total).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a stream of three chunks with the tag 7.
    fn check(stream: &str) -> Result<(), Fault> {
        let mut events = Events::new(Plan::Burst { chunks: 3 }, 7, End::Done)?;
        let tally = Tally::default();
        let mut text = Vec::new();
        for piece in stream.as_bytes().chunks(5) {
            text.extend_from_slice(piece);
            events.take(&mut text, &tally)?;
        }
        events.finish()
    }

    fn chunk(content: &str) -> String {
        format!("data: {{\"delta\":{{\"content\":\"{content}\"}}}}\n\n")
    }

    #[test]
    fn only_the_whole_stream_in_order_is_right() {
        let (first, second) = (chunk(" 7.0"), chunk(" 7.1"));
        let last = "data: {\"finish_reason\":\"stop\"}\n\n";
        let done = "data: [DONE]\n\n";
        let right = format!("{first}: keep-alive\n{second}{last}{done}");
        assert!(check(&right).is_ok());
        for wrong in [
            format!("{second}{first}{last}{done}"),
            format!("{first}{first}{last}{done}"),
            format!("{first}{last}{done}"),
            format!("{first}{second}{last}"),
            format!("{first}{second}{done}"),
            format!("{right}{first}"),
            right.replace(" 7.1", " 8.1"),
            right.replace("stop", "length"),
            right.replace("[DONE]", "[DON"),
        ] {
            assert!(check(&wrong).is_err(), "{wrong}");
        }
    }
}
