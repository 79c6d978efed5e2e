use fastrand::Rng;
use serde_json::{Value, json};

/// What is asked, and so what the simulator answers to it.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) model: &'static str,
    pub(crate) api: Api,
    pub(crate) streams: bool,
    pub(crate) wants_usage: bool,
    pub(crate) choices: usize,
    speech: Speech,
    /// Words of reasoning.
    thoughts: usize,
    /// `max_tokens`, for numbered words only.
    limit: Option<usize>,
}

/// In which words it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    Chat,
    /// `/v1/completions`.
    Legacy,
    Responses,
}

#[derive(Debug)]
enum Speech {
    Text(String),
    /// Numbered words, other ones for each choice.
    Words(usize),
    Call,
}

/// One choice of the simulator's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Choice {
    pub(crate) text: String,
    /// Name and arguments of each call.
    pub(crate) calls: Vec<(String, String)>,
    pub(crate) reason: String,
}

const TOOL: &str = "get_weather";

/// Texts that could be mistaken for something else on one of their ways, or be cut inside a character.
const TEXTS: [&str; 6] = [
    "data: [DONE]\n\ndata: {}\n\n: no comment",
    "Grüße, 世界 🌍🚀 — naïve\u{2028}line\u{a0}end",
    " leading and trailing ",
    r#"{"error":{"message":"quoted \"twice\" and \\ back"}}"#,
    "averyveryveryverylongwordthatisseveraltokens\tand\r\nwindows lines",
    "x",
];

impl Question {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let models = [
            "gpt-5.5",
            "gpt-5.4",
            "kimi-k2.6",
            "claude-sonnet-4-6",
            "gemini-3-pro-preview",
        ];
        let api = match rng.u8(0..100) {
            0..15 => Api::Legacy,
            15..45 => Api::Responses,
            _ => Api::Chat,
        };
        let speech = match rng.u8(0..100) {
            0..25 => Speech::Text(TEXTS[rng.usize(0..TEXTS.len())].to_owned()),
            25..40 if api != Api::Legacy => Speech::Call,
            _ => Speech::Words(rng.usize(1..24)),
        };
        let streams = rng.u8(0..100) < 60;
        let counts = matches!(speech, Speech::Words(_));
        Self {
            model: models[rng.usize(0..models.len())],
            api,
            streams,
            wants_usage: streams && (rng.u8(0..100) < 40 || api == Api::Responses),
            choices: match rng.u8(0..100) {
                0..20 if api != Api::Responses => 2,
                _ => 1,
            },
            thoughts: rng.usize(0..5),
            limit: (counts && rng.u8(0..100) < 15).then(|| rng.usize(16..20)),
            speech,
        }
    }

    /// One with reasoning and text, streamed.
    pub(crate) fn swept() -> Self {
        Self {
            model: "gpt-5.5",
            api: Api::Chat,
            streams: true,
            wants_usage: true,
            choices: 1,
            speech: Speech::Words(12),
            thoughts: 2,
            limit: None,
        }
    }

    /// Whether its task has a stream that is followed.
    pub(crate) fn is_followed(&self) -> bool {
        self.streams || self.model.starts_with("kimi-")
    }

    /// The keys of the marker that say what is answered.
    pub(crate) fn marker(&self) -> String {
        let thoughts = format!("reasoning={}", self.thoughts);
        match &self.speech {
            Speech::Text(text) => {
                let quoted = text
                    .replace('\\', r"\\")
                    .replace('"', r#"\""#)
                    .replace('\n', r"\n");
                format!(r#"text="{quoted}" {thoughts}"#)
            }
            Speech::Words(words) => format!("words={words} {thoughts}"),
            Speech::Call => thoughts,
        }
    }

    pub(crate) fn path(&self) -> &'static str {
        match self.api {
            Api::Chat => "/v1/chat/completions",
            Api::Legacy => "/v1/completions",
            Api::Responses => "/v1/responses",
        }
    }

    /// The request's body, with the whole marker in its text.
    pub(crate) fn body(&self, marker: &str) -> String {
        let text = format!("How is it? [[fox: {marker}]]");
        let mut body = json!({"model": self.model, "stream": self.streams});
        let (is_response, is_call) = (
            self.api == Api::Responses,
            matches!(self.speech, Speech::Call),
        );
        match self.api {
            Api::Chat => body["messages"] = json!([{"role": "user", "content": text}]),
            Api::Legacy => body["prompt"] = json!(text),
            Api::Responses => body["input"] = json!(text),
        }
        if !is_response {
            body["n"] = json!(self.choices);
        }
        if self.wants_usage && !is_response {
            body["stream_options"] = json!({"include_usage": true});
        }
        if let Some(limit) = self.limit {
            let name = if is_response {
                "max_output_tokens"
            } else {
                "max_tokens"
            };
            body[name] = json!(limit);
        }
        if is_call {
            let function = json!({"name": TOOL, "parameters": parameters()});
            body["tools"] = match is_response {
                true => json!([{"type": "function", "name": TOOL, "parameters": parameters()}]),
                false => json!([{"type": "function", "function": function}]),
            };
            body["tool_choice"] = json!("required");
        }
        body.to_string()
    }

    /// Choice number `nth`, counted from 0.
    pub(crate) fn choice(&self, nth: usize) -> Choice {
        match &self.speech {
            Speech::Text(text) => Choice {
                text: text.clone(),
                reason: "stop".to_owned(),
                ..Choice::default()
            },
            Speech::Words(words) => {
                let word = match nth {
                    0 => "word".to_owned(),
                    nth => format!("choice{nth}word"),
                };
                let is_cut = self.limit.is_some_and(|limit| limit < *words);
                let reason = if is_cut { "length" } else { "stop" };
                Choice {
                    text: numbered(&word, self.words(*words)),
                    reason: reason.to_owned(),
                    ..Choice::default()
                }
            }
            Speech::Call => Choice {
                calls: vec![(TOOL.to_owned(), arguments().to_string())],
                reason: "tool_calls".to_owned(),
                ..Choice::default()
            },
        }
    }

    /// The reasoning of every choice, where the answer can have any.
    pub(crate) fn reasoning(&self) -> String {
        match self.is_followed() && self.api != Api::Legacy {
            true => numbered("thought", self.thoughts),
            false => String::new(),
        }
    }

    /// `completion_tokens` of the usage, where it is easily told.
    pub(crate) fn tokens(&self) -> Option<usize> {
        match &self.speech {
            Speech::Words(words) => Some(self.choices * (self.thoughts + self.words(*words))),
            Speech::Text(_) | Speech::Call => None,
        }
    }

    /// About how many chunks the answer has.
    pub(crate) fn chunks(&self) -> usize {
        let said = match &self.speech {
            Speech::Words(words) => self.words(*words),
            Speech::Text(text) => text.split_whitespace().count(),
            Speech::Call => 4,
        };
        self.choices * (2 + self.thoughts + said) + usize::from(self.wants_usage)
    }

    fn words(&self, words: usize) -> usize {
        self.limit.map_or(words, |limit| limit.min(words))
    }
}

fn parameters() -> Value {
    json!({"type": "object", "properties": {"city": {"const": "Zürich \"am See\""}, "days": {"const": 3}}})
}

fn arguments() -> Value {
    json!({"city": "Zürich \"am See\"", "days": 3})
}

fn numbered(word: &str, count: usize) -> String {
    let words: Vec<String> = (1..=count).map(|nth| format!("{word}{nth}")).collect();
    words.join(" ")
}
