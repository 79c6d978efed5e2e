use std::fmt::Write;

use bytes::BytesMut;

use crate::sse::write_event;

/// Writes events under the numbers that they have in the whole stream, and only those that the client does not have.
#[derive(Debug)]
pub(super) struct Numbered {
    next: u64,
    /// The number of the last event that the client has from an earlier connection.
    after: Option<u64>,
    /// Where an event is put together, again and again.
    json: String,
}

impl Numbered {
    pub(super) fn new(after: Option<u64>) -> Self {
        Self {
            next: 0,
            after,
            json: String::new(),
        }
    }

    /// Writes the next event. `members` are the inside of its JSON object but for its type and its number.
    pub(super) fn write(&mut self, out: &mut BytesMut, kind: &str, members: &[&str]) {
        let number = self.next;
        self.next += 1;
        if self.after.is_none_or(|after| number > after) {
            self.put(out, kind, number, members);
        }
    }

    /// Whether the client has the next event, which is then passed over.
    pub(super) fn passes_over(&mut self) -> bool {
        let is_known = self.after.is_some_and(|after| self.next <= after);
        self.next += u64::from(is_known);
        is_known
    }

    /// Writes something that is no part of the stream, and that a client which goes on later must not count as one.
    pub(super) fn write_aside(&mut self, out: &mut BytesMut, kind: &str, members: &[&str]) {
        let last = self.next.saturating_sub(1);
        let number = self.after.map_or(last, |after| after.max(last));
        self.put(out, kind, number, members);
    }

    /// Writes the last event, unless it is just the one that the client has. To a client that has more than there seems to
    /// be, it is the one behind these.
    pub(super) fn write_last(&mut self, out: &mut BytesMut, kind: &str, members: &[&str]) {
        if self.after == Some(self.next) {
            return;
        }
        let number = self
            .after
            .map_or(self.next, |after| self.next.max(after.saturating_add(1)));
        self.next = number.saturating_add(1);
        self.put(out, kind, number, members);
    }

    fn put(&mut self, out: &mut BytesMut, kind: &str, number: u64, members: &[&str]) {
        let json = &mut self.json;
        json.clear();
        // Writing to a string cannot fail.
        let _ = write!(json, r#"{{"type":"{kind}","sequence_number":{number}"#);
        json.push(',');
        for member in members {
            json.push_str(member);
        }
        json.push('}');
        write_event(out, kind, json.as_bytes());
    }
}
