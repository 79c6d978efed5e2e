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
    request: &ChatRequest<'a>,
    body: &Bytes,
    settings: &Settings,
) -> Result<Draft<'a>, RequestFault> {
    let mut edit = request.object.edit();
    let model = match settings.upstream_model(&request.model) {
        Some(name) => {
            edit.set("model", quote(&name));
            Cow::Owned(name)
        }
        None => request.model.clone(),
    };
    let media = match request.object.present("messages") {
        Some(messages) => media(messages, settings.inline_max)?,
        None => None,
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
mod tests {
    use super::*;
    use crate::translate::{ByModel, Pattern};

    fn settings() -> Settings {
        Settings {
            claude_max_tokens: 4096,
            gpt_min_tokens: 16,
            aliases: ByModel::new(vec![
                (Pattern::new("gpt-4o").unwrap(), "gpt-5.5".into()),
                (Pattern::new("fox/*").unwrap(), "*".into()),
            ]),
            wait: ByModel::new(vec![(Pattern::new("kimi-*").unwrap(), Wait::Stream)]),
            inline_max: 20,
        }
    }

    fn translate(body: &str) -> (String, Vec<String>) {
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        let request = ChatRequest::parse(&bytes).unwrap();
        let draft = draft(&request, &bytes, &settings()).unwrap();
        let adjustments = draft.adjustments.clone();
        let urls = vec!["https://u/0".to_string(); draft.uploads().len()];
        let text = String::from_utf8(draft.submission(&urls).body().to_vec()).unwrap();
        (text, adjustments)
    }

    fn body(model: &str, rest: &str) -> String {
        format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"x"}}]{rest}}}"#)
    }

    #[test]
    fn what_needs_no_change_is_not_touched() {
        for (model, rest) in [
            ("gpt-5.5", ""),
            (
                "gpt-5.5",
                r#" , "max_tokens": 16, "x": 1e400, "y" :[1,  2]"#,
            ),
            ("claude-opus-4-7", r#","max_tokens":1"#),
            ("gemini-3-pro-preview", r#","max_tokens":1"#),
            ("gpt", r#","max_tokens":1"#),
            ("kimi-k2.6", r#","max_tokens":null,"stream":true"#),
        ] {
            let text = body(model, rest);
            assert_eq!(translate(&text), (text.clone(), vec![]));
        }
    }

    #[test]
    fn family_rules() {
        for (model, rest, becomes, adjusted) in [
            (
                "claude-opus-4-7",
                "",
                r#","max_tokens":4096"#,
                Some("set to 4096"),
            ),
            (
                "Claude-Opus-4-7",
                r#","max_tokens":null"#,
                r#","max_tokens":4096"#,
                Some("set to 4096"),
            ),
            (
                "gpt-5.5",
                r#","max_tokens":5,"n":1"#,
                r#","max_tokens":16,"n":1"#,
                Some("raised from 5 to 16"),
            ),
            (
                "gpt-5.5",
                r#","max_completion_tokens":1"#,
                r#","max_tokens":16"#,
                Some("raised from 1 to 16"),
            ),
            (
                "gpt-5.5",
                r#","max_completion_tokens":99"#,
                r#","max_tokens":99"#,
                None,
            ),
            ("gpt-5.5", r#","max_completion_tokens":null"#, "", None),
            (
                "claude-opus-4-7",
                r#","max_completion_tokens":7"#,
                r#","max_tokens":7"#,
                None,
            ),
            (
                "gpt-5.5",
                r#","max_tokens":null,"max_completion_tokens":70"#,
                r#","max_tokens":70"#,
                None,
            ),
            ("gpt-5.5", r#","stream":null"#, "", None),
            (
                "gpt-5.5",
                r#","max_tokens":99999999999999999999999"#,
                r#","max_tokens":99999999999999999999999"#,
                None,
            ),
        ] {
            let (text, adjustments) = translate(&body(model, rest));
            assert_eq!(text, body(model, becomes));
            assert_eq!(
                adjustments.is_empty(),
                adjusted.is_none(),
                "{adjustments:?}"
            );
            if let Some(part) = adjusted {
                assert!(adjustments[0].contains(part), "{adjustments:?}");
                assert!(adjustments[0].is_ascii());
            }
        }
    }

    #[test]
    fn names_follow_their_aliases_and_the_rules_of_what_they_become() {
        for (model, rest, becomes, rest_becomes) in [
            (
                "gpt-4o",
                r#","max_tokens":3"#,
                "gpt-5.5",
                r#","max_tokens":16"#,
            ),
            (
                "fox/claude-opus-4-7",
                "",
                "claude-opus-4-7",
                r#","max_tokens":4096"#,
            ),
            ("gpt-4o-mini", "", "gpt-4o-mini", ""),
        ] {
            assert_eq!(translate(&body(model, rest)).0, body(becomes, rest_becomes));
        }
    }

    #[test]
    fn thinking_models_are_waited_for_by_stream() {
        for (model, rest, becomes) in [
            ("kimi-k2.6", r#","x":1"#, r#","x":1,"stream":true"#),
            ("kimi-k2.6", r#","stream":false"#, r#","stream":true"#),
            (
                "gpt-5.5",
                r#","reasoning_effort":"low""#,
                r#","reasoning_effort":"low","stream":true"#,
            ),
            (
                "gpt-5.5",
                r#","reasoning_effort":"none""#,
                r#","reasoning_effort":"none""#,
            ),
        ] {
            assert_eq!(translate(&body(model, rest)).0, body(model, becomes));
        }
    }

    #[test]
    fn uploads_take_their_place() {
        let with = |url: &str| {
            format!(
                r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"{url}"}}}}]}}],"n":1}}"#
            )
        };
        let (text, _) = translate(&with("data:image/png;base64,AAAAAAAA"));
        assert_eq!(text, with("https://u/0"));
    }
}
