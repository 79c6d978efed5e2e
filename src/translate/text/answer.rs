use bytes::Bytes;

use super::logprobs::logprobs;
use crate::{
    json::{Raw, RawObject, quote},
    translate::NotACompletion,
};

/// Makes a `text_completion` of a whole `chat.completion`; members that only the chat's shape needs go, all others stay.
pub(crate) fn completion(chat: &Bytes) -> Result<Bytes, NotACompletion> {
    let text = std::str::from_utf8(chat).map_err(|_| NotACompletion)?;
    let object = RawObject::parse(text).map_err(|_| NotACompletion)?;
    let choices = choices(&object).ok_or(NotACompletion)?;
    let choices = choices.iter().enumerate().map(|(at, choice)| {
        let reason = finish_reason(choice).unwrap_or("\"stop\"");
        reworded(choice, "message", at as u64, 0, reason).0
    });
    Ok(envelope(&object, choices))
}

/// Makes chunks of `text_completion` objects of chat chunks, one of each: also those that carry no text, such as a
/// model's reasoning, for which the legacy API has no words. They tell that the stream is alive.
#[derive(Debug, Default)]
pub struct TextChunks {
    /// For each choice, by its index: how many characters of text it has so far.
    lengths: Vec<(u64, usize)>,
}

impl TextChunks {
    pub(in crate::translate) fn chunk(&mut self, chat: Bytes) -> Bytes {
        let text = String::from_utf8_lossy(&chat);
        let Ok(object) = RawObject::parse(&text) else {
            return chat;
        };
        let choices = choices(&object).unwrap_or_default();
        let choices = choices.iter().map(|choice| {
            let index = choice
                .get("index")
                .and_then(|index| index.get().parse().ok());
            let length = self.length(index.unwrap_or_default());
            let reason = finish_reason(choice).unwrap_or("null");
            let (json, added) = reworded(choice, "delta", 0, *length, reason);
            *length += added;
            json
        });
        envelope(&object, choices)
    }

    fn length(&mut self, index: u64) -> &mut usize {
        let at = self.lengths.iter().position(|(of, _)| *of == index);
        let at = at.unwrap_or_else(|| {
            self.lengths.push((index, 0));
            self.lengths.len() - 1
        });
        &mut self.lengths[at].1
    }
}

fn choices<'a>(chat: &RawObject<'a>) -> Option<Vec<RawObject<'a>>> {
    let choices = chat.get("choices").and_then(Raw::array)?;
    Some(choices.into_iter().filter_map(RawObject::of).collect())
}

fn envelope(chat: &RawObject, choices: impl Iterator<Item = String>) -> Bytes {
    let choices: Vec<String> = choices.collect();
    let id = chat.string("id").unwrap_or_default();
    let id = id.strip_prefix("chatcmpl-").unwrap_or(&id);
    let mut edit = chat.edit();
    edit.set("id", quote(&format!("cmpl-{id}")));
    edit.set("object", "\"text_completion\"");
    edit.set("choices", format!("[{}]", choices.join(",")));
    edit.finish().unwrap_or_default().into()
}

/// The choice with the text of its member `message` (`message` or `delta`) in that one's place, and how many
/// characters the text has. `index` is for a choice that has none; `reason` is JSON text.
fn reworded(
    choice: &RawObject,
    message: &str,
    index: u64,
    offset: usize,
    reason: &str,
) -> (String, usize) {
    let text = choice.object(message).as_ref().and_then(said);
    let length = text
        .and_then(Raw::string)
        .map_or(0, |text| text.chars().count());
    let mut edit = choice.edit();
    edit.remove(message);
    edit.set("text", text.map_or("\"\"", Raw::get));
    if choice.get("index").is_none() {
        edit.set("index", index.to_string());
    }
    edit.set("logprobs", logprobs(choice, offset));
    edit.set("finish_reason", reason.to_owned());
    (edit.finish().unwrap_or_default(), length)
}

/// What the model says: a refusal is in its words too, and an empty text would hide it.
fn said<'a>(message: &RawObject<'a>) -> Option<Raw<'a>> {
    ["content", "refusal"]
        .into_iter()
        .filter_map(|name| message.get(name))
        .find(|text| text.string().is_some_and(|text| !text.is_empty()))
}

