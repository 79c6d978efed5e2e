#![doc = include_str!("markers.md")]

use std::{str::FromStr, time::Duration};

use super::{
    frames::Dialect,
    marker,
    plan::{Plan, Reaction, StreamFault, SubmitFault},
};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) id: Option<String>,
    pub(super) submit: Plan<SubmitFault>,
    pub(super) submit_latency: Option<Duration>,
    pub(super) retry_after: Option<String>,
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) stream_url: Option<String>,
    pub(super) queue: Option<Duration>,
    pub(super) first_chunk: Option<Duration>,
    pub(super) chunk_interval: Option<Duration>,
    pub(super) completion_lag: Option<Duration>,
    pub(super) ending: Ending,
    pub(super) fail_after: Option<usize>,
    pub(super) error_code: Option<String>,
    pub(super) error_message: Option<String>,
    pub(super) error_shape: ErrorShape,
    pub(super) status: Plan<String>,
    pub(super) progress: Option<u8>,
    pub(super) results: Plan<MissingResults>,
    pub(super) results_after: Duration,
    pub(super) query: Plan<Reaction>,
    pub(super) open: Plan<Reaction>,
    pub(super) stream: Plan<StreamFault>,
    pub(super) stream_error: Option<String>,
    pub(super) done: Done,
    pub(super) total: Option<u64>,
    pub(super) dialect: Dialect,
    pub(super) replay: Replay,
    pub(super) usage_chunk: Option<bool>,
    pub(super) text: Option<String>,
    pub(super) result_text: Option<String>,
    pub(super) words: Option<usize>,
    pub(super) reasoning: Option<usize>,
    pub(super) upload: Plan<Reaction>,
}

/// What the `x-ratelimit-*-requests` headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RateLimit {
    pub(super) limit: u64,
    pub(super) remaining: u64,
}

/// How a task ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Ending {
    #[default]
    Completed,
    Failed,
    Cancelled,
    Stuck,
}

/// Where a failed task puts its provider's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ErrorShape {
    #[default]
    Plain,
    Nested,
    Raw,
}

/// What a completed task shows instead of its results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MissingResults {
    Null,
    Empty,
    Stale,
}

/// How a stream says that it is complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Done {
    #[default]
    Named,
    Marker,
    Both,
    None,
}

/// What the second and later connections of one stream look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Replay {
    #[default]
    Same,
    NewIds,
    Rechunk,
    OtherText,
}

/// The longest text that can be asked for, in words.
const MOST_WORDS: usize = 100_000;

/// What happens to every request, before its own markers are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Script);

impl FromStr for Faults {
    type Err = String;

    /// Reads what stands inside a marker: `submit=429x2 stream=cut@3`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut script = Script::default();
        for (key, value) in marker::take(&format!("[[fox: {text} ]]"))?.pairs {
            script.set(&key, &value)?;
        }
        Ok(Self(script))
    }
}

impl Faults {
    pub(super) fn script(&self) -> Script {
        self.0.clone()
    }
}

impl Script {
    /// Takes in one key of a marker; the error says what was expected.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        self.read(key, value)
            .map_err(|complaint| format!("{key}={value} in a [[fox: …]] marker: {complaint}"))
    }

    fn read(&mut self, key: &str, value: &str) -> Result<(), String> {
        let text = || Some(value.to_owned());
        match key {
            "id" => self.id = text(),
            "submit" => self.submit = Plan::parse(value, SubmitFault::parse)?,
            "submit-latency" => self.submit_latency = Some(duration(value)?),
            "retry-after" => self.retry_after = text(),
            "rate-limit" => self.rate_limit = Some(rate_limit(value)?),
            "stream-url" => self.stream_url = text(),
            "queue" => self.queue = Some(duration(value)?),
            "first-chunk" => self.first_chunk = Some(duration(value)?),
            "chunk-interval" => self.chunk_interval = Some(duration(value)?),
            "completion-lag" => self.completion_lag = Some(duration(value)?),
            "task" => {
                self.ending = one_of(
                    value,
                    &[
                        ("completed", Ending::Completed),
                        ("failed", Ending::Failed),
                        ("cancelled", Ending::Cancelled),
                        ("stuck", Ending::Stuck),
                    ],
                )?;
            }
            "fail-after" => self.fail_after = Some(number(value)?),
            "error-code" => self.error_code = text(),
            "error-message" => self.error_message = text(),
            "error-shape" => {
                self.error_shape = one_of(
                    value,
                    &[
                        ("plain", ErrorShape::Plain),
                        ("nested", ErrorShape::Nested),
                        ("raw", ErrorShape::Raw),
                    ],
                )?;
            }
            "status" => self.status = Plan::parse(value, |word| Ok(word.to_owned()))?,
            "progress" => self.progress = Some(number(value)?),
            "results" => {
                let shapes = [
                    ("null", MissingResults::Null),
                    ("empty", MissingResults::Empty),
                    ("stale", MissingResults::Stale),
                ];
                self.results = Plan::parse(value, |word| one_of(word, &shapes))?;
            }
            "results-after" => self.results_after = duration(value)?,
            "query" => self.query = Plan::parse(value, Reaction::parse)?,
            "open" => self.open = Plan::parse(value, Reaction::parse)?,
            "stream" => self.stream = Plan::parse(value, StreamFault::parse)?,
            "stream-error" => self.stream_error = text(),
            "done" => {
                self.done = one_of(
                    value,
                    &[
                        ("named", Done::Named),
                        ("marker", Done::Marker),
                        ("both", Done::Both),
                        ("none", Done::None),
                    ],
                )?;
            }
            "total" => self.total = Some(number(value)?),
            "frame" => self.dialect = Dialect::parse(value)?,
            "replay" => {
                self.replay = one_of(
                    value,
                    &[
                        ("same", Replay::Same),
                        ("new-ids", Replay::NewIds),
                        ("rechunk", Replay::Rechunk),
                        ("other-text", Replay::OtherText),
                    ],
                )?;
            }
            "usage-chunk" => {
                self.usage_chunk = Some(one_of(value, &[("on", true), ("off", false)])?);
            }
            "text" => self.text = text(),
            "result-text" => self.result_text = text(),
            "words" => self.words = Some(word_count(value)?),
            "reasoning" => self.reasoning = Some(word_count(value)?),
            "upload" => self.upload = Plan::parse(value, Reaction::parse)?,
            _ => return Err("unknown key".to_owned()),
        }
        Ok(())
    }
}

