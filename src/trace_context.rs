//! What the headers `traceparent` and `tracestate` say (W3C Trace Context): of which trace a request is part.

use std::fmt;

/// The longest `tracestate` that is passed on, which is what the recommendation asks for.
const LONGEST_STATE: usize = 512;

/// The place of a span among all traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// Of the whole trace; never zero.
    pub trace: u128,
    /// Of the span in it; never zero.
    pub span: u64,
    /// Whether the trace is kept.
    pub sampled: bool,
    /// What tracing systems carry along, passed on as it is.
    pub state: Option<String>,
}

impl TraceContext {
    /// Reads the values of both headers, in their order. `None` where there is not exactly one `traceparent`, or one that
    /// says nothing: the trace then begins anew, and its state is nobody's.
    pub fn read<'a>(
        mut parents: impl Iterator<Item = &'a [u8]>,
        states: impl Iterator<Item = &'a [u8]>,
    ) -> Option<Self> {
        let parent = parents.next()?;
        if parents.next().is_some() {
            return None;
        }
        let context = Self::parse(std::str::from_utf8(parent).ok()?.trim())?;
        let state = states.collect::<Vec<_>>().join(&b","[..]);
        let is_sane =
            |state: &str| state.len() <= LONGEST_STATE && state.bytes().all(is_state_byte);
        Some(Self {
            state: String::from_utf8(state)
                .ok()
                .filter(|state| !state.is_empty() && is_sane(state)),
            ..context
        })
    }

    /// `VERSION-TRACE-SPAN-FLAGS` in lower-case hexadecimal. A later version may say more behind these.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let version = hex(parts.next()?, 2)? as u8;
        let trace = hex(parts.next()?, 32)?;
        let span = hex(parts.next()?, 16)? as u64;
        let flags = hex(parts.next()?, 2)? as u8;
        let says_more = parts.next().is_some();
        let is_known = version == 0 && !says_more;
        let is_later = (1..0xff).contains(&version);
        (trace != 0 && span != 0 && (is_known || is_later)).then_some(Self {
            trace,
            span,
            sampled: flags & 1 == 1,
            state: None,
        })
    }
}

/// As `traceparent` says it.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (self.trace, self.span);
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", self.sampled as u8)
    }
}

/// A number of exactly so many digits.
fn hex(digits: &str, length: usize) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_number = digits.len() == length && digits.bytes().all(is_digit);
    u128::from_str_radix(digits, 16).ok().filter(|_| is_number)
}

fn is_state_byte(byte: u8) -> bool {
    byte == b'\t' || (b' '..=b'~').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(parents: &[&str], states: &[&str]) -> Option<TraceContext> {
        let bytes = |text: &&'static str| text.as_bytes();
        let leaked = |texts: &[&str]| -> Vec<&'static str> {
            let texts = texts.iter();
            texts.map(|text| &*text.to_string().leak()).collect()
        };
        TraceContext::read(
            leaked(parents).iter().map(bytes),
            leaked(states).iter().map(bytes),
        )
    }

    #[test]
    fn a_parent_is_read_and_said_again() {
        let context = read(&[PARENT], &["a=1", "b=2"]).unwrap();
        assert_eq!(context.trace, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(context.span, 0x00f0_67aa_0ba9_02b7);
        assert!(context.sampled);
        assert_eq!(context.state.as_deref(), Some("a=1,b=2"));
        assert_eq!(context.to_string(), PARENT);
        let unsampled = PARENT.replace("-01", "-00");
        assert_eq!(read(&[&unsampled], &[]).unwrap().to_string(), unsampled);
    }

    #[test]
    fn later_versions_may_say_more() {
        let later = PARENT.replacen("00-", "01-", 1);
        for text in [later.clone(), format!("{later}-more"), format!("{later}-")] {
            assert_eq!(read(&[&text], &[]).unwrap().to_string(), PARENT, "{text}");
        }
    }

    #[test]
    fn what_says_nothing_is_no_parent() {
        for malformed in [
            "".to_owned(),
            "00".to_owned(),
            "hello".to_owned(),
            format!("{PARENT}-more"),
            format!("{PARENT}0"),
            PARENT.to_uppercase(),
            PARENT.replacen("00-", "ff-", 1),
            PARENT.replacen("00-", "0-", 1),
            PARENT.replace("-01", "-1"),
            PARENT.replace("-01", ""),
            PARENT.replace("4bf9", "+bf9"),
            PARENT.replace('-', "_"),
            PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            PARENT.replace("00f067aa0ba902b7", "00f067aa0ba902b"),
            PARENT.replace("00f067aa0ba902b7", "00f067aa0ba902bé"),
        ] {
            assert_eq!(read(&[&malformed], &[]), None, "{malformed}");
        }
        assert_eq!(read(&[], &["a=1"]), None);
        assert_eq!(read(&[PARENT, PARENT], &[]), None);
    }

    #[test]
    fn a_state_that_cannot_be_passed_on_is_left_out() {
        for state in ["", "a=\u{e9}", "a=\n", &"a".repeat(513)] {
            let context = read(&[PARENT], &[state]).unwrap();
            assert_eq!(context.state, None, "{state}");
        }
    }
}
