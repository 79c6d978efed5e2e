//! The events around the words: what is opened before them, and closed behind them.

use bytes::BytesMut;

use super::{Events, Run, Speech};
use crate::{
    json::quote,
    translate::responses::output::{
        COMPLETED, Form, IN_PROGRESS, INCOMPLETE, Item, Kind, Part, reasoning_part,
    },
};

impl Events {
    /// Where words of this kind go, which is opened if need be.
    pub(super) fn open(&mut self, speech: Speech, out: &mut BytesMut) -> Run {
        let item = match self.run {
            Some(run) if run.speech == speech => return run,
            // A message goes on with another part.
            Some(run) if run.speech.is_of_message() && speech.is_of_message() => {
                self.end_run(out);
                self.close_part(run.item, out);
                run.item
            }
            _ => {
                self.close_run(out);
                let kind = match speech {
                    Speech::Reasoning => Kind::Reasoning(String::new()),
                    _ => Kind::Message(Vec::new()),
                };
                self.add(kind, out)
            }
        };
        self.open_part(item, speech, out);
        let run = Run { item, speech };
        self.run = Some(run);
        run
    }

    /// Begins an item, and tells its place.
    pub(super) fn add(&mut self, kind: Kind, out: &mut BytesMut) -> usize {
        let at = self.items.len();
        let item = Item::new(kind, &self.task, at);
        let json = item.json(self.form, IN_PROGRESS);
        self.items.push(item);
        let index = at.to_string();
        let members = [r#""output_index":"#, &index, r#","item":"#, &json];
        self.numbered
            .write(out, "response.output_item.added", &members);
        at
    }

    /// Tells what was held back of the run.
    pub(super) fn end_run(&mut self, out: &mut BytesMut) {
        let pending = std::mem::take(&mut self.pending);
        if let Some(run) = self.run
            && !pending.is_empty()
        {
            self.delta(run, &quote(&pending), "", out);
        }
    }

    /// Ends what is being told just now; a call only if nothing can follow.
    pub(super) fn close_run(&mut self, out: &mut BytesMut) {
        self.end_run(out);
        let Some(run) = self.run.take() else { return };
        let is_whole = match self.items.get(run.item).map(|item| &item.kind) {
            Some(Kind::Call(call)) => call.is_whole(),
            _ => true,
        };
        if is_whole {
            self.close(run.item, COMPLETED, out);
        }
    }

    /// Ends every item. `is_cut`: the last one is not whole.
    pub(super) fn close_all(&mut self, is_cut: bool, out: &mut BytesMut) {
        self.end_run(out);
        self.run = None;
        for at in 0..self.items.len() {
            let status = match is_cut && at + 1 == self.items.len() {
                true => INCOMPLETE,
                false => COMPLETED,
            };
            if self.items.get(at).is_some_and(|item| !item.is_done) {
                self.close(at, status, out);
            }
        }
    }

    /// Goes on with the text of a run. `text` is JSON text.
    pub(super) fn delta(&mut self, run: Run, text: &str, logprobs: &str, out: &mut BytesMut) {
        let place = self.place(run.item);
        let kind = match (run.speech, self.form) {
            (Speech::Reasoning, Form::Text) => "response.reasoning_text.delta",
            (Speech::Reasoning, Form::Summary) => "response.reasoning_summary_text.delta",
            (Speech::Text, _) => "response.output_text.delta",
            (Speech::Refusal, _) => "response.refusal.delta",
            (Speech::Arguments, _) => "response.function_call_arguments.delta",
        };
        let logprobs = match run.speech {
            Speech::Text => [r#","logprobs":["#, logprobs, "]"],
            _ => ["", "", ""],
        };
        let [before, inside, behind] = logprobs;
        let members = [&place, r#","delta":"#, text, before, inside, behind];
        self.numbered.write(out, kind, &members);
    }

    fn open_part(&mut self, at: usize, speech: Speech, out: &mut BytesMut) {
        let (kind, part) = match (self.items.get_mut(at).map(|item| &mut item.kind), self.form) {
            (Some(Kind::Message(parts)), _) => {
                let part = Part::new(speech == Speech::Refusal);
                let json = part.json();
                parts.push(part);
                ("response.content_part.added", json)
            }
            (_, Form::Text) => (
                "response.content_part.added",
                reasoning_part(Form::Text, ""),
            ),
            (_, Form::Summary) => (
                "response.reasoning_summary_part.added",
                reasoning_part(Form::Summary, ""),
            ),
        };
        let place = self.place(at);
        let members = [&*place, r#","part":"#, &part];
        self.numbered.write(out, kind, &members);
    }

    /// Ends the last part of an item.
    fn close_part(&mut self, at: usize, out: &mut BytesMut) {
        let Some(item) = self.items.get(at) else {
            return;
        };
        let (text_kind, text, part_kind, part) = match (&item.kind, self.form) {
            (Kind::Call(call), _) if call.is_custom => {
                let (place, input) = (self.place(at), quote(&call.input()));
                let members = [&*place, r#","delta":"#, &input];
                self.numbered
                    .write(out, "response.custom_tool_call_input.delta", &members);
                let text = format!(r#","input":{input}"#);
                (
                    "response.custom_tool_call_input.done",
                    text,
                    None,
                    String::new(),
                )
            }
            (Kind::Call(call), _) => {
                let text = format!(
                    r#","name":{},"arguments":{}"#,
                    quote(&call.name),
                    quote(&call.arguments)
                );
                (
                    "response.function_call_arguments.done",
                    text,
                    None,
                    String::new(),
                )
            }
            (Kind::Reasoning(text), form) => {
                let part = reasoning_part(form, text);
                let text = format!(r#","text":{}"#, quote(text));
                match form {
                    Form::Text => (
                        "response.reasoning_text.done",
                        text,
                        Some("response.content_part.done"),
                        part,
                    ),
                    Form::Summary => (
                        "response.reasoning_summary_text.done",
                        text,
                        Some("response.reasoning_summary_part.done"),
                        part,
                    ),
                }
            }
            (Kind::Message(parts), _) => {
                let Some(part) = parts.last() else { return };
                let text = quote(&part.text);
                let (kind, text) = match part.is_refusal {
                    true => ("response.refusal.done", format!(r#","refusal":{text}"#)),
                    false => (
                        "response.output_text.done",
                        format!(r#","text":{text},"logprobs":[{}]"#, part.logprobs),
                    ),
                };
                (kind, text, Some("response.content_part.done"), part.json())
            }
        };
        let place = self.place(at);
        self.numbered.write(out, text_kind, &[&place, &text]);
        if let Some(kind) = part_kind {
            let members = [&*place, r#","part":"#, &part];
            self.numbered.write(out, kind, &members);
        }
    }

    fn close(&mut self, at: usize, status: &str, out: &mut BytesMut) {
        self.close_part(at, out);
        let Some(item) = self.items.get_mut(at) else {
            return;
        };
        item.is_done = true;
        let json = item.json(self.form, status);
        let index = at.to_string();
        let members = [r#""output_index":"#, &index, r#","item":"#, &json];
        self.numbered
            .write(out, "response.output_item.done", &members);
    }

    /// The members that tell which part of which item an event is about.
    fn place(&self, at: usize) -> String {
        let item = self.items.get(at);
        let id = item.map_or("", |item| &item.id);
        let part = match (item.map(|item| &item.kind), self.form) {
            (Some(Kind::Message(parts)), _) => {
                format!(r#","content_index":{}"#, parts.len().saturating_sub(1))
            }
            (Some(Kind::Reasoning(_)), Form::Text) => r#","content_index":0"#.to_owned(),
            (Some(Kind::Reasoning(_)), Form::Summary) => r#","summary_index":0"#.to_owned(),
            _ => String::new(),
        };
        format!(r#""item_id":{},"output_index":{at}{part}"#, quote(id))
    }
}

impl Speech {
    fn is_of_message(self) -> bool {
        matches!(self, Self::Text | Self::Refusal)
    }
}
