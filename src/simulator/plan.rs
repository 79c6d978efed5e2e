//! What is to happen at the first, the second, … time: `429x2,reset,ok,500x*`.

use std::time::Duration;

use hyper::StatusCode;

/// Steps that are gone through one occurrence at a time; after the last one everything is as usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan<T> {
    steps: Vec<Step<T>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step<T> {
    /// Absent where the plan says `ok`.
    what: Option<T>,
    /// Absent where the plan says `x*`: for ever.
    times: Option<u64>,
}

impl<T> Default for Plan<T> {
    fn default() -> Self {
        Self { steps: Vec::new() }
    }
}

impl<T> Plan<T> {
    /// Reads comma-separated steps, each `WHAT`, `WHATxN` or `WHATx*`.
    pub(super) fn parse(
        value: &str,
        what: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Self, String> {
        let step = |text: &str| {
            let (word, times) = match text.rsplit_once('x') {
                Some((word, "*")) => (word, None),
                Some((word, count)) => match count.parse() {
                    Ok(count) => (word, Some(count)),
                    Err(_) => (text, Some(1)),
                },
                None => (text, Some(1)),
            };
            let what = match word {
                "ok" => None,
                word => Some(what(word)?),
            };
            Ok(Step { what, times })
        };
        let steps = value.split(',').map(step).collect::<Result<_, String>>()?;
        Ok(Self { steps })
    }

    /// What is planned for the `nth` occurrence, counted from 0.
    pub(super) fn at(&self, mut nth: u64) -> Option<&T> {
        for step in &self.steps {
            match step.times {
                Some(times) if nth >= times => nth -= times,
                _ => return step.what.as_ref(),
            }
        }
        None
    }
}

/// What happens to a request instead of its proper answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reaction {
    /// An error of section 6; statuses that only the front proxy uses come as HTML.
    Status(StatusCode, Option<String>),
    /// The front proxy's error page.
    Html(StatusCode),
    /// A status without a body.
    Empty(StatusCode),
    /// 200 with a body that is not JSON.
    Garbage,
    /// 200 with a body that ends before its announced length.
    Truncated,
    /// 307 to another address.
    Redirect(String),
    /// The connection is closed instead of answering.
    Close,
    /// The connection is reset (TCP RST) instead of answering.
    Reset,
    /// No answer ever.
    Hang,
}

impl Reaction {
    pub(super) fn parse(word: &str) -> Result<Self, String> {
        let (name, argument) = match word.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (word, None),
        };
        Ok(match (name, argument) {
            ("html", Some(status)) => Self::Html(error_status(status)?),
            ("empty", Some(status)) => Self::Empty(error_status(status)?),
            ("redirect", Some(url)) => Self::Redirect(url.to_owned()),
            ("garbage", None) => Self::Garbage,
            ("truncated", None) => Self::Truncated,
            ("close", None) => Self::Close,
            ("reset", None) => Self::Reset,
            ("hang", None) => Self::Hang,
            (status, code) => Self::Status(error_status(status)?, code.map(str::to_owned)),
        })
    }
}

fn error_status(word: &str) -> Result<StatusCode, String> {
    word.parse()
        .ok()
        .filter(|status: &StatusCode| status.is_client_error() || status.is_server_error())
        .ok_or_else(|| {
            format!(
                "{word:?} is neither an error status nor one of html:STATUS, empty:STATUS, redirect:URL, garbage, \
                 truncated, close, reset, hang"
            )
        })
}

/// What happens to a submit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SubmitFault {
    /// The task is made all the same, so that the client cannot know.
    pub(super) accepted: bool,
    pub(super) reaction: Reaction,
}

impl SubmitFault {
    pub(super) fn parse(word: &str) -> Result<Self, String> {
        let (accepted, reaction) = match word.strip_prefix("accept+") {
            Some(reaction) => (true, reaction),
            None => (false, word),
        };
        Ok(Self {
            accepted,
            reaction: Reaction::parse(reaction)?,
        })
    }
}

/// What happens to one connection of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StreamFault {
    /// How many chunks are sent whole before it happens.
    pub(super) after: usize,
    pub(super) kind: StreamFaultKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StreamFaultKind {
    /// The connection is closed in the middle of the body, so many bytes into the next event.
    Cut { bytes: usize },
    /// The connection is reset.
    Reset,
    /// Nothing more is sent, for a time or for ever.
    Stall(Option<Duration>),
    /// An `error` event, then the end.
    Error,
    /// The body ends properly, without `done`.
    End,
    /// Nothing but heartbeats from here on, so far apart.
    Beat(Duration),
    /// The next chunk is left out, and `total_chunks` counts it all the same.
    Lose,
}

