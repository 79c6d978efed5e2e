//! What is said on the wire: prompts, answers and chunks of the size that chats have, each with a tag of its own so
//! that an answer that reaches the wrong request, or comes in another order, is found.

use std::io::Write;

use memchr::memmem;

use crate::{Fault, plan::Plan};

/// Answered by polling.
pub(crate) const POLLED: &str = "gpt-5.5";
/// Answered by stream also where the client does not ask for one: by the defaults that ship.
pub(crate) const FOLLOWED: &str = "kimi-k2.6";

const SYSTEM: &str = "You are a careful assistant. Answer in plain sentences, without lists, headings or code, \
     and say so when you do not know. Keep to what was asked, and to the language in which it was asked.";
const FILLER: &str = "The quick brown fox crossed the bridge at dawn, carrying one letter for each house on the other \
     side, and came back before noon with as many answers, none of them lost and none of them read.";
const MARK: &[u8] = b"bench ";
/// Seconds; the same for all answers, since nobody looks at it.
const CREATED: u64 = 1_776_874_481;

/// The body of a chat request.
pub(crate) fn request(model: &str, stream: bool, plan: Plan, tag: u64) -> String {
    let stream = if stream { r#","stream":true"# } else { "" };
    format!(
        r#"{{"model":"{model}","messages":[{{"role":"system","content":"{SYSTEM}"}},{{"role":"user","content":"bench {plan} {tag}"}}],"temperature":0.7,"max_tokens":512{stream}}}"#
    )
}

/// What a submission asks for: the plan, the tag, and whether it is to be streamed.
pub(crate) fn read_request(body: &[u8]) -> Result<(Plan, u64, bool), Fault> {
    let mark = memmem::find(body, MARK).ok_or("the submission has no plan")?;
    let prompt = until_quote(body.get(mark + MARK.len()..).unwrap_or_default())?;
    let (plan, tag) = prompt.split_once(' ').ok_or("the prompt has no tag")?;
    let streams = memmem::find(body, br#""stream":true"#).is_some();
    Ok((plan.parse()?, tag.parse()?, streams))
}

pub(crate) fn task_id(number: usize) -> String {
    format!("task-llm-{CREATED}-{number}")
}

/// The number in a path that begins with a task's id.
pub(crate) fn task_number(id: &str) -> Option<usize> {
    let number = id.strip_prefix("task-llm-")?.split_once('-')?.1;
    number.split('/').next()?.parse().ok()
}

/// The id in a task object, found and not parsed.
pub(crate) fn id_of(task: &[u8]) -> Result<&str, Fault> {
    text_behind(task, br#""id":""#)
}

/// The task object while it runs.
pub(crate) fn running(id: &str, streams: bool, status: &str) -> String {
    let stream = match streams {
        true => format!(r#"{{"url":"/v1/llm/generations/{id}/stream"}}"#),
        false => "null".into(),
    };
    format!(
        r#"{{"id":"{id}","object":"llm.generation.task","type":"llm","model":"{POLLED}","status":"{status}","progress":0,"created":{CREATED},"stream":{stream},"results":null,"error":null}}"#
    )
}

/// The task object when it is done.
pub(crate) fn completed(id: &str, tag: u64, at: u64) -> String {
    let content = content(tag, at);
    format!(
        r#"{{"id":"{id}","object":"llm.generation.task","type":"llm","model":"{POLLED}","status":"completed","progress":100,"created":{CREATED},"stream":null,"results":[{{"id":"chatcmpl-{tag}","object":"chat.completion","created":{CREATED},"model":"{POLLED}","choices":[{{"index":0,"message":{{"role":"assistant","content":"{content}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":61,"completion_tokens":48,"total_tokens":109}}}}],"error":null}}"#
    )
}

/// What an answer in one piece says: its tag, and when the task completed.
pub(crate) fn content(tag: u64, at: u64) -> String {
    format!("{tag} {at} {FILLER}")
}

/// When the task behind this answer completed, if the answer is the one to `tag`, and whole.
pub(crate) fn read_answer(body: &[u8], tag: u64) -> Result<u64, Fault> {
    let told = text_behind(body, br#""content":""#)?;
    let at = told.split(' ').nth(1).and_then(|at| at.parse().ok());
    match at {
        Some(at) if told == content(tag, at) => {
            text_behind(body, br#""finish_reason":"stop"#)?;
            Ok(at)
        }
        _ => Err(format!("not the answer to {tag}: {told:?}").into()),
    }
}

/// Appends the next chunk of a stream as an event in an HTTP chunk of its own. The last of `total` has no content but
/// the finish reason.
pub(crate) fn push_chunk(out: &mut Vec<u8>, tag: u64, at: u32, total: u32, content: &str) {
    let mut event = Vec::with_capacity(256);
    let role = if at == 0 {
        r#""role":"assistant","#
    } else {
        ""
    };
    let (delta, reason) = match at + 1 == total {
        false => (format!(r#"{role}"content":"{content}""#), "null"),
        true => (String::new(), r#""stop""#),
    };
    // Writing to memory cannot fail.
    let _ = write!(
        event,
        "event: chunk\ndata: {{\"id\":\"chatcmpl-{tag}\",\"object\":\"chat.completion.chunk\",\"created\":{CREATED},\"model\":\"{POLLED}\",\"choices\":[{{\"index\":0,\"delta\":{{{delta}}},\"finish_reason\":{reason}}}]}}\n\n"
    );
    push_piece(out, &event);
}

/// Appends the event behind the last chunk, and the end of the body.
pub(crate) fn push_done(out: &mut Vec<u8>, total: u32) {
    push_piece(
        out,
        format!("event: done\ndata: {{\"total_chunks\":{total}}}\n\n").as_bytes(),
    );
    out.extend_from_slice(b"0\r\n\r\n");
}

fn push_piece(out: &mut Vec<u8>, piece: &[u8]) {
    let _ = write!(out, "{:x}\r\n", piece.len());
    out.extend_from_slice(piece);
    out.extend_from_slice(b"\r\n");
}

/// The text behind `mark`, up to the next quote.
pub(crate) fn text_behind<'a>(body: &'a [u8], mark: &[u8]) -> Result<&'a str, Fault> {
    match memmem::find(body, mark) {
        Some(at) => until_quote(body.get(at + mark.len()..).unwrap_or_default()),
        None => Err(format!(
            "{} is missing in {:?}",
            String::from_utf8_lossy(mark),
            String::from_utf8_lossy(body.get(..body.len().min(400)).unwrap_or_default())
        )
        .into()),
    }
}

fn until_quote(text: &[u8]) -> Result<&str, Fault> {
    let end = memchr::memchr(b'"', text).ok_or("a text without an end")?;
    Ok(std::str::from_utf8(text.get(..end).unwrap_or_default())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_answer_is_right() {
        let answer = completed("task-llm-1-2", 7, 42);
        assert_eq!(read_answer(answer.as_bytes(), 7).ok(), Some(42));
        for wrong in [
            completed("task-llm-1-2", 8, 42),
            running("task-llm-1-2", false, "processing"),
            answer.replace("fox", "dog"),
            answer.replace("stop", "length"),
        ] {
            assert!(read_answer(wrong.as_bytes(), 7).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_request_tells_its_plan() {
        let plan = Plan::Burst { chunks: 100 };
        let read = read_request(request(POLLED, true, plan, 17).as_bytes());
        assert_eq!(read.ok(), Some((plan, 17, true)));
    }
}
