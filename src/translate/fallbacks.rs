use std::{sync::Arc, vec::IntoIter};

use bytes::Bytes;

use super::{Settings, submission};
use crate::{
    fox::{Failure, Submission},
    openai::ChatRequest,
};

/// The models that a request may be offered to after its own (`models.fallbacks`). It is made anew for each, from what the
/// client sent, because each family has rules of its own.
#[derive(Debug)]
pub struct Fallbacks {
    /// The chat request that the first model was asked.
    chat: Bytes,
    asks_for_reasoning: bool,
    settings: Arc<Settings>,
    models: IntoIter<String>,
    /// Of what was uploaded, in the request's order.
    urls: Vec<String>,
}

/// Which model a request was offered to in place of its own.
#[derive(Debug)]
pub struct Instead {
    /// The upstream's name.
    pub model: String,
    /// Whether the task is submitted with `stream: true`.
    pub follows: bool,
    /// Each change that the client did not ask for, in a few ASCII words.
    pub adjustments: Vec<String>,
}

impl Fallbacks {
    /// Those of `model`, by the upstream's name, that the client `may` use; `None` where there are none.
    pub fn of(
        model: &str,
        request: &ChatRequest<'_>,
        chat: &Bytes,
        settings: &Arc<Settings>,
        may: impl Fn(&str) -> bool,
    ) -> Option<Self> {
        let (listed, _) = settings.fallbacks.get(model)?;
        let models: Vec<String> = listed
            .iter()
            .filter(|other| *other != model && may(other))
            .cloned()
            .collect();
        (!models.is_empty()).then(|| Self {
            chat: chat.clone(),
            asks_for_reasoning: request.asks_for_reasoning,
            settings: settings.clone(),
            models: models.into_iter(),
            urls: Vec::new(),
        })
    }

    /// Where that was uploaded which the request carries inline, in its order.
    pub fn set_urls(&mut self, urls: Vec<String>) {
        self.urls = urls;
    }

    /// The same request for the next model, in place of `refused`, of which nothing was accepted; `None` where there is no
    /// other.
    pub fn next(&mut self, refused: Submission) -> Option<(Submission, Instead)> {
        drop(refused);
        let mut request = ChatRequest::parse(&self.chat).ok()?;
        request.asks_for_reasoning = self.asks_for_reasoning;
        let model = self.models.next()?;
        let draft = submission::draft_for(&request, &self.chat, &self.settings, Some(model));
        let mut draft = draft.ok()?;
        let instead = Instead {
            model: draft.model.to_string(),
            follows: draft.follows,
            adjustments: std::mem::take(&mut draft.adjustments),
        };
        Some((draft.submission(&self.urls), instead))
    }
}

