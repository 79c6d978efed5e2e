//! What may stand in a stream to a client, line by line.

use serde_json::Value;

use crate::http::{Answer, Ending, Failure};

/// A stream body that every known client understands (WIRE.md, "Streams: what breaks which client").
#[derive(Debug)]
pub(crate) struct Events {
    /// The payload of each `data:` line, in order.
    pub(crate) payloads: Vec<String>,
    pub(crate) comments: usize,
}

impl Events {
    /// Only `data:` lines, each followed by one empty line, and `:` comments, followed by none.
    pub(crate) fn read(body: &str) -> Self {
        let mut events = Self {
            payloads: Vec::new(),
            comments: 0,
        };
        let mut rest = body;
        while !rest.is_empty() {
            if let Some(event) = rest.strip_prefix("data: ") {
                let (payload, after) = event.split_once("\n\n").expect(rest);
                assert!(
                    !payload.is_empty() && !payload.contains(['\r', '\n']),
                    "{payload:?}"
                );
                events.payloads.push(payload.to_owned());
                rest = after;
            } else {
                let comment = rest.strip_prefix(": ").expect(rest);
                (_, rest) = comment.split_once('\n').expect(rest);
                events.comments += 1;
            }
        }
        events
    }

    /// The chunks of a stream that ended well: whole, and with exactly one `[DONE]`, last.
    pub(crate) fn chunks(answer: &Answer) -> Vec<Value> {
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(answer.ending, Ending::Whole);
        let mut payloads = Self::read(answer.text()).payloads;
        assert_eq!(
            payloads.pop().as_deref(),
            Some("[DONE]"),
            "{}",
            answer.text()
        );
        let chunks = parse(&payloads);
        for chunk in &chunks {
            assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
        }
        chunks
    }

    /// The chunks and the error of a stream that failed: the error last, and no `[DONE]` anywhere.
    pub(crate) fn failure(answer: &Answer) -> (Vec<Value>, Failure) {
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let mut chunks = parse(&Self::read(answer.text()).payloads);
        let failure = Failure::read(&chunks.pop().expect("an error"));
        for chunk in &chunks {
            assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
        }
        (chunks, failure)
    }
}

fn parse(payloads: &[String]) -> Vec<Value> {
    payloads
        .iter()
        .map(|payload| {
            serde_json::from_str(payload).unwrap_or_else(|error| panic!("{error}: {payload}"))
        })
        .collect()
}

/// The text of the first choice.
pub(crate) fn joined(chunks: &[Value]) -> String {
    chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect()
}

#[test]
fn what_breaks_a_client_is_seen() {
    let whole = ": hi\ndata: {\"a\":1}\n\n: hi\n: hi\ndata: [DONE]\n\n";
    let events = Events::read(whole);
    assert_eq!((events.payloads.len(), events.comments), (2, 3));
    for broken in [
        "data: {}\n",
        "data: {}\n\n\n",
        ": hi\n\n: hi\n",
        "id: 1\n",
        "event: chunk\ndata: {}\n\n",
        "retry: 1\n\n",
        "data: \n\n",
        "\u{feff}data: {}\n\n",
        "data: {}\r\n\r\n",
    ] {
        let read = std::panic::catch_unwind(|| Events::read(broken));
        assert!(read.is_err(), "{broken:?}");
    }
}
