use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    client::Answer,
    question::{Api, Choice, Question},
    told_response,
};

/// What an answer told, in whichever form; reading it checks the form.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) choices: BTreeMap<u64, ToldChoice>,
    /// `completion_tokens`.
    pub(crate) tokens: Option<u64>,
    pub(crate) failure: Option<Failure>,
}

#[derive(Debug, Default)]
pub(crate) struct ToldChoice {
    pub(crate) choice: Choice,
    pub(crate) reasoning: String,
    /// How many calls were begun as they must be, with id and type.
    pub(crate) begun_calls: usize,
    pub(crate) has_role: bool,
}

#[derive(Debug)]
pub(crate) struct Failure {
    /// 200 for one that came in a stream.
    pub(crate) status: u16,
    pub(crate) code: String,
}

impl Told {
    pub(crate) fn read(question: &Question, answer: &Answer) -> Self {
        let kind = answer.header("content-type").expect("a content type");
        let is_response = question.api == Api::Responses;
        match (answer.status, question.streams) {
            (200, true) if is_response => {
                assert_eq!(kind, "text/event-stream; charset=utf-8");
                told_response::read_stream(question, &answer.body)
            }
            (200, false) if is_response => {
                assert_eq!(kind, "application/json");
                told_response::read(question, &json(&answer.body))
            }
            (200, true) => {
                assert_eq!(kind, "text/event-stream; charset=utf-8");
                Self::read_stream(question, &answer.body)
            }
            (200, false) => {
                assert_eq!(kind, "application/json");
                Self::read_completion(question, &json(&answer.body))
            }
            (status, _) => {
                assert_eq!(kind, "application/json");
                Self {
                    failure: Some(Failure::read(status, &json(&answer.body))),
                    ..Self::default()
                }
            }
        }
    }

    fn read_completion(question: &Question, body: &Value) -> Self {
        let object = match question.api == Api::Legacy {
            true => "text_completion",
            false => "chat.completion",
        };
        assert_eq!(body["object"], object);
        assert_eq!(body["model"], question.model);
        let mut told = Self {
            tokens: body["usage"]["completion_tokens"].as_u64(),
            ..Self::default()
        };
        for choice in body["choices"].as_array().expect("choices") {
            let is_legacy = question.api == Api::Legacy;
            let message = if is_legacy {
                choice
            } else {
                &choice["message"]
            };
            told.choice(choice).add(message, is_legacy);
            told.choice(choice).finish(choice);
        }
        told
    }

    fn read_stream(question: &Question, body: &str) -> Self {
        let mut told = Self::default();
        let mut payloads = payloads(body);
        let last = payloads.pop().expect("a stream that says something");
        let mut envelope = None;
        for payload in payloads {
            let chunk = json(payload);
            assert!(told.tokens.is_none(), "behind the usage: {payload}");
            let same = [&chunk["id"], &chunk["created"], &chunk["model"]].map(Value::clone);
            assert_eq!(*envelope.get_or_insert_with(|| same.clone()), same);
            told.add(question, &chunk);
        }
        if let Some([id, created, model]) = &envelope {
            assert!(id.is_string() && created.is_u64() && *model == question.model);
        }
        if last != "[DONE]" {
            told.failure = Some(Failure::read(200, &json(last)));
        }
        told
    }

    fn add(&mut self, question: &Question, chunk: &Value) {
        let object = match question.api == Api::Legacy {
            true => "text_completion",
            false => "chat.completion.chunk",
        };
        assert_eq!(chunk["object"], object, "{chunk}");
        let choices = chunk["choices"].as_array().expect("choices");
        if choices.is_empty() {
            let tokens = chunk["usage"]["completion_tokens"].as_u64();
            self.tokens = Some(tokens.expect("a chunk with usage"));
            assert!(question.wants_usage, "{chunk}");
        }
        for choice in choices {
            let told = self.choice(choice);
            assert!(told.choice.reason.is_empty(), "behind the end: {chunk}");
            if question.api == Api::Legacy {
                told.add(choice, true);
            } else {
                let delta = &choice["delta"];
                assert_eq!(delta["role"] == "assistant", !told.has_role, "{chunk}");
                told.has_role = true;
                told.add(delta, false);
            }
            told.finish(choice);
        }
    }

    fn choice(&mut self, choice: &Value) -> &mut ToldChoice {
        let index = choice["index"].as_u64().expect("an index");
        self.choices.entry(index).or_default()
    }
}

impl ToldChoice {
    /// Takes a message, a delta, or a choice of the legacy API.
    fn add(&mut self, words: &Value, is_legacy: bool) {
        let name = if is_legacy { "text" } else { "content" };
        let text = |name: &str| words[name].as_str().unwrap_or_default();
        self.choice.text.push_str(text(name));
        self.reasoning.push_str(text("reasoning_content"));
        for (at, call) in words["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            let index = call["index"].as_u64().map_or(at, |index| index as usize);
            let calls = &mut self.choice.calls;
            if calls.len() <= index {
                assert_eq!(calls.len(), index, "{call}");
                calls.push(Default::default());
            }
            self.begun_calls += usize::from(call["id"].is_string() && call["type"] == "function");
            let function = |name: &str| call["function"][name].as_str().unwrap_or_default();
            calls[index].0.push_str(function("name"));
            calls[index].1.push_str(function("arguments"));
        }
    }

    fn finish(&mut self, choice: &Value) {
        let reason = choice["finish_reason"].as_str().unwrap_or_default();
        self.choice.reason.push_str(reason);
    }
}

impl Failure {
    fn read(status: u16, body: &Value) -> Self {
        let error = &body["error"];
        let is_text = |name: &str| error[name].as_str().is_some_and(|text| !text.is_empty());
        assert!(is_text("message") && is_text("type"), "{body}");
        assert_eq!(body.as_object().map(|outer| outer.len()), Some(1), "{body}");
        Self {
            status,
            code: error["code"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// What the `data:` lines say. There is nothing else but comments, and no more than one `[DONE]`, which is last.
fn payloads(body: &str) -> Vec<&str> {
    let mut payloads = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        if let Some(event) = rest.strip_prefix("data: ") {
            let (payload, after) = event.split_once("\n\n").expect("a whole frame");
            payloads.push(payload);
            rest = after;
        } else {
            let comment = rest.strip_prefix(": ").expect("a comment");
            (_, rest) = comment.split_once('\n').expect("a whole comment");
        }
    }
    let first = payloads.iter().position(|payload| *payload == "[DONE]");
    assert!(first.is_none_or(|at| at + 1 == payloads.len()), "{body}");
    payloads
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