/// Whether another model may be asked after this refusal: those that say of the model, or of it for now, that it is not to
/// be had (CONTRACT.md, section 6). A 5xx is none, whatever it says: a task may have been made.
pub fn may_fall_back(status: u16, failure: Option<&Failure>) -> bool {
    let Some(failure) = failure.filter(|_| status == 422) else {
        return false;
    };
    failure.kind.as_deref() == Some("service_unavailable_error")
        || matches!(
            failure.code.as_deref(),
            Some(
                "model_not_found"
                    | "model_not_supported"
                    | "no_available_model"
                    | "no_compatible_channel"
            )
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::{ByModel, Pattern};

    fn settings(fallbacks: &[(&str, &[&str])]) -> Arc<Settings> {
        let entry = |(name, models): &(&str, &[&str])| {
            let models = models.iter().map(|model| (*model).to_owned()).collect();
            (Pattern::new(name).unwrap(), models)
        };
        Arc::new(Settings {
            fallbacks: ByModel::new(fallbacks.iter().map(entry).collect()),
            ..submission::tests::settings()
        })
    }

    fn all(fallbacks: Option<Fallbacks>) -> Vec<(String, String, bool)> {
        let Some(mut fallbacks) = fallbacks else {
            return Vec::new();
        };
        let mut all = Vec::new();
        let spent = || Submission::new(Bytes::new(), false);
        while let Some((submission, instead)) = fallbacks.next(spent()) {
            assert_eq!(submission.streams(), instead.follows);
            let body = String::from_utf8(submission.body().to_vec()).unwrap();
            all.push((instead.model, body, instead.follows));
        }
        all
    }

    #[test]
    fn each_model_is_asked_by_its_own_rules() {
        let settings = settings(&[("gpt-*", &["claude-opus-4-7", "gpt-5.5", "kimi-k2.6"])]);
        let chat = r#"{"model":"gpt-5.5","messages":[{"role":"user","content":"x"}],"x":1e400}"#;
        let chat = Bytes::from(chat);
        let request = ChatRequest::parse(&chat).unwrap();
        let fallbacks = Fallbacks::of("gpt-5.5", &request, &chat, &settings, |_| true);
        let asked = all(fallbacks);
        let body = |model: &str, rest: &str| {
            let messages = r#"[{"role":"user","content":"x"}],"x":1e400"#;
            format!(r#"{{"model":"{model}","messages":{messages}{rest}}}"#)
        };
        assert_eq!(
            asked,
            [
                (
                    "claude-opus-4-7".to_owned(),
                    body("claude-opus-4-7", r#","max_tokens":4096"#),
                    false
                ),
                (
                    "kimi-k2.6".to_owned(),
                    body("kimi-k2.6", r#","stream":true"#),
                    true
                ),
            ]
        );
    }

    #[test]
    fn nobody_is_offered_what_they_may_not_use() {
        let settings = settings(&[
            ("gpt-5.5", &["kimi-k2.6", "claude-opus-4-7"]),
            ("none", &[]),
        ]);
        let chat = r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
        let chat = Bytes::from(chat);
        let request = ChatRequest::parse(&chat).unwrap();
        let of = |model: &str, may: fn(&str) -> bool| {
            let all = all(Fallbacks::of(model, &request, &chat, &settings, may));
            all.into_iter().map(|(model, ..)| model).collect::<Vec<_>>()
        };
        assert_eq!(of("gpt-5.5", |_| true), ["kimi-k2.6", "claude-opus-4-7"]);
        assert_eq!(
            of("gpt-5.5", |name| name.starts_with("kimi")),
            ["kimi-k2.6"]
        );
        assert!(of("gpt-5.5", |_| false).is_empty());
        assert!(of("gpt-5", |_| true).is_empty() && of("none", |_| true).is_empty());
    }

    #[test]
    fn only_what_proves_that_nothing_was_accepted_falls_back() {
        let failure = |kind: &str, code: Option<&str>| {
            Some(Failure {
                message: "no".into(),
                kind: Some(kind.into()),
                code: code.map(Into::into),
            })
        };
        let invalid = |code| failure("invalid_request_error", Some(code));
        for (status, failure, falls_back) in [
            (422, invalid("model_not_found"), true),
            (422, invalid("model_not_supported"), true),
            (422, invalid("no_available_model"), true),
            (422, invalid("no_compatible_channel"), true),
            (422, failure("service_unavailable_error", None), true),
            (422, failure("service_unavailable_error", Some("x")), true),
            (422, invalid("invalid_param"), false),
            (422, invalid("model_not_support_capability"), false),
            (422, invalid("unsupported_content_type"), false),
            (422, invalid("unsupported_advanced_options"), false),
            (422, invalid("model_rule_violation"), false),
            (422, failure("invalid_request_error", None), false),
            (422, None, false),
            (400, invalid("model_not_found"), false),
            (401, failure("authentication_error", None), false),
            (402, failure("insufficient_quota", None), false),
            (404, invalid("model_not_found"), false),
            (413, None, false),
            (429, failure("rate_limit_error", None), false),
            (500, failure("server_error", Some("internal_error")), false),
            (
                503,
                failure("service_unavailable", Some("all_platforms_exhausted")),
                false,
            ),
            (
                503,
                failure("service_unavailable_error", Some("no_available_model")),
                false,
            ),
        ] {
            assert_eq!(
                may_fall_back(status, failure.as_ref()),
                falls_back,
                "{status} {failure:?}"
            );
        }
    }
}
