use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use memchr::memchr;

/// The longest head that is watched; hyper refuses longer ones.
const LONGEST_HEAD: usize = 64 << 10;

/// Looks for request heads that say in two ways where their body ends, which is how requests are smuggled past a
/// front.
///
/// hyper drops one of the two headers before anybody can see it, so the bytes are looked at on their way to it: from
/// each first byte behind a reply up to the end of the head, mostly in place. Heads that a client sends before it has
/// the reply to the one before are not seen; hyper closes their connection after them.
pub(super) struct HeadWatch {
    verdict: Verdict,
    /// What has been read of a head that is not whole yet.
    partial: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// What is read next belongs to a head.
    Watching,
    /// The head is known; its body and its reply are under way.
    Judged,
    /// HTTP/2 frames its messages in one way only.
    Off,
}

/// Whether the head just read is ambiguous; shared with the service that answers it.
#[derive(Clone, Default)]
pub(super) struct Verdict(Arc<AtomicBool>);

impl Verdict {
    /// Takes the verdict on the current request.
    pub(super) fn take(&self) -> bool {
        // Only one task ever touches it.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}

impl HeadWatch {
    pub(super) fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            partial: Vec::new(),
            state: State::Watching,
        }
    }

    /// A reply is being written: what is read next begins a head, unless it is the body that was just asked for.
    pub(super) fn on_write(&mut self, written: &[u8]) {
        if self.state == State::Judged && !written.starts_with(b"HTTP/1.1 100 ") {
            self.state = State::Watching;
        }
    }

    pub(super) fn on_read(&mut self, read: &[u8]) {
        if self.state != State::Watching {
            return;
        }
        if self.partial.is_empty() && read.starts_with(b"PRI * HTTP/2") {
            self.state = State::Off;
            return;
        }
        let ambiguous = if self.partial.is_empty() {
            judge(read)
        } else {
            self.partial.extend_from_slice(read);
            judge(&self.partial)
        };
        match ambiguous {
            Some(ambiguous) => {
                self.state = State::Judged;
                self.partial = Vec::new();
                self.verdict.0.store(ambiguous, Ordering::Relaxed);
            }
            None if self.partial.len() + read.len() > LONGEST_HEAD => {
                self.state = State::Judged;
                self.partial = Vec::new();
            }
            None if self.partial.is_empty() => self.partial.extend_from_slice(read),
            None => {}
        }
    }
}

/// Whether a head has both `content-length` and `transfer-encoding`; `None` when its end is not there yet.
fn judge(bytes: &[u8]) -> Option<bool> {
    let (mut has_length, mut has_encoding) = (false, false);
    let mut rest = bytes;
    loop {
        let end = memchr(b'\n', rest)?;
        let (line, behind) = rest.split_at(end);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // Empty lines in front of a request line are allowed.
        if line.is_empty() && rest.as_ptr() != bytes.as_ptr() {
            return Some(has_length && has_encoding);
        }
        let name = line
            .get(..memchr(b':', line).unwrap_or(0))
            .unwrap_or_default();
        has_length |= name.eq_ignore_ascii_case(b"content-length");
        has_encoding |= name.eq_ignore_ascii_case(b"transfer-encoding");
        rest = behind.get(1..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(reads: &[&[u8]]) -> bool {
        let verdict = Verdict::default();
        let mut watch = HeadWatch::new(verdict.clone());
        for read in reads {
            watch.on_read(read);
        }
        verdict.take()
    }

    const PLAIN: &[u8] = b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\ntransfer-encoding: x";
    const BOTH: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 5\r\nx: y\r\nTRANSFER-ENCODING: chunked\r\n\r\n0\r\n\r\n";

    #[test]
    fn both_headers_are_seen_however_the_reads_fall() {
        assert!(watch(&[BOTH]) && !watch(&[PLAIN]));
        for at in 1..BOTH.len() {
            assert!(watch(&[&BOTH[..at], &BOTH[at..]]), "{at}");
        }
        for at in 1..PLAIN.len() {
            assert!(!watch(&[&PLAIN[..at], &PLAIN[at..]]), "{at}");
        }
        let bytes: Vec<&[u8]> = BOTH.chunks(1).collect();
        assert!(watch(&bytes));
        assert!(watch(&[
            b"\r\nPOST / HTTP/1.1\ncontent-length: 5\ntransfer-encoding: chunked\n\n"
        ]));
    }

    #[test]
    fn each_head_has_its_own_verdict() {
        let verdict = Verdict::default();
        let mut watch = HeadWatch::new(verdict.clone());
        watch.on_read(BOTH);
        assert!(verdict.take() && !verdict.take());
        watch.on_write(b"HTTP/1.1 200 OK");
        watch.on_read(PLAIN);
        assert!(!verdict.take());
        watch.on_write(b"HTTP/1.1 200 OK");
        watch.on_read(BOTH);
        assert!(verdict.take());
    }

    #[test]
    fn a_body_that_was_asked_for_is_no_head() {
        let verdict = Verdict::default();
        let mut watch = HeadWatch::new(verdict.clone());
        watch.on_read(PLAIN);
        watch.on_write(b"HTTP/1.1 100 Continue\r\n\r\n");
        // Taken for the beginning of a head, it would end it together with the empty line that follows.
        watch.on_read(b"{}\r\n");
        watch.on_write(b"HTTP/1.1 200 OK\r\n");
        watch.on_read(&[b"\r\n", BOTH].concat());
        assert!(verdict.take());
    }

    #[test]
    fn memory_is_bounded() {
        let mut watch = HeadWatch::new(Verdict::default());
        for _ in 0..1000 {
            watch.on_read(&[b'x'; 1024]);
            assert!(watch.partial.len() <= LONGEST_HEAD);
        }
    }
}
