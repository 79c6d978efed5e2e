//! A request is refused with words, or becomes a submission in which everything that nobody understood is as it came.

use bytes::Bytes;
use foxbridge::{
    api_error::ApiError,
    fox::Submission,
    json::{self, Raw, RawObject},
    openai::{ChatRequest, RequestFault},
    translate::{ByModel, Pattern, Settings, Wait, draft, text_chat},
};

const CLAUDE_MAX_TOKENS: u32 = 4096;
const GPT_MIN_TOKENS: u32 = 16;
/// The members of a request that may be changed on its way; a legacy request has more of them.
const UNDERSTOOD: [&str; 5] = [
    "model",
    "stream",
    "messages",
    "max_tokens",
    "max_completion_tokens",
];
const UNDERSTOOD_IN_LEGACY: [&str; 6] = [
    "prompt",
    "echo",
    "suffix",
    "best_of",
    "logprobs",
    "top_logprobs",
];
/// The parts of a message that are translated, and what they may become.
const TRANSLATED_PARTS: [&str; 7] = [
    "input_audio",
    "file",
    "refusal",
    "image_url",
    "video_url",
    "audio_url",
    "file_url",
];
const UPSTREAM_PARTS: [&str; 5] = ["text", "image_url", "video_url", "audio_url", "file_url"];

/// The input is a request's body. It is taken for a chat and for a legacy request, by each foxbridge there may be.
pub(crate) fn check(input: &[u8]) {
    for setup in 0..16_u8 {
        let settings = settings(setup & 1 != 0, setup & 2 != 0, setup & 4 != 0);
        check_with(&settings, setup & 8 != 0, input);
    }
}

fn check_with(settings: &Settings, is_legacy: bool, body: &[u8]) {
    let body = Bytes::copy_from_slice(body);
    let chat = match is_legacy {
        true => text_chat(&body),
        false => Ok(body.clone()),
    };
    let chat = match chat {
        Ok(chat) => chat,
        Err(fault) => return check_refusal(fault),
    };
    if is_legacy {
        let understood = [&UNDERSTOOD[..], &UNDERSTOOD_IN_LEGACY[..]].concat();
        assert_eq!(kept(&body, &understood), kept(&chat, &understood));
    }
    let request = match ChatRequest::parse(&chat) {
        Ok(request) => request,
        Err(fault) => return check_refusal(fault),
    };
    let submission = match submission(&request, &chat, settings) {
        Ok(submission) => submission,
        Err(fault) => return check_refusal(fault),
    };
    check_submission(&request, &chat, settings, &submission);
    check_again(&submission, settings);
}

fn settings(is_small: bool, has_alias: bool, waits: bool) -> Settings {
    let all = || Pattern::new("*").unwrap();
    let alias = (Pattern::new("my-*").unwrap(), "*".to_owned());
    Settings {
        claude_max_tokens: CLAUDE_MAX_TOKENS,
        gpt_min_tokens: GPT_MIN_TOKENS,
        aliases: ByModel::new(has_alias.then_some(alias).into_iter().collect()),
        fallbacks: ByModel::default(),
        wait: ByModel::new(waits.then_some((all(), Wait::Stream)).into_iter().collect()),
        inline_max: if is_small { 12 } else { 1 << 20 },
    }
}

fn submission(
    request: &ChatRequest,
    chat: &Bytes,
    settings: &Settings,
) -> Result<Submission, RequestFault> {
    let draft = draft(request, chat, settings)?;
    for upload in draft.uploads() {
        assert!(upload.data.starts_with("data:") && upload.data.len() > settings.inline_max);
        assert!(upload.param.starts_with("messages["));
    }
    for adjustment in &draft.adjustments {
        assert!(adjustment.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    }
    let follows = draft.follows;
    assert!(follows || !request.stream);
    let count = draft.uploads().len();
    let urls: Vec<String> = (0..count).map(|nth| format!("https://u/{nth}")).collect();
    let submission = draft.submission(&urls);
    assert_eq!(submission.streams(), follows);
    let text = std::str::from_utf8(submission.body()).unwrap();
    for url in urls {
        assert!(text.contains(&json::quote(&url)), "{url} is not sent");
    }
    Ok(submission)
}

fn check_refusal(fault: RequestFault) {
    let error = ApiError::from(fault);
    assert!((400..500).contains(&error.status), "{error:?}");
    assert!(!error.message.trim().is_empty(), "{error:?}");
    let body = error.body();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["error"]["message"], *error.message);
}

