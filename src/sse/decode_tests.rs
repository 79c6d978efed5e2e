use super::*;
use proptest::prelude::*;

fn decode(limit: usize, reads: &[&[u8]]) -> Vec<Item> {
    let mut decoder = Decoder::new(limit);
    let mut items = Vec::new();
    for read in reads {
        decoder.push(Bytes::copy_from_slice(read));
        while let Some(item) = decoder.next() {
            items.push(item);
        }
    }
    items
}

fn texts(items: Vec<Item>) -> Vec<(String, String)> {
    let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
    items
        .into_iter()
        .map(|item| match item {
            Item::Event(event) => (text(event.name), text(event.data)),
            Item::Oversized => ("oversized".into(), String::new()),
        })
        .collect()
}

fn check(stream: &str, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(n, d)| (n.to_string(), d.to_string()))
        .collect();
    assert_eq!(
        texts(decode(1 << 20, &[stream.as_bytes()])),
        expected,
        "{stream:?} in one read"
    );
    let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
    assert_eq!(
        texts(decode(1 << 20, &bytes)),
        expected,
        "{stream:?} byte by byte"
    );
}

#[test]
fn what_the_standard_says() {
    check("data: a\n\n", &[("", "a")]);
    check(
        "event: chunk\ndata: {}\n\nevent: done\ndata:1\n\n",
        &[("chunk", "{}"), ("done", "1")],
    );
    check(
        "data: a\r\n\r\ndata: b\r\rdata: c\n\n",
        &[("", "a"), ("", "b"), ("", "c")],
    );
    check("data: a\r\ndata: b\r\n\r\n", &[("", "a\nb")]);
    check("data:a\ndata\ndata:  c\n\n", &[("", "a\n\n c")]);
    check(
        ": comment\n\n\n\nid: 4\nretry: 9\n\ndata: x\n\n",
        &[("", "x")],
    );
    check("event: ping\n\ndata: x\n\n", &[("", "x")]);
    check("data\n\n", &[("", "")]);
    check(
        "\u{feff}data: a\n\ndata: \u{feff}\n\n",
        &[("", "a"), ("", "\u{feff}")],
    );
    check("data: unfinished\n", &[]);
    check("data: unfinished", &[]);
}

#[test]
fn an_event_inside_one_read_is_not_copied() {
    let read = Bytes::from_static(b"event: chunk\ndata: {\"a\":1}\n\ndata: b\n\n");
    let mut decoder = Decoder::new(1024);
    decoder.push(read.clone());
    let range = read.as_ptr_range();
    while let Some(item) = decoder.next() {
        let Item::Event(event) = item else {
            panic!("oversized")
        };
        assert!(range.contains(&event.data.as_ptr()));
    }
}

#[test]
fn an_oversized_event_is_left_out_and_the_next_one_is_read() {
    let long = format!("data: {}\n\ndata: next\n\n", "x".repeat(100));
    for piece in [1, 7, 64, 1000] {
        let reads: Vec<&[u8]> = long.as_bytes().chunks(piece).collect();
        let items = texts(decode(50, &reads));
        assert_eq!(
            items,
            [
                ("oversized".into(), String::new()),
                (String::new(), "next".into())
            ],
            "{piece}"
        );
    }
}

#[test]
fn memory_is_bounded_by_the_limit() {
    let mut decoder = Decoder::new(1000);
    for _ in 0..10_000 {
        decoder.push(Bytes::from_static(&[b'x'; 512]));
        assert_eq!(decoder.next(), None);
        assert!(decoder.partial.capacity() < 4096);
    }
}

fn stream() -> impl Strategy<Value = String> {
    let end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    let line = prop_oneof![
        3 => "data:[ ]?[a-z:{}\" é🦊]{0,12}",
        1 => "event:[ ]?[a-z]{0,5}",
        1 => ":[a-z ]{0,6}",
        1 => "[a-z]{0,4}",
        2 => Just(String::new()),
    ];
    proptest::collection::vec((line, end), 0..30)
        .prop_map(|lines| lines.into_iter().map(|(line, end)| line + end).collect())
}

/// The same stream read by a crate that shares no code with ours.
fn by_sse_core(stream: &[u8]) -> Vec<(String, String)> {
    use sse_core::{SseDecoder, SseEvent};
    let mut decoder = SseDecoder::new();
    let mut bytes = Bytes::copy_from_slice(stream);
    let mut events = Vec::new();
    while let Some(event) = decoder.next(&mut bytes) {
        if let Ok(SseEvent::Message(message)) = event {
            events.push((message.event.to_string(), message.data.to_string()));
        }
    }
    events
}

/// And by another one, which is known to fail on a leading BOM, so none is generated. It does not take a CR for
/// a line end before it has seen what follows, hence the comment behind.
fn by_eventsource_stream(stream: &[u8]) -> Vec<(String, String)> {
    use eventsource_stream::Eventsource;
    use futures_util::{FutureExt, StreamExt, stream};
    let bytes = Bytes::from([stream, b":\n"].concat());
    let source = stream::iter([Ok::<_, std::convert::Infallible>(bytes)]).eventsource();
    let events: Vec<_> = source.collect().now_or_never().unwrap();
    events
        .into_iter()
        .flatten()
        .map(|event| (event.event, event.data))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn two_other_decoders_agree_however_the_reads_fall(stream in stream(), sizes in proptest::collection::vec(1usize..9, 1..40)) {
        let mut rest = stream.as_bytes();
        let mut reads = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() { break; }
            let (read, behind) = rest.split_at((*size).min(rest.len()));
            reads.push(read);
            rest = behind;
        }
        let ours: Vec<_> = texts(decode(1 << 20, &reads))
            .into_iter()
            .map(|(name, data)| (if name.is_empty() { "message".to_string() } else { name }, data))
            .collect();
        prop_assert_eq!(&ours, &by_sse_core(stream.as_bytes()));
        prop_assert_eq!(&ours, &by_eventsource_stream(stream.as_bytes()));
    }

    #[test]
    fn no_bytes_make_it_panic_or_grow(reads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..20)) {
        let mut decoder = Decoder::new(100);
        for read in reads {
            decoder.push(Bytes::from(read));
            while decoder.next().is_some() {}
            prop_assert!(decoder.partial.len() <= 100);
        }
    }
}
