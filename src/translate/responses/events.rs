mod again;
mod opening;

pub use again::Told;

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use super::{
    Responder,
    answer::call_id,
    cut::piece,
    kept::with_outcome,
    numbered::Numbered,
    output::{COMPLETED, Call, Form, INCOMPLETE, Item, Kind, incomplete_reason, logprobs, outcome},
    usage::usage,
};
use crate::{
    api_error::ApiError,
    json::{Raw, RawObject, quote},
    translate::{
        finish::finish_reason,
        view::{ToolCallView, View},
    },
};

/// What a response has come to, once that is known: an object of the members of it that change.
pub type Outcome = Arc<OnceLock<Bytes>>;

/// What is told where a stream of a background response tells something else than before.
const CANNOT_GO_ON: &str = "This stream broke off and cannot be gone on with. Retrieve the response without 'stream' to have its whole \
    answer.";

/// Makes the events of a response of a chat's chunks.
///
/// Items are opened by the first word that belongs into them, and closed by the first that does not. A call whose arguments
/// are not whole then stays open to the end, because a provider may go on with it.
#[derive(Debug)]
pub struct Events {
    /// The response before it has come to anything.
    begun: String,
    task: String,
    /// The names of the tools that take plain text.
    customs: Vec<String>,
    form: Form,
    numbered: Numbered,
    items: Vec<Item>,
    /// What is being told just now.
    run: Option<Run>,
    /// Whether every stream of this response must have the same events, so that a client can go on with another one.
    is_even: bool,
    /// What of the run has not been told yet, where events must be the same in every stream.
    pending: String,
    wants_logprobs: bool,
    usage: Option<String>,
    finish: Option<&'static str>,
    outcome: Outcome,
}

/// A part of an item whose text grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    item: usize,
    speech: Speech,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    Reasoning,
    Text,
    Refusal,
    Arguments,
}

impl Events {
    pub(super) fn new(responder: Responder) -> Self {
        Self {
            form: responder.form(),
            begun: responder.begun,
            task: responder.task,
            customs: responder.customs,
            numbered: Numbered::new(None),
            items: Vec::new(),
            run: None,
            is_even: false,
            pending: String::new(),
            wants_logprobs: responder.wants_logprobs,
            usage: None,
            finish: None,
            outcome: responder.outcome,
        }
    }

    /// The same for a background response, which several streams tell: texts are cut evenly, and events up to `after` are
    /// left out.
    pub(super) fn evenly(mut self, after: Option<u64>) -> Self {
        self.is_even = true;
        self.numbered = Numbered::new(after);
        self
    }

