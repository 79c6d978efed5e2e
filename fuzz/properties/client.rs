//! A client that takes nothing amiss that is proper, and nothing else.

use std::collections::BTreeMap;

use foxbridge::json::{Raw, RawObject};

/// What a client has made of the chunks that it was sent.
#[derive(Debug, Default)]
pub(crate) struct Client {
    /// Id, time and model, as they are written.
    envelope: Option<[String; 3]>,
    pub(crate) choices: BTreeMap<u64, Choice>,
    has_usage: bool,
}

/// One choice, as far as it was told.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) content: String,
    pub(crate) reasoning: String,
    pub(crate) refusal: String,
    /// Name and arguments, by index.
    pub(crate) calls: BTreeMap<u64, (String, String)>,
    /// As JSON text.
    pub(crate) reason: Option<String>,
    has_role: bool,
}

impl Client {
    /// Reads frames: each one line with one chunk.
    pub(crate) fn read(&mut self, frames: &[u8], takes_usage: bool) {
        let mut rest = std::str::from_utf8(frames).unwrap();
        while !rest.is_empty() {
            let frame = rest.strip_prefix("data: ").expect("data alone");
            let (chunk, behind) = frame.split_once("\n\n").expect("a whole frame");
            assert!(!chunk.contains(['\r', '\n']), "{chunk}");
            self.read_chunk(chunk, takes_usage);
            rest = behind;
        }
    }

    pub(crate) fn read_chunk(&mut self, chunk: &str, takes_usage: bool) {
        let chunk = RawObject::parse(chunk).expect("a chunk");
        assert_eq!(
            chunk.string("object").as_deref(),
            Some("chat.completion.chunk")
        );
        let written = |name| chunk.present(name).expect("no lack of it").get().to_owned();
        let envelope = ["id", "created", "model"].map(written);
        assert_eq!(
            *self.envelope.get_or_insert_with(|| envelope.clone()),
            envelope
        );
        let choices = chunk.get("choices").and_then(Raw::array).unwrap();
        let has_usage = chunk.present("usage").is_some();
        assert_eq!(has_usage, choices.is_empty(), "a chunk of its own");
        if has_usage {
            assert!(takes_usage, "nobody asked for usage");
            assert!(!self.has_usage, "usage again");
            let mut ends = self.choices.values().map(|choice| &choice.reason);
            assert!(ends.all(Option::is_some), "before the end of a choice");
            self.has_usage = true;
        }
        for choice in choices {
            let choice = RawObject::of(choice).expect("a choice");
            let index = number(choice.get("index")).expect("an index");
            self.choices.entry(index).or_default().read(&choice);
        }
    }
}

impl Choice {
    /// One that says nothing but how it ended.
    pub(crate) fn finished(reason: &str) -> Self {
        Self {
            reason: Some(reason.to_owned()),
            has_role: true,
            ..Self::default()
        }
    }

    /// The same with its calls counted on from 0, as a message has them. One of which nothing was said is none.
    pub(crate) fn settled(&self) -> Self {
        let said = self
            .calls
            .values()
            .filter(|(name, arguments)| !(name.is_empty() && arguments.is_empty()));
        Self {
            calls: (0..).zip(said.cloned()).collect(),
            ..self.clone()
        }
    }

    fn read(&mut self, choice: &RawObject) {
        let delta = choice.object("delta").expect("a delta");
        assert_eq!(delta.present("role").is_none(), self.has_role, "one role");
        self.has_role = true;
        self.add(&delta);
        if let Some(reason) = choice.present("finish_reason") {
            assert!(self.reason.is_none(), "a second finish reason");
            let known = [
                "stop",
                "length",
                "tool_calls",
                "content_filter",
                "function_call",
            ];
            assert!(known.contains(&Raw::string(reason).unwrap().as_ref()));
            self.reason = Some(reason.get().to_owned());
        }
    }

    /// Adds a delta, or a whole message.
    pub(crate) fn add(&mut self, words: &RawObject) {
        for (name, text) in [
            ("content", &mut self.content),
            ("reasoning_content", &mut self.reasoning),
            ("refusal", &mut self.refusal),
        ] {
            text.push_str(&words.string(name).unwrap_or_default());
        }
        let calls = words.get("tool_calls").and_then(Raw::array);
        for (at, call) in calls.unwrap_or_default().into_iter().enumerate() {
            let call = RawObject::of(call).expect("a call");
            let index = number(call.get("index")).unwrap_or(at as u64);
            let (name, arguments) = self.calls.entry(index).or_default();
            let function = call.object("function").unwrap_or_default();
            name.push_str(&function.string("name").unwrap_or_default());
            arguments.push_str(&function.string("arguments").unwrap_or_default());
        }
    }
}

fn number(value: Option<Raw>) -> Option<u64> {
    value.and_then(|value| value.get().parse().ok())
}
