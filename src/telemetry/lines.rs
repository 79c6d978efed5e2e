use std::{
    cell::RefCell,
    io::{self, Write},
    time::{Duration, Instant},
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// What a thread has logged is written when it has become so much, although the thread does not rest.
const MOST: usize = 16 << 10;
/// Or when it is so old, and another line comes.
const OLDEST: Duration = Duration::from_millis(200);

/// Standard error, to which a thread that gathers writes what it has logged since it last rested in one go.
///
/// A write costs as much as all the rest of a line, and a thread that serves a crowd logs many lines between two rests.
/// Nothing is held back: a thread that has nothing more to do writes at once, and what went wrong does not wait at all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines;

/// Where one event goes.
pub(super) struct Line {
    may_wait: bool,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { may_wait: false }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line {
        Line {
            may_wait: *metadata.level() >= Level::INFO,
        }
    }
}

thread_local! {
    static GATHERED: RefCell<Gathered> = const { RefCell::new(Gathered { lines: Vec::new(), since: None, is_on: false }) };
}

struct Gathered {
    lines: Vec<u8>,
    /// When the first of them came.
    since: Option<Instant>,
    /// Whether this thread says when it rests.
    is_on: bool,
}

/// From here on, this thread says when it rests, by [`write_out`].
pub fn gather() {
    // A thread that is ending has none any more, here and below.
    let _ = GATHERED.try_with(|gathered| gathered.borrow_mut().is_on = true);
}

/// Writes what this thread has gathered.
pub fn write_out() {
    let _ = GATHERED.try_with(|gathered| gathered.borrow_mut().write_out());
}

impl Gathered {
    fn write_out(&mut self) {
        if !self.lines.is_empty() {
            // Where nothing can be written, nobody can be told.
            let _ = io::stderr().write_all(&self.lines);
            self.lines.clear();
            self.since = None;
        }
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.write_out();
    }
}

impl Write for Line {
    /// Takes one event, whole.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let is_gathered = GATHERED.try_with(|gathered| {
            let mut gathered = gathered.borrow_mut();
            if gathered.is_on {
                gathered.lines.extend_from_slice(event);
                let since = *gathered.since.get_or_insert_with(Instant::now);
                if !self.may_wait || gathered.lines.len() >= MOST || since.elapsed() >= OLDEST {
                    gathered.write_out();
                }
            }
            gathered.is_on
        });
        if !is_gathered.unwrap_or(false) {
            io::stderr().write_all(event)?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
