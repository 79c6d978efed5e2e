use std::{
    cell::RefCell,
    error::Error,
    fmt::{self, Debug, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Writer},
        time::{FormatTime, SystemTime as Clock},
    },
    registry::LookupSpan,
};

/// Events as lines of text, at a third of the cost of tracing-subscriber's own: one line is written for each request. They
/// look the same, but that control characters are escaped wherever they stand, and each cause of an error is told like it.
///
/// `2026-11-26T15:04:43.146365Z  INFO foxbridge::server::access: answered id="req_1" status=200`
pub(super) struct Text;

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if context.lookup_current().is_some() {
            // Spans are told by libraries alone, and only to those who look for a fault.
            let whole = Format::default().with_ansi(false);
            return whole.format_event(context, writer, event);
        }
        write_time(&mut writer)?;
        let metadata = event.metadata();
        // Five wide, so that what follows stands in one column.
        writer.write_str(match *metadata.level() {
            tracing::Level::ERROR => " ERROR ",
            tracing::Level::WARN => "  WARN ",
            tracing::Level::INFO => "  INFO ",
            tracing::Level::DEBUG => " DEBUG ",
            tracing::Level::TRACE => " TRACE ",
        })?;
        writer.write_str(metadata.target())?;
        writer.write_char(':')?;
        let mut fields = Fields {
            writer: writer.by_ref(),
            result: Ok(()),
        };
        event.record(&mut fields);
        fields.result?;
        writer.write_char('\n')
    }
}

/// Writes the time in UTC, to the microsecond. All but the fraction of a second is put into words once a second.
fn write_time(writer: &mut Writer<'_>) -> fmt::Result {
    thread_local! {
        static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now.as_secs() || text.is_empty() {
            text.clear();
            Clock.format_time(&mut Writer::new(text))?;
            // "2026-11-26T15:04:43"
            text.truncate(19);
            *second = now.as_secs();
        }
        write!(writer, "{text}.{:06}Z", now.subsec_micros())
    })
}

/// Writes the message for itself, and every other field with its name.
struct Fields<'a> {
    writer: Writer<'a>,
    result: fmt::Result,
}

impl Fields<'_> {
    fn write(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let name = field.name();
        let written = self.writer.write_char(' ').and_then(|()| {
            if name != "message" {
                self.writer
                    .write_str(name.strip_prefix("r#").unwrap_or(name))?;
                self.writer.write_char('=')?;
            }
            value(&mut self.writer)
        });
        self.result = self.result.and(written);
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, |writer| write!(Harmless(writer), "{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.write(field, |writer| write!(Harmless(writer), "{value}"));
        let mut cause = value.source();
        while let Some(error) = cause {
            self.write(field, |writer| write!(Harmless(writer), "{error}"));
            cause = error.source();
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let is_plain = value
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\');
        self.write(field, |writer| match (is_plain, field.name()) {
            (_, "message") => Harmless(writer).write_str(value),
            (true, _) => {
                writer.write_char('"')?;
                writer.write_str(value)?;
                writer.write_char('"')
            }
            // With everything escaped that could break the line.
            (false, _) => write!(writer, "{value:?}"),
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, |writer| write!(writer, "{value}"));
    }
}

/// Escapes control characters, so that whoever is quoted in the log can neither begin a line there nor command a
/// terminal.
struct Harmless<'a, 'w>(&'a mut Writer<'w>);

impl Write for Harmless<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(char::is_control) {
            let mut characters = piece.chars();
            match characters.next_back().filter(|last| last.is_control()) {
                None => self.0.write_str(piece)?,
                Some(last) => {
                    self.0.write_str(characters.as_str())?;
                    write!(self.0, "{}", last.escape_debug())?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::{fmt::layer, layer::SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("a lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn say() {
        let text = String::from("a \"b\"\n\té\\");
        tracing::info!(
            id = "req_1",
            status = 200u16,
            ms = 7u64,
            none = None::<u64>,
            some = Some(3u64),
            "answered"
        );
        tracing::warn!(text, display = %"d e", debug = ?text, is = true, signed = -1, float = 1.5, "odd {}", "things");
        tracing::debug!(message = "a message field", r#type = "x");
        tracing::error!("just words");
        tracing::trace!(only = "a field");
    }

    /// What this formatter writes of what is said.
    fn ours(say: impl FnOnce()) -> Vec<String> {
        let written = Written::default();
        let writer = written.clone();
        let layer = layer()
            .with_writer(move || writer.clone())
            .event_format(Text);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say);
        lines(&written)
    }

    /// Everything behind the time.
    fn lines(written: &Written) -> Vec<String> {
        let bytes = written.0.lock().expect("a lock").clone();
        let text = String::from_utf8(bytes).expect("text");
        text.lines()
            .map(|line| {
                let (time, rest) = line.split_at(27);
                assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
                rest.to_owned()
            })
            .collect()
    }

    #[test]
    fn lines_are_those_of_tracing_subscriber() {
        let theirs = Written::default();
        let writer = theirs.clone();
        let layer = layer().with_writer(move || writer.clone()).with_ansi(false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say);
        let ours = ours(say);
        assert_eq!(ours, lines(&theirs));
        assert_eq!(ours.len(), 5);
    }

    #[test]
    fn nobody_who_is_quoted_begins_a_line_or_commands_a_terminal() {
        let bad = "a\n2026 INFO forged\u{1b}[31m\u{9b}é";
        let lines = ours(|| {
            tracing::info!(text = bad, display = %bad, debug = ?bad, "{bad}");
            tracing::info!(bad);
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
        let escaped = r"a\n2026 INFO forged\u{1b}[31m\u{9b}é";
        for line in &lines {
            assert!(!line.contains(char::is_control), "{line:?}");
        }
        assert_eq!(lines[0].matches(escaped).count(), 4, "{}", lines[0]);
    }

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn the_causes_of_an_error_are_told() {
        let lines = ours(|| {
            let error = Outer(io::Error::other("inner"));
            let error: &(dyn Error + 'static) = &error;
            tracing::info!(error, "failed");
        });
        assert!(
            lines[0].ends_with("failed error=outer error=inner"),
            "{lines:?}"
        );
    }
}
