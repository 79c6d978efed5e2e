use hyper::{Method, Request, body::Incoming};
use percent_encoding::percent_decode_str;

use super::{passthrough, responses::Verb};

/// What a request asks for, by its method and path.
pub(super) enum Endpoint {
    Chat,
    Completions,
    Responses,
    /// A response that was made before.
    Response(Verb, String),
    Models,
    Model(String),
    Relayed,
    /// A path that has only these other methods.
    WrongMethod(&'static str),
    Unknown,
}

impl Endpoint {
    pub(super) fn of(request: &Request<Incoming>, relayed: &[String]) -> Self {
        let method = request.method();
        let path = request.uri().path();
        let is_get = method == Method::GET || method == Method::HEAD;
        match path.strip_suffix('/').unwrap_or(path) {
            "/v1/chat/completions" if method == Method::POST => Self::Chat,
            "/v1/completions" if method == Method::POST => Self::Completions,
            "/v1/responses" if method == Method::POST => Self::Responses,
            "/v1/chat/completions" | "/v1/completions" | "/v1/responses" => {
                Self::WrongMethod("POST")
            }
            "/v1/models" if is_get => Self::Models,
            "/v1/models" => Self::WrongMethod("GET, HEAD"),
            trimmed => {
                if let Some(id) = trimmed.strip_prefix("/v1/models/") {
                    return match is_get {
                        true => Self::Model(decoded(id)),
                        false => Self::WrongMethod("GET, HEAD"),
                    };
                }
                if let Some(rest) = trimmed.strip_prefix("/v1/responses/")
                    && let Some(endpoint) = Self::of_response(method, rest)
                {
                    return endpoint;
                }
                match passthrough::is_listed(relayed, path) {
                    true => Self::Relayed,
                    false => Self::Unknown,
                }
            }
        }
    }

    /// What is asked of a response that was made before; `None` where the rest of the path is none of these.
    fn of_response(method: &Method, rest: &str) -> Option<Self> {
        let (id, part) = rest.split_once('/').unwrap_or((rest, ""));
        let is_get = method == Method::GET || method == Method::HEAD;
        let (verb, methods) = match part {
            // These are endpoints of OpenAI's beside the ids.
            "" if method == Method::POST && matches!(id, "compact" | "input_tokens") => {
                return None;
            }
            "" if is_get => (Some(Verb::Retrieve), ""),
            "" if method == Method::DELETE => (Some(Verb::Delete), ""),
            "" => (None, "GET, HEAD, DELETE"),
            "cancel" if method == Method::POST => (Some(Verb::Cancel), ""),
            "cancel" => (None, "POST"),
            "input_items" if is_get => (Some(Verb::InputItems), ""),
            "input_items" => (None, "GET, HEAD"),
            _ => return None,
        };
        Some(match verb {
            Some(verb) => Self::Response(verb, decoded(id)),
            None => Self::WrongMethod(methods),
        })
    }

    /// What it is called where requests are counted.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Chat => "chat.completions",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Response(Verb::Retrieve, _) => "responses.retrieve",
            Self::Response(..) => "responses.kept",
            Self::Models | Self::Model(_) => "models",
            Self::Relayed => "passthrough",
            Self::WrongMethod(_) | Self::Unknown => "other",
        }
    }

    /// Whether answering takes as long as the upstream likes, which is what `server.max_in_flight` bounds.
    pub(super) fn takes_long(&self) -> bool {
        matches!(
            self,
            Self::Chat
                | Self::Completions
                | Self::Responses
                | Self::Response(Verb::Retrieve | Verb::Cancel, _)
                | Self::Relayed
        )
    }

    /// Whether it may need a response that was made before, which is looked up together with its entry.
    pub(super) fn looks_up(&self) -> bool {
        matches!(self, Self::Responses | Self::Response(..))
    }

    /// Whether it may cost something upstream, which is what a client's `requests_per_minute` bounds.
    pub(super) fn may_buy(&self) -> bool {
        self.takes_long() && !matches!(self, Self::Response(..))
    }
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