fn check_submission(
    request: &ChatRequest,
    chat: &Bytes,
    settings: &Settings,
    submission: &Submission,
) {
    assert_eq!(
        kept(chat, &UNDERSTOOD),
        kept(submission.body(), &UNDERSTOOD)
    );
    let sent = object(submission.body());
    let renamed = settings.upstream_model(&request.model);
    match &renamed {
        Some(name) => assert_eq!(sent.string("model").as_deref(), Some(name.as_str())),
        None => assert_eq!(text(sent.get("model")), text(request.object.get("model"))),
    }
    let streams = sent.get("stream").map(Raw::get);
    assert_eq!(streams.unwrap_or("false") == "true", submission.streams());
    assert_ne!(streams, Some("null"));
    check_limit(request, &sent, renamed.as_deref().unwrap_or(&request.model));
    check_messages(request, &sent);
    // A request that needs no change is not even written anew.
    if kept(chat, &[]) == kept(submission.body(), &[]) {
        assert_eq!(chat, submission.body());
    }
}

fn check_limit(request: &ChatRequest, sent: &RawObject, model: &str) {
    assert!(sent.get("max_completion_tokens").is_none());
    let asked = request.max_completion_tokens.or(request.max_tokens);
    let limit = sent.present("max_tokens").map(Raw::get);
    let model = model.to_ascii_lowercase();
    match asked {
        None if model.starts_with("claude-") => {
            assert_eq!(limit, Some(CLAUDE_MAX_TOKENS.to_string().as_str()));
        }
        None => assert_eq!(limit, None),
        Some(asked) if model.starts_with("gpt-") && asked.value < GPT_MIN_TOKENS.into() => {
            assert_eq!(limit, Some(GPT_MIN_TOKENS.to_string().as_str()));
        }
        Some(asked) => assert_eq!(limit, Some(asked.text)),
    }
}

fn check_messages(request: &ChatRequest, sent: &RawObject) {
    let messages = |of: &RawObject<'_>| -> Vec<String> {
        let messages = of.get("messages").and_then(Raw::array).unwrap();
        messages.iter().map(|one| one.get().to_owned()).collect()
    };
    let (before, after) = (messages(&request.object), messages(sent));
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        let (before, after) = (before.as_bytes(), after.as_bytes());
        assert_eq!(kept(before, &["content"]), kept(after, &["content"]));
        let (before, after) = (object(before), object(after));
        let (before, after) = (before.get("content"), after.get("content"));
        match (before.and_then(Raw::array), after.and_then(Raw::array)) {
            (Some(before), Some(after)) => {
                assert_eq!(before.len(), after.len());
                before
                    .into_iter()
                    .zip(after)
                    .for_each(|(before, after)| check_part(before, after));
            }
            _ => assert_eq!(text(before), text(after)),
        }
    }
}

fn check_part(before: Raw, after: Raw) {
    let kind = |part: Raw| {
        object(part.get().as_bytes())
            .string("type")
            .unwrap()
            .into_owned()
    };
    if !TRANSLATED_PARTS.contains(&kind(before).as_str()) {
        assert_eq!(before.get(), after.get());
        return;
    }
    let kind = kind(after);
    assert!(UPSTREAM_PARTS.contains(&kind.as_str()), "{kind}");
    let after = object(after.get().as_bytes());
    match kind.as_str() {
        "text" => assert!(after.string("text").is_some()),
        media => assert!(after.object(media).unwrap().string("url").is_some()),
    }
}

/// What is submitted is in the upstream's words already: translated again, it stays as it is.
fn check_again(submission: &Submission, settings: &Settings) {
    let settings = Settings {
        aliases: ByModel::default(),
        ..settings.clone()
    };
    let body = submission.body();
    let request = ChatRequest::parse(body).expect("a submission is a good request");
    let again = draft(&request, body, &settings).expect("a submission can be translated");
    assert!(again.uploads().is_empty() && again.adjustments.is_empty());
    assert_eq!(again.submission(&[]).body(), body);
}

/// The members that are not among `understood`, names and values as they are written, in their order.
fn kept<'a>(body: &'a [u8], understood: &[&str]) -> Vec<(&'a str, &'a str)> {
    let members = object(body);
    let members = members.members();
    members
        .filter(|(name, _)| {
            let name = name.string().unwrap();
            !understood.contains(&&*name)
        })
        .map(|(name, value)| (name.get(), value.get()))
        .collect()
}

/// Reads what every reader would understand the same way.
fn object(body: &[u8]) -> RawObject<'_> {
    let text = std::str::from_utf8(body).unwrap();
    json::check(text).unwrap();
    RawObject::parse(text).unwrap()
}

fn text(value: Option<Raw<'_>>) -> Option<&str> {
    value.map(Raw::get)
}