/// Between two heartbeats, unless the script says otherwise.
const USUAL_BEAT: Duration = Duration::from_secs(1);

impl StreamFault {
    pub(super) fn parse(word: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "{word:?} is none of cut@CHUNKS, cut@CHUNKS+BYTES, reset@CHUNKS, stall@CHUNKS, \
                 stall@CHUNKS:DURATION, beat@CHUNKS, beat@CHUNKS:DURATION, error@CHUNKS, end@CHUNKS, lose@CHUNKS"
            )
        };
        let count = |digits: &str| digits.parse::<usize>().map_err(|_| expected());
        let timed = |place: &str| -> Result<_, String> {
            let Some((chunks, time)) = place.split_once(':') else {
                return Ok((count(place)?, None));
            };
            let time = humantime::parse_duration(time).map_err(|_| expected())?;
            Ok((count(chunks)?, Some(time)))
        };
        let (name, place) = word.split_once('@').ok_or_else(expected)?;
        let (after, kind) = match name {
            "cut" => {
                let (chunks, bytes) = place.split_once('+').unwrap_or((place, "0"));
                let bytes = count(bytes)?;
                (count(chunks)?, StreamFaultKind::Cut { bytes })
            }
            "stall" => {
                let (chunks, time) = timed(place)?;
                (chunks, StreamFaultKind::Stall(time))
            }
            "beat" => {
                let (chunks, every) = timed(place)?;
                (chunks, StreamFaultKind::Beat(every.unwrap_or(USUAL_BEAT)))
            }
            "reset" => (count(place)?, StreamFaultKind::Reset),
            "error" => (count(place)?, StreamFaultKind::Error),
            "end" => (count(place)?, StreamFaultKind::End),
            "lose" => (count(place)?, StreamFaultKind::Lose),
            _ => return Err(expected()),
        };
        Ok(Self { after, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_gone_through_once() {
        let plan = Plan::parse("ax2,ok,b,cx*", |word| Ok(word.to_owned())).unwrap();
        let met: Vec<_> = (0..6).map(|nth| plan.at(nth).map(String::as_str)).collect();
        assert_eq!(
            met,
            [Some("a"), Some("a"), None, Some("b"), Some("c"), Some("c")]
        );
        assert_eq!(Plan::<String>::default().at(0), None);
    }

    #[test]
    fn reactions_are_told_apart() {
        use Reaction::*;
        let status = |code| StatusCode::from_u16(code).unwrap();
        for (word, reaction) in [
            ("429", Status(status(429), None)),
            (
                "422:no_available_model",
                Status(status(422), Some("no_available_model".into())),
            ),
            ("html:500", Html(status(500))),
            ("empty:503", Empty(status(503))),
            ("garbage", Garbage),
            ("truncated", Truncated),
            (
                "redirect:http://evil.example/",
                Redirect("http://evil.example/".into()),
            ),
            ("close", Close),
            ("reset", Reset),
            ("hang", Hang),
        ] {
            assert_eq!(Reaction::parse(word), Ok(reaction));
        }
        for word in ["200", "x", "", "hang:3", "html", "html:200"] {
            assert!(Reaction::parse(word).is_err(), "{word}");
        }
        let fault = SubmitFault::parse("accept+reset").unwrap();
        assert!(fault.accepted && fault.reaction == Reset);
    }

    #[test]
    fn stream_faults_have_a_place() {
        use StreamFaultKind::*;
        for (word, after, kind) in [
            ("cut@3", 3, Cut { bytes: 0 }),
            ("cut@0+17", 0, Cut { bytes: 17 }),
            ("reset@2", 2, Reset),
            ("stall@1", 1, Stall(None)),
            ("stall@1:250ms", 1, Stall(Some(Duration::from_millis(250)))),
            ("error@4", 4, Error),
            ("end@9", 9, End),
            ("beat@2", 2, Beat(Duration::from_secs(1))),
            ("beat@2:5ms", 2, Beat(Duration::from_millis(5))),
            ("lose@0", 0, Lose),
        ] {
            assert_eq!(StreamFault::parse(word), Ok(StreamFault { after, kind }));
        }
        for word in ["cut", "cut@", "cut@x", "melt@3", "stall@1:soon", "end@1+2"] {
            assert!(StreamFault::parse(word).is_err(), "{word}");
        }
    }
}
