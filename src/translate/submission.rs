use std::borrow::Cow;

use bytes::Bytes;

use super::{
    Settings, Wait,
    media::{Holed, Upload, media},
};
use crate::{
    fox::Submission,
    json::{Edit, quote},
    openai::{ChatRequest, RequestFault},
};

/// A request in the upstream's words, but for the URLs of what must be uploaded first.
#[derive(Debug)]
pub struct Draft<'a> {
    edit: Edit<'a>,
    body: Bytes,
    media: Option<Holed>,
    /// Whether the task is submitted with `stream: true`: because the client wants a stream, or to wait by one.
    pub follows: bool,
    /// The upstream's name for the model.
    pub model: Cow<'a, str>,
    /// Each change that the client did not ask for, in a few ASCII words.
    pub adjustments: Vec<String>,
}

/// Translates a request whose bytes are `body`.
///
/// Every member that is not named here travels on as its bytes are, also ones nobody has heard of. A request that
/// needs no change is not even copied. The family rules for `max_tokens` are the seed document's.
pub fn draft<'a>(
    request: &'a ChatRequest<'_>,
    body: &Bytes,
    settings: &Settings,
) -> Result<Draft<'a>, RequestFault> {
    draft_for(
        request,
        body,
        settings,
        settings.upstream_model(&request.model),
    )
}

/// The same for the model of this name of the upstream's; `None`: the one that the request names.
pub(super) fn draft_for<'a>(
    request: &'a ChatRequest<'_>,
    body: &Bytes,
    settings: &Settings,
    name: Option<String>,
) -> Result<Draft<'a>, RequestFault> {
    let mut edit = request.object.edit();
    let model = match name {
        Some(name) => {
            edit.set("model", quote(&name));
            Cow::Owned(name)
        }
        None => request.model.clone(),
    };
    let media = match request.object.present("messages") {
        Some(messages) if request.has_parts => media(messages, settings.inline_max)?,
        _ => None,
    };
    let follows = request.stream || waits_by_stream(request, &model, settings);
    if follows != request.stream {
        edit.set("stream", "true");
    } else if request
        .object
        .get("stream")
        .is_some_and(|stream| stream.get() == "null")
    {
        edit.remove("stream");
    }
    let adjustments = limit_tokens(&mut edit, request, &model, settings);
    Ok(Draft {
        edit,
        body: body.clone(),
        media,
        follows,
        model,
        adjustments,
    })
}

impl Draft<'_> {
    /// What must be uploaded before the submission can be made.
    pub fn uploads(&self) -> &[Upload] {
        self.media.as_ref().map_or(&[], Holed::uploads)
    }

    /// The body to submit; `urls` are those of the uploads, in their order.
    pub fn submission(mut self, urls: &[String]) -> Submission {
        if let Some(media) = &self.media {
            self.edit.set("messages", media.fill(urls));
        }
        let body = self.edit.finish().map_or(self.body, Bytes::from);
        Submission::new(body, self.follows)
    }
}

/// Whether an answer that is not streamed is waited for by the task's stream, which alone has the reasoning.
fn waits_by_stream(request: &ChatRequest, model: &str, settings: &Settings) -> bool {
    match settings.wait.get(model) {
        Some((wait, _)) => *wait == Wait::Stream,
        None => request.asks_for_reasoning,
    }
}

/// Brings the token limit under the name and the rules that the upstream has.
fn limit_tokens(
    edit: &mut Edit,
    request: &ChatRequest,
    model: &str,
    settings: &Settings,
) -> Vec<String> {
    let mut adjustments = Vec::new();
    if request.object.get("max_completion_tokens").is_some() {
        let limit = edit.remove("max_completion_tokens");
        // A null one says nothing under any name.
        if let (Some(limit), Some(_)) = (limit, request.max_completion_tokens) {
            edit.set("max_tokens", limit);
        }
    }
    let asked = request.max_completion_tokens.or(request.max_tokens);
    match Family::of(model) {
        Family::Claude if asked.is_none() => {
            let limit = settings.claude_max_tokens;
            edit.set("max_tokens", limit.to_string());
            adjustments.push(format!("max_tokens set to {limit} (claude-* requires it)"));
        }
        Family::Gpt => {
            let least = settings.gpt_min_tokens;
            if let Some(asked) = asked.filter(|asked| asked.value < u64::from(least)) {
                edit.set("max_tokens", least.to_string());
                let was = asked.text;
                adjustments.push(format!(
                    "max_tokens raised from {was} to {least} (gpt-* takes no fewer)"
                ));
            }
        }
        Family::Claude | Family::Other => {}
    }
    adjustments
}

/// The model families that have rules of their own.
enum Family {
    Claude,
    Gpt,
    Other,
}

impl Family {
    fn of(model: &str) -> Self {
        let starts = |prefix: &str| {
            model
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        if starts("claude-") {
            Self::Claude
        } else if starts("gpt-") {
            Self::Gpt
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
#[path = "submission_tests.rs"]
pub(super) mod tests;
