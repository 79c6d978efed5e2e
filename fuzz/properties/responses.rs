//! A request of the Responses API is refused with words, or becomes a chat that can be gone on from; and whatever chunks a
//! provider sends, the events made of them are numbered, named and nested as they must be.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use foxbridge::{
    api_error::ApiError,
    json::{self, Raw, RawObject},
    openai::{ChatRequest, RequestFault, ResponseRequest},
    translate::{self, About, Dialect, Outcome, Responder},
};
use serde_json::Value;

/// The input is a request's body, and the chunks of an answer, one a line.
pub(crate) fn check(input: &[u8]) {
    if let Err(fault) = check_request(input) {
        check_refusal(fault);
    }
    let chunks: Vec<Bytes> = input
        .split(|byte| *byte == b'\n')
        // Half surrogates pass through, and only a reader that is as lenient could look at what becomes of them.
        .filter(|line| serde_json::from_slice::<Value>(line).is_ok())
        .map(Bytes::copy_from_slice)
        .collect();
    for is_even in [false, true] {
        check_events(&chunks, is_even);
    }
}

fn check_request(body: &[u8]) -> Result<(), RequestFault> {
    let request = ResponseRequest::parse(body)?;
    let find = |id: &str| {
        (id.len() < 4).then(|| r#"{"type":"message","role":"assistant","content":"x"}"#.to_owned())
    };
    let items = translate::input_items(&request, 10_000, find)?;
    let chat = translate::chat(&request, &[], &items)?;
    let about = About {
        task: "t",
        created: 7,
        is_kept: true,
    };
    let begun = translate::begun(&request, &about);
    let begun = object(&begun);
    assert_eq!(begun.string("id").as_deref(), Some("resp_t"));
    assert_eq!(begun.string("model"), Some(request.model.clone()));
    assert_eq!(json::kind(begun.get("tools").unwrap()), "an array");
    assert_eq!(json::kind(begun.get("metadata").unwrap()), "an object");

    let kept = translate::kept_items(&items, "t");
    let listed: Vec<Raw> = Raw::parse(&kept).unwrap().elements().collect();
    assert_eq!(listed.len(), items.len());
    for item in listed {
        let item = RawObject::of(item).unwrap();
        assert!(item.string("id").is_some() && item.string("type").is_some());
    }
    // What has been taken once is taken as a conversation, too.
    let earlier = [Cow::Borrowed(kept.as_str())];
    let again = translate::chat(&request, &earlier, &items).expect("what was kept");
    assert!(
        object(std::str::from_utf8(&again.body).unwrap())
            .get("messages")
            .is_some()
    );
    if let Err(fault) = ChatRequest::parse(&chat.body) {
        let param = fault.param.clone().unwrap_or_default();
        assert!(!chat.own_name(&param).starts_with("messages["), "{param}");
        return Err(fault);
    }
    Ok(())
}

fn object(text: &str) -> RawObject<'_> {
    RawObject::parse(text).unwrap()
}

fn check_refusal(fault: RequestFault) {
    let error = ApiError::from(fault);
    assert!((400..500).contains(&error.status), "{error:?}");
    assert!(!error.message.trim().is_empty(), "{error:?}");
    let body: Value = serde_json::from_slice(&error.body()).unwrap();
    assert_eq!(body["error"]["message"], *error.message);
}

fn check_events(chunks: &[Bytes], is_even: bool) {
    let outcome = Outcome::default();
    let responder = || Responder {
        begun: r#"{"id":"resp_t","status":"queued","output":[]}"#.to_owned(),
        task: "t".to_owned(),
        summarizes: chunks.len().is_multiple_of(2),
        wants_logprobs: true,
        customs: vec!["f".to_owned()],
        outcome: outcome.clone(),
    };
    let events = match is_even {
        true => responder().even_events(None),
        false => responder().events(),
    };
    let mut dialect = Dialect::Events(Box::new(events));
    let mut out = BytesMut::new();
    dialect.begin(&mut out);
    for chunk in chunks {
        dialect.tell(chunk.clone(), &mut out);
    }
    dialect.finish(7, &mut out);
    check_stream(&out);
    let known = std::str::from_utf8(outcome.get().unwrap()).unwrap();
    let _: Value = serde_json::from_str(known).unwrap();
    let again: Vec<u8> = responder()
        .even_events(None)
        .told(known)
        .flatten()
        .collect();
    check_stream(&again);
}

fn check_stream(stream: &[u8]) {
    let text = std::str::from_utf8(stream).unwrap();
    let mut added = 0;
    let mut done = 0;
    let mut last = String::new();
    let frames = text.split("\n\n").filter(|frame| !frame.is_empty());
    for (number, frame) in frames.enumerate() {
        let (name, data) = frame.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        assert_eq!(data["sequence_number"], number as u64);
        last = data["type"].as_str().unwrap().to_owned();
        if let Some(index) = data["output_index"].as_u64() {
            match last.as_str() {
                "response.output_item.added" => {
                    assert_eq!(index, added);
                    added += 1;
                }
                _ => assert!(index < added, "{frame}"),
            }
        }
        done += u64::from(last == "response.output_item.done");
    }
    assert_eq!(added, done);
    assert!(["response.completed", "response.incomplete"].contains(&last.as_str()));
}
