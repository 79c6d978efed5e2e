//! Responses whose outcome is known, told as they were told when it came.

use bytes::{Bytes, BytesMut};

use super::{Events, Run, Speech};
use crate::{
    json::{Raw, RawObject, quote},
    translate::responses::output::{Call, Kind},
};

/// How much of a text is told at once, in bytes: its events take some fifty times as much.
const AT_ONCE: usize = 2 << 10;

/// The events of a response whose outcome is known, a little at a time, as they are asked for.
pub struct Told {
    events: Events,
    outcome: String,
    /// What is still to be told, the last first.
    rest: Vec<Step>,
    has_ended: bool,
}

enum Step {
    Begin,
    Say(Speech, String, String),
    /// An item with a part of no words.
    Open,
    Call(Call),
    Arguments(String),
}

impl Events {
    /// All events, the outcome being known.
    pub fn told(self, outcome: &str) -> Told {
        let known = RawObject::parse(outcome).unwrap_or_default();
        let output = known.get("output").and_then(Raw::array);
        let items = output.unwrap_or_default().into_iter();
        let steps = items
            .filter_map(RawObject::of)
            .flat_map(|item| steps(&item));
        let mut rest: Vec<Step> = std::iter::once(Step::Begin).chain(steps).collect();
        rest.reverse();
        Told {
            events: self,
            outcome: outcome.to_owned(),
            rest,
            has_ended: false,
        }
    }

    fn take(&mut self, step: Step, out: &mut BytesMut) {
        match step {
            Step::Begin => self.begin(out),
            Step::Open => {
                self.open(Speech::Text, out);
            }
            Step::Say(speech, text, logprobs) => {
                let text = quote(&text);
                self.say(speech, Raw::parse(&text).ok(), &logprobs, out);
            }
            Step::Call(call) => {
                self.close_run(out);
                let call = Call {
                    index: self.items.len() as u64,
                    ..call
                };
                self.run = Some(Run {
                    item: self.add(Kind::Call(call), out),
                    speech: Speech::Arguments,
                });
            }
            Step::Arguments(text) => {
                let text = quote(&text);
                if let Some(run) = self.run {
                    self.say_in(run, Raw::parse(&text).ok(), "", out);
                }
            }
        }
    }

    fn tell_end(&mut self, outcome: &str, out: &mut BytesMut) {
        let known = RawObject::parse(outcome).unwrap_or_default();
        match &*known.string("status").unwrap_or_default() {
            "cancelled" => {
                let said = r#""code":"response_cancelled","message":"The response was cancelled.","param":null"#;
                return self.numbered.write_aside(out, "error", &[said]);
            }
            "failed" => self.end_run(out),
            status => self.close_all(status == "incomplete", out),
        }
        self.end(outcome, out);
    }
}

impl Iterator for Told {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut out = BytesMut::new();
        // What the client has already takes no bytes.
        while out.is_empty() {
            match self.rest.pop() {
                Some(step) => self.events.take(step, &mut out),
                None if self.has_ended => return None,
                None => {
                    self.has_ended = true;
                    self.events.tell_end(&self.outcome, &mut out);
                }
            }
        }
        Some(out.freeze())
    }
}

fn steps(item: &RawObject) -> Vec<Step> {
    let parts = |name: &str| item.get(name).and_then(Raw::array).unwrap_or_default();
    let text = |name: &str| item.string(name).unwrap_or_default().into_owned();
    let mut steps = Vec::new();
    match item.string("type").as_deref() {
        Some("reasoning") => {
            let parts = parts("content").into_iter().chain(parts("summary"));
            for part in parts.filter_map(RawObject::of) {
                let text = part.string("text").unwrap_or_default();
                steps.extend(say(Speech::Reasoning, &text, ""));
            }
        }
        Some("message") => {
            for part in parts("content").into_iter().filter_map(RawObject::of) {
                let logprobs = part.get("logprobs").map_or("", Raw::get);
                let logprobs = logprobs.trim_start_matches('[').trim_end_matches(']');
                let (speech, text) = match part.string("refusal") {
                    Some(refusal) => (Speech::Refusal, refusal),
                    None => (Speech::Text, part.string("text").unwrap_or_default()),
                };
                match text.is_empty() {
                    // The one part that there can be without a word.
                    true => steps.push(Step::Open),
                    false => steps.extend(say(speech, &text, logprobs)),
                }
            }
        }
        Some(kind @ ("function_call" | "custom_tool_call")) => {
            let is_custom = kind == "custom_tool_call";
            steps.push(Step::Call(Call {
                is_custom,
                index: 0,
                call_id: text("call_id"),
                name: text("name"),
                arguments: String::new(),
            }));
            let said = text(if is_custom { "input" } else { "arguments" });
            steps.extend(cut(&said).map(|piece| Step::Arguments(piece.to_owned())));
        }
        _ => {}
    }
    steps
}

/// A text in steps; what is told of all of its tokens comes with the first.
fn say(speech: Speech, text: &str, logprobs: &str) -> impl Iterator<Item = Step> {
    cut(text).enumerate().map(move |(at, piece)| {
        let logprobs = if at == 0 { logprobs } else { "" };
        Step::Say(speech, piece.to_owned(), logprobs.to_owned())
    })
}

/// A text in pieces that can be told at once.
fn cut(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let mut end = AT_ONCE.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, rest) = text.split_at_checked(end)?;
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}