fn duration(value: &str) -> Result<Duration, String> {
    humantime::parse_duration(value).map_err(|_| "expected a duration such as 250ms".to_owned())
}

fn number<T: std::str::FromStr>(value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| "expected a whole number in range".to_owned())
}

fn word_count(value: &str) -> Result<usize, String> {
    let count = number(value)?;
    if count > MOST_WORDS {
        return Err(format!("expected at most {MOST_WORDS}"));
    }
    Ok(count)
}

fn rate_limit(value: &str) -> Result<RateLimit, String> {
    let (limit, remaining) = value
        .split_once('/')
        .ok_or("expected LIMIT/REMAINING such as 60/59")?;
    Ok(RateLimit {
        limit: number(limit)?,
        remaining: number(remaining)?,
    })
}

pub(super) fn one_of<T: Copy>(word: &str, choices: &[(&str, T)]) -> Result<T, String> {
    choices
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, choice)| *choice)
        .ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            format!("{word:?} is none of {}", names.join(", "))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documented(key: &str) -> bool {
        super::super::MARKER_HELP.contains(&format!("`{key}`"))
    }

    #[test]
    fn faults_for_every_request_are_read_like_a_marker() {
        let faults: Faults = "submit=429x2 words=3".parse().unwrap();
        assert_eq!(faults.script().words, Some(3));
        assert_eq!("".parse(), Ok(Faults::default()));
        for text in ["submit", "words=many", "color=red"] {
            assert!(text.parse::<Faults>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_key_takes_its_values_and_refuses_others() {
        for (key, good, bad) in [
            ("submit", "429x2,accept+hang,ok", "200"),
            ("submit-latency", "1s", "1"),
            ("rate-limit", "60/59", "60"),
            ("queue", "0s", "soon"),
            ("first-chunk", "250ms", "-1s"),
            ("chunk-interval", "1ms", ""),
            ("completion-lag", "2m", "x"),
            ("task", "stuck", "lost"),
            ("fail-after", "3", "-3"),
            ("error-shape", "nested", "round"),
            ("progress", "50", "256"),
            ("results", "nullx2,empty,stalex*", "none"),
            ("results-after", "1s", "later"),
            ("query", "500,reset", "accept+hang"),
            ("open", "503x*", "204"),
            ("stream", "cut@3x2,stall@1:1s", "cut"),
            ("done", "both", "never"),
            ("total", "41", "many"),
            ("frame", "crlf,noise,split:7", "morse"),
            ("replay", "rechunk", "never"),
            ("usage-chunk", "on", "yes"),
            ("words", "40", "1000000"),
            ("reasoning", "4", "deep"),
            ("upload", "html:413", "200"),
        ] {
            assert!(documented(key), "{key} is not documented");
            let mut script = Script::default();
            script.set(key, good).unwrap();
            assert_ne!(script, Script::default(), "{key} changes nothing");
            let error = script.set(key, bad).unwrap_err();
            assert!(error.starts_with(&format!("{key}={bad} in a")), "{error}");
        }
        for key in [
            "id",
            "retry-after",
            "stream-url",
            "error-code",
            "error-message",
            "status",
            "stream-error",
            "text",
            "result-text",
        ] {
            assert!(documented(key), "{key} is not documented");
            let mut script = Script::default();
            script.set(key, "anything").unwrap();
            assert_ne!(script, Script::default(), "{key} changes nothing");
        }
        let error = Script::default().set("color", "red").unwrap_err();
        assert!(error.contains("unknown key"), "{error}");
    }
}
