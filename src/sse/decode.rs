use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr2};

/// One event of a stream: its name (empty when it has none) and its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub name: Bytes,
    pub data: Bytes,
}

/// What the decoder found next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Event(Event),
    /// An event longer than the limit was thrown away; the stream goes on behind it.
    Oversized,
}

/// Cuts a byte stream into events, however it is split into reads.
///
/// An event that lies whole inside one read is handed out without copying it. Memory is bounded by the limit
/// plus one read; an event that came in pieces is scanned once, not once a piece.
#[derive(Debug)]
pub struct Decoder {
    /// The read being cut up.
    input: Bytes,
    /// The beginning of an event whose end has not been read yet.
    partial: BytesMut,
    /// In `partial` and the read before: whether a line has just ended, so that another line end is a blank line.
    at_line_start: bool,
    /// The last byte read was a CR; an LF right behind it belongs to it.
    after_cr: bool,
    /// The event being read is over the limit and is being thrown away.
    oversized: bool,
    first: bool,
    limit: usize,
}

impl Decoder {
    /// `limit` is the longest event in bytes, names and line ends included.
    pub fn new(limit: usize) -> Self {
        Self {
            input: Bytes::new(),
            partial: BytesMut::new(),
            at_line_start: true,
            after_cr: false,
            oversized: false,
            first: true,
            limit,
        }
    }

    /// Takes the next read. Call [`Decoder::next`] until it has nothing more before the following one.
    pub fn push(&mut self, read: Bytes) {
        debug_assert!(self.input.is_empty(), "the read before is not used up");
        self.input = read;
    }

    /// The next event of what has been pushed, or `None` when more must be read first.
    #[expect(
        clippy::should_implement_trait,
        reason = "it is fed between calls, so it is no iterator"
    )]
    pub fn next(&mut self) -> Option<Item> {
        loop {
            let block = self.next_block()?;
            if std::mem::take(&mut self.oversized) || block.len() > self.limit {
                self.first = false;
                return Some(Item::Oversized);
            }
            let block = if std::mem::take(&mut self.first) {
                without_bom(block)
            } else {
                block
            };
            if let Some(event) = parse(&block) {
                return Some(Item::Event(event));
            }
        }
    }

    /// Whether nothing is left of what was pushed.
    pub fn is_used_up(&self) -> bool {
        self.input.is_empty()
    }

    /// How many bytes of an unfinished event it keeps between two reads: never more than the limit.
    pub fn held(&self) -> usize {
        self.partial.len()
    }

    /// The lines up to the next blank line.
    fn next_block(&mut self) -> Option<Bytes> {
        let mut at = 0;
        if self.after_cr && !self.input.is_empty() {
            self.after_cr = false;
            if self.input.first() == Some(&b'\n') {
                if self.partial.is_empty() {
                    self.input.advance(1);
                } else {
                    // It counts as it does in one read, so that an event is as long however it is split.
                    at = 1;
                }
            }
        }
        while let Some(found) = self
            .input
            .get(at..)
            .and_then(|rest| memchr2(b'\n', b'\r', rest))
        {
            let end = at + found;
            let is_blank = found == 0 && self.at_line_start;
            let mut behind = end + 1;
            if self.input.get(end) == Some(&b'\r') {
                match self.input.get(behind) {
                    Some(b'\n') => behind += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            self.at_line_start = true;
            at = behind;
            if is_blank {
                return Some(self.take(end, behind));
            }
        }
        if at < self.input.len() {
            self.at_line_start = false;
        }
        self.keep_rest();
        None
    }

    /// Hands out everything before `end` and goes on at `behind`.
    fn take(&mut self, end: usize, behind: usize) -> Bytes {
        let head = self.input.split_to(behind);
        if self.partial.is_empty() {
            return head.slice(..end);
        }
        self.partial
            .extend_from_slice(head.get(..end).unwrap_or_default());
        self.partial.split().freeze()
    }

    fn keep_rest(&mut self) {
        let rest = std::mem::take(&mut self.input);
        if self.oversized || self.partial.len() + rest.len() > self.limit {
            // What is thrown away needs no memory; only where it ends matters.
            self.oversized |= !rest.is_empty();
            self.partial.clear();
        } else {
            self.partial.extend_from_slice(&rest);
        }
    }
}

fn without_bom(block: Bytes) -> Bytes {
    if block.starts_with(b"\xEF\xBB\xBF") {
        block.slice(3..)
    } else {
        block
    }
}

/// Reads the fields of one block; `None` when it holds no data and so is no event.
fn parse(block: &Bytes) -> Option<Event> {
    let mut name = 0..0;
    let mut data: Option<Range<usize>> = None;
    let mut joined: Option<BytesMut> = None;
    let mut at = 0;
    while at < block.len() {
        let rest = block.get(at..).unwrap_or_default();
        let end = at + memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (field, value) = split_field(block, at..end);
        // The LF of a CRLF is taken as an empty line, which inside a block means nothing.
        at = end + 1;
        match field {
            b"data" => match (&data, &mut joined) {
                (None, _) => data = Some(value),
                (Some(first), None) => {
                    let mut all = BytesMut::with_capacity(first.len() + value.len() + 1);
                    all.extend_from_slice(block.get(first.clone()).unwrap_or_default());
                    all.extend_from_slice(b"\n");
                    all.extend_from_slice(block.get(value).unwrap_or_default());
                    joined = Some(all);
                }
                (Some(_), Some(all)) => {
                    all.extend_from_slice(b"\n");
                    all.extend_from_slice(block.get(value).unwrap_or_default());
                }
            },
            b"event" => name = value,
            _ => {}
        }
    }
    let data = match joined {
        Some(joined) => joined.freeze(),
        None => block.slice(data?),
    };
    let name = block.slice(name);
    Some(Event { name, data })
}

/// Splits a line at its first colon: the field, and where the value is. One blank behind the colon is not part of it.
fn split_field(block: &Bytes, line: Range<usize>) -> (&[u8], Range<usize>) {
    let text = block.get(line.clone()).unwrap_or_default();
    let Some(colon) = memchr(b':', text) else {
        return (text, line.end..line.end);
    };
    let blank = usize::from(text.get(colon + 1) == Some(&b' '));
    let value = line.start + colon + 1 + blank..line.end;
    (text.get(..colon).unwrap_or_default(), value)
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