/// The reason in the legacy API's words, which know no calls; `None` where the choice has not finished.
fn finish_reason(choice: &RawObject) -> Option<&'static str> {
    let reason = choice.present("finish_reason")?;
    Some(match reason.get() {
        "\"length\"" => "\"length\"",
        "\"content_filter\"" => "\"content_filter\"",
        _ => "\"stop\"",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(choice: &str) -> String {
        let chat = format!(
            r#"{{"id":"chatcmpl-1","object":"chat.completion","created":5,"model":"m","choices":[{choice}]}}"#
        );
        let text = completion(&Bytes::from(chat)).unwrap();
        let text = std::str::from_utf8(&text).unwrap();
        let head =
            r#"{"id":"cmpl-1","object":"text_completion","created":5,"model":"m","choices":["#;
        text.strip_prefix(head)
            .and_then(|rest| rest.strip_suffix("]}"))
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_message_becomes_a_text() {
        for (choice, text) in [
            (
                r#"{"index":0,"message":{"role":"assistant","content":"h\u00e9\n"},"finish_reason":"length","logprobs":null}"#,
                r#"{"index":0,"finish_reason":"length","logprobs":null,"text":"h\u00e9\n"}"#,
            ),
            (
                r#"{"message":{"content":null,"refusal":"No."},"x":1e400}"#,
                r#"{"x":1e400,"text":"No.","index":0,"logprobs":null,"finish_reason":"stop"}"#,
            ),
            (
                r#"{"index":0,"message":{"content":"","refusal":null},"finish_reason":"content_filter"}"#,
                r#"{"index":0,"finish_reason":"content_filter","text":"","logprobs":null}"#,
            ),
            (
                r#"{"index":3,"message":{"content":null,"tool_calls":[{}]},"finish_reason":"tool_calls"}"#,
                r#"{"index":3,"finish_reason":"stop","text":"","logprobs":null}"#,
            ),
        ] {
            assert_eq!(whole(choice), text);
        }
    }

    #[test]
    fn the_envelope_keeps_what_it_does_not_know() {
        let envelope = |chat: &'static str| completion(&Bytes::from_static(chat.as_bytes()));
        assert_eq!(
            envelope(r#"{"id":"gen-7","choices":[],"system_fingerprint":"f","usage":{"x":1e400}}"#)
                .unwrap(),
            r#"{"id":"cmpl-gen-7","choices":[],"system_fingerprint":"f","usage":{"x":1e400},"object":"text_completion"}"#
        );
        for other in ["", "[]", "{}", r#"{"choices":null}"#] {
            assert_eq!(envelope(other), Err(NotACompletion), "{other}");
        }
    }

    #[test]
    fn deltas_become_texts_and_offsets_go_on() {
        let mut chunks = TextChunks::default();
        for (chat, text) in [
            (
                r#"{"id":"chatcmpl-1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
                r#"{"id":"cmpl-1","choices":[{"index":0,"finish_reason":null,"text":"","logprobs":null}],"object":"text_completion"}"#,
            ),
            (
                r#"{"id":"chatcmpl-1","choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}"#,
                r#"{"id":"cmpl-1","choices":[{"index":0,"text":"","logprobs":null,"finish_reason":null}],"object":"text_completion"}"#,
            ),
            (
                r#"{"id":"chatcmpl-1","choices":[{"index":1,"delta":{"content":"abc"}},{"index":0,"delta":{"content":"é"}}]}"#,
                r#"{"id":"cmpl-1","choices":[{"index":1,"text":"abc","logprobs":null,"finish_reason":null},{"index":0,"text":"é","logprobs":null,"finish_reason":null}],"object":"text_completion"}"#,
            ),
            (
                r#"{"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"b"},"logprobs":{"content":[{"token":"b","logprob":-1}]}}]}"#,
                r#"{"id":"cmpl-1","choices":[{"index":0,"logprobs":{"tokens":["b"],"token_logprobs":[-1],"top_logprobs":null,"text_offset":[1]},"text":"b","finish_reason":null}],"object":"text_completion"}"#,
            ),
            (
                r#"{"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"function_call"}]}"#,
                r#"{"id":"cmpl-1","choices":[{"index":0,"finish_reason":"stop","text":"","logprobs":null}],"object":"text_completion"}"#,
            ),
            (
                r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[],"usage":{"total_tokens":3}}"#,
                r#"{"id":"cmpl-1","object":"text_completion","choices":[],"usage":{"total_tokens":3}}"#,
            ),
        ] {
            assert_eq!(chunks.chunk(Bytes::from_static(chat.as_bytes())), text);
        }
    }
}
