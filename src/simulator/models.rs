//! Which models there are and what each can take (CONTRACT.md, section 4).

use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::reply::{Body, json_body};

/// A kind of content part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Text,
    Image,
    Video,
    Audio,
    File,
}

impl Part {
    pub(super) const MEDIA: [Self; 4] = [Self::Image, Self::Video, Self::Audio, Self::File];

    /// The kind whose `type` is this word.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            "text" => Some(Self::Text),
            word => Self::MEDIA.into_iter().find(|part| part.word() == word),
        }
    }

    /// The word of its `type`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image_url",
            Self::Video => "video_url",
            Self::Audio => "audio_url",
            Self::File => "file_url",
        }
    }

    /// What a model that takes it must be able to do.
    fn capability(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "vision",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::File => "file",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) id: &'static str,
    takes: &'static [Part],
}

const TEXT_IMAGE: &[Part] = &[Part::Text, Part::Image];
const TEXT_IMAGE_FILE: &[Part] = &[Part::Text, Part::Image, Part::File];
const ALL: &[Part] = &[
    Part::Text,
    Part::Image,
    Part::Video,
    Part::Audio,
    Part::File,
];

const MODELS: [Model; 8] = [
    model("gpt-5.4", TEXT_IMAGE),
    model("gpt-5.5", TEXT_IMAGE),
    model("kimi-k2.6", TEXT_IMAGE),
    model("claude-opus-4-6", TEXT_IMAGE_FILE),
    model("claude-opus-4-7", TEXT_IMAGE_FILE),
    model("claude-sonnet-4-6", TEXT_IMAGE_FILE),
    model("gemini-3-pro-preview", ALL),
    model("gemini-3.1-pro-preview", ALL),
];

const fn model(id: &'static str, takes: &'static [Part]) -> Model {
    Model { id, takes }
}

impl Model {
    pub(super) fn find(id: &str) -> Option<Self> {
        MODELS.into_iter().find(|model| model.id == id)
    }

    pub(super) fn takes(self, part: Part) -> bool {
        self.takes.contains(&part)
    }

    /// Whether it reasons without being asked to.
    pub(super) fn thinks(self) -> bool {
        self.id.starts_with("kimi-")
    }
}

/// The list that is filtered by the key; some keys may use no model.
pub(super) fn capability_list(empty: bool) -> Response<Body> {
    let entry = |model: &Model| {
        let capabilities: Vec<_> = model.takes.iter().map(|part| part.capability()).collect();
        json!({"id": model.id, "object": "model", "capabilities": capabilities})
    };
    let data: Vec<Value> = match empty {
        true => Vec::new(),
        false => MODELS.iter().map(entry).collect(),
    };
    json_body(StatusCode::OK, &json!({"object": "list", "data": data}))
}

/// The other, larger list, which also names models that this API does not serve.
pub(super) fn catalogue() -> Response<Body> {
    let others = ["flux-2-pro", "suno-v5", "veo-3.1"];
    let data: Vec<Value> = MODELS
        .iter()
        .map(|model| model.id)
        .chain(others)
        .map(|id| json!({"id": id, "object": "model", "created": 1_767_225_600, "owned_by": "foxapi"}))
        .collect();
    json_body(StatusCode::OK, &json!({"object": "list", "data": data}))
}