    /// The events before the first word.
    pub(in crate::translate) fn begin(&mut self, out: &mut BytesMut) {
        let begun = format!(r#""response":{}"#, self.begun);
        self.numbered.write(out, "response.created", &[&begun]);
        if self.is_even {
            self.numbered.write(out, "response.queued", &[&begun]);
        }
        self.say_in_progress(out);
    }

    fn say_in_progress(&mut self, out: &mut BytesMut) {
        let response = with_outcome(&self.begun, r#"{"status":"in_progress"}"#);
        let members = [r#""response":"#, &response];
        self.numbered.write(out, "response.in_progress", &members);
    }

    /// The events of the next chunk, of which the client has nothing yet.
    pub(in crate::translate) fn hear(&mut self, chunk: &Bytes, out: &mut BytesMut) {
        // What comes here has been read before.
        let Some(text) = std::str::from_utf8(chunk).ok() else {
            return;
        };
        let Ok(view) = serde_json::from_str::<View>(text) else {
            return;
        };
        if let Some(counts) = view.usage {
            self.usage = Some(usage(counts));
        }
        let choices = view.choices.iter().flatten().enumerate();
        // One answer is asked for, so that others are no part of it.
        let mut choices = choices.filter(|(at, choice)| choice.index(*at) == 0);
        let Some((at, choice)) = choices.next() else {
            return;
        };
        let mut probabilities = String::new();
        if self.wants_logprobs {
            probabilities = choice_at(text, at).map_or(String::new(), |choice| logprobs(&choice));
        }
        if let Some(delta) = &choice.delta {
            self.say(Speech::Reasoning, delta.reasoning_content, "", out);
            self.say(Speech::Text, delta.content, &probabilities, out);
            self.say(Speech::Refusal, delta.refusal, "", out);
            for call in delta.tool_calls.iter().flatten() {
                self.call(call, out);
            }
        }
        self.finish = self.finish.or(finish_reason(choice.finish_reason));
    }

    /// Breaks a silence with an event that says nothing; `false` where a comment must do, because every event counts.
    pub(in crate::translate) fn break_silence(&mut self, out: &mut BytesMut) -> bool {
        if self.is_even {
            return false;
        }
        match self.run {
            // A custom tool's input is told all at once.
            Some(run) if self.is_custom(run) => return false,
            Some(run) => self.delta(run, "\"\"", "", out),
            None => self.say_in_progress(out),
        }
        true
    }

    /// The events behind the last word, at `now` in Unix seconds.
    pub(in crate::translate) fn finish(&mut self, now: u64, out: &mut BytesMut) {
        let finish = self.finish.unwrap_or("\"stop\"");
        if self.items.is_empty() {
            // An answer of no words is an answer all the same.
            self.open(Speech::Text, out);
        }
        self.close_all(incomplete_reason(finish).is_some(), out);
        let outcome = outcome(&self.items, self.form, finish, self.usage.as_deref(), now);
        self.end(&outcome, out);
        self.note(outcome);
    }

    /// The event that tells what went wrong. `is_final`: that is what the response has come to; otherwise only this stream
    /// of it ends, and another one may go on.
    pub(in crate::translate) fn fail(
        &mut self,
        error: &ApiError,
        is_final: bool,
        out: &mut BytesMut,
    ) {
        if self.is_even && !is_final {
            let message = match error.code.as_deref() {
                // Whoever has an id need not pay twice.
                Some("stream_incomplete") => quote(CANNOT_GO_ON),
                _ => quote(&error.message),
            };
            let code = error.code.as_deref().map_or("null".to_owned(), quote);
            let members = format!(r#""code":{code},"message":{message},"param":null"#);
            self.numbered.write_aside(out, "error", &[&members]);
            return;
        }
        let message = quote(&error.message);
        let code = match error.status {
            429 => "rate_limit_exceeded",
            _ => "server_error",
        };
        let kind = quote(error.code.as_deref().unwrap_or(error.kind));
        self.end_run(out);
        let output: Vec<String> = self
            .items
            .iter()
            .map(|item| match item.is_done {
                true => item.json(self.form, COMPLETED),
                false => item.json(self.form, INCOMPLETE),
            })
            .collect();
        let outcome = format!(
            r#"{{"status":"failed","error":{{"code":"{code}","message":{message},"type":{kind}}},"output":[{}],"usage":{}}}"#,
            output.join(","),
            self.usage.as_deref().unwrap_or("null")
        );
        self.end(&outcome, out);
        if is_final {
            self.note(outcome);
        }
    }

    fn end(&mut self, outcome: &str, out: &mut BytesMut) {
        let object = RawObject::parse(outcome).unwrap_or_default();
        let status = object.string("status").unwrap_or_default();
        let response = with_outcome(&self.begun, outcome);
        let members = [r#""response":"#, &response];
        let kind = format!("response.{status}");
        match &*status {
            "completed" | "incomplete" => self.numbered.write(out, &kind, &members),
            // What was told before may be lost with the failure, so that numbers are no help.
            _ => self.numbered.write_last(out, &kind, &members),
        }
    }

    /// Notes what the response has come to, unless that is known: then it was told before, and has come to the same.
    fn note(&self, outcome: String) {
        let _ = self.outcome.set(outcome.into());
    }

    /// Goes on with what the model says in one way or another.
    fn say(&mut self, speech: Speech, piece: Option<Raw>, logprobs: &str, out: &mut BytesMut) {
        if piece.is_some_and(|piece| !matches!(piece.get(), "null" | "\"\"")) {
            let run = self.open(speech, out);
            self.say_in(run, piece, logprobs, out);
        }
    }

    /// Goes on with a run; `None`, null and an empty text say nothing.
    fn say_in(&mut self, run: Run, piece: Option<Raw>, logprobs: &str, out: &mut BytesMut) {
        let Some(raw) = piece else { return };
        if let Some(text) = raw.string().filter(|text| !text.is_empty()) {
            self.grow(run, raw, &text, logprobs, out);
        }
    }

    fn call(&mut self, view: &ToolCallView, out: &mut BytesMut) {
        // What reaches a client has an index, or it is given one on its way.
        let index = view.index.unwrap_or(0);
        let function = view.function.as_ref();
        let name = function.and_then(|function| function.name?.string());
        let known = self
            .items
            .iter()
            .position(|item| matches!(&item.kind, Kind::Call(call) if call.index == index));
        let item = match known {
            // Behind whole arguments there is only white space.
            Some(at) if self.items.get(at).is_some_and(|item| item.is_done) => return,
            Some(at) => {
                if let (
                    Some(name),
                    Some(Item {
                        kind: Kind::Call(call),
                        ..
                    }),
                ) = (name, self.items.get_mut(at))
                {
                    call.name.push_str(&name);
                }
                at
            }
            None => {
                self.close_run(out);
                let id = view.id.and_then(Raw::string).filter(|id| !id.is_empty());
                let name = name.unwrap_or_default().into_owned();
                self.add(
                    Kind::Call(Call {
                        is_custom: self.customs.contains(&name),
                        index,
                        call_id: id
                            .map_or_else(|| call_id(&self.task, index), |id| id.into_owned()),
                        name,
                        arguments: String::new(),
                    }),
                    out,
                )
            }
        };
        let run = Run {
            item,
            speech: Speech::Arguments,
        };
        if self.run != Some(run) {
            self.end_run(out);
            self.run = Some(run);
        }
        let arguments = function.and_then(|function| function.arguments);
        self.say_in(run, arguments, "", out);
    }

    fn is_custom(&self, run: Run) -> bool {
        let kind = self.items.get(run.item).map(|item| &item.kind);
        matches!(kind, Some(Kind::Call(call)) if call.is_custom)
    }

    fn grow(&mut self, run: Run, raw: Raw, text: &str, logprobs: &str, out: &mut BytesMut) {
        match self.items.get_mut(run.item).map(|item| &mut item.kind) {
            Some(Kind::Reasoning(whole)) => whole.push_str(text),
            Some(Kind::Call(call)) => {
                call.arguments.push_str(text);
                if call.is_custom {
                    // Its text stands inside of a JSON string, which is told when it is whole.
                    return;
                }
            }
            Some(Kind::Message(parts)) => {
                if let Some(part) = parts.last_mut() {
                    part.text.push_str(text);
                    if !logprobs.is_empty() {
                        part.logprobs
                            .push_str(if part.logprobs.is_empty() { "" } else { "," });
                        part.logprobs.push_str(logprobs);
                    }
                }
            }
            None => return,
        }
        if !self.is_even {
            return self.delta(run, raw.get(), logprobs, out);
        }
        self.pending.push_str(text);
        let mut told = 0;
        while let Some(length) = piece(self.pending.get(told..).unwrap_or_default()) {
            if !self.numbered.passes_over() {
                let piece = self.pending.get(told..told + length);
                let piece = quote(piece.unwrap_or_default());
                self.delta(run, &piece, "", out);
            }
            told += length;
        }
        self.pending.drain(..told);
    }
}

/// The choice at this place of a chunk.
fn choice_at(chunk: &str, at: usize) -> Option<RawObject<'_>> {
    let choices = RawObject::parse(chunk).ok()?.get("choices")?;
    RawObject::of(choices.elements().nth(at)?)
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
