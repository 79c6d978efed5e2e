use bytes::Bytes;

use super::Settings;
use crate::{fox::Submission, openai::ChatRequest};

/// A request in the upstream's words, and what had to be changed for that.
#[derive(Debug)]
pub struct Translated {
    pub submission: Submission,
    /// Each change that the client did not ask for, in a few ASCII words.
    pub adjustments: Vec<String>,
}

/// Translates a request whose bytes are `body`.
///
/// Every member that is not named here travels on as its bytes are, also ones nobody has heard of. A request that
/// needs no change is not even copied. The family rules for `max_tokens` are the seed document's.
pub fn submission(request: &ChatRequest, body: &Bytes, settings: &Settings) -> Translated {
    let mut edit = request.object.edit();
    let mut adjustments = Vec::new();

    if request
        .object
        .get("stream")
        .is_some_and(|stream| stream.get() == "null")
    {
        edit.remove("stream");
    }
    if request.object.get("max_completion_tokens").is_some() {
        // A limit under its new name takes the old name's place, and a null one says nothing under any name.
        let limit = edit.remove("max_completion_tokens");
        if let (Some(limit), Some(_)) = (limit, request.max_completion_tokens) {
            edit.set("max_tokens", limit);
        }
    }
    let asked = request.max_completion_tokens.or(request.max_tokens);
    match Family::of(&request.model) {
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

    let body = edit.finish().map_or_else(|| body.clone(), Bytes::from);
    Translated {
        submission: Submission::new(body, request.stream),
        adjustments,
    }
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
    use crate::translate::ByModel;

    fn settings() -> Settings {
        Settings {
            claude_max_tokens: 4096,
            gpt_min_tokens: 16,
            aliases: ByModel::default(),
            wait: ByModel::default(),
            inline_max: 1 << 20,
        }
    }

    fn translate(body: &str) -> (String, Vec<String>) {
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        let request = ChatRequest::parse(&bytes).unwrap();
        let translated = submission(&request, &bytes, &settings());
        let text = String::from_utf8(translated.submission.body().to_vec()).unwrap();
        (text, translated.adjustments)
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
            ("kimi-k2.6", r#","max_tokens":null"#),
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
}
