//! The SSE decoder reads any bytes as the standard says, however they are split into reads, and keeps no more of them
//! than its limit.

use bytes::{Bytes, BytesMut};
use foxbridge::{
    fox::Frame,
    sse::{Decoder, Event, Item, write_data},
};

/// The first byte is the limit, the second one splits the rest, which is the stream.
pub(crate) fn check(input: &[u8]) {
    let [limit, split, stream @ ..] = input else {
        return;
    };
    let limit = usize::from(*limit);
    let expected = by_the_standard(stream, limit);
    assert_eq!(
        decoded(limit, stream, &[usize::MAX]),
        expected,
        "in one read"
    );
    assert_eq!(decoded(limit, stream, &[1]), expected, "byte by byte");
    let sizes = [usize::from(split % 16) + 1, usize::from(split / 16)];
    assert_eq!(
        decoded(limit, stream, &sizes),
        expected,
        "in reads of {sizes:?}"
    );
    for item in expected {
        if let Item::Event(event) = item {
            check_event(event);
        }
    }
}

/// What the decoder makes of a stream that comes in reads of these sizes, in turn.
fn decoded(limit: usize, stream: &[u8], sizes: &[usize]) -> Vec<Item> {
    let mut decoder = Decoder::new(limit);
    let mut items = Vec::new();
    let mut rest = stream;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (read, behind) = rest.split_at(rest.len().min(*size));
        rest = behind;
        decoder.push(Bytes::copy_from_slice(read));
        while let Some(item) = decoder.next() {
            items.push(item);
        }
        let held = decoder.held();
        assert!(held <= limit.min(stream.len() - rest.len()), "{held} held");
    }
    items
}

/// The standard's own words, one after the other, plus the limit.
fn by_the_standard(stream: &[u8], limit: usize) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = stream;
    let mut length = 0;
    let (mut name, mut data): (&[u8], Vec<&[u8]>) = (b"", Vec::new());
    while let Some(end) = rest.iter().position(|byte| b"\r\n".contains(byte)) {
        let is_first = rest.len() == stream.len();
        let line = &rest[..end];
        let line_end = if rest[end..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        rest = &rest[end + line_end..];
        if line.is_empty() {
            if length > limit {
                items.push(Item::Oversized);
            } else if !data.is_empty() {
                items.push(Item::Event(Event {
                    name: Bytes::copy_from_slice(name),
                    data: data.join(&b'\n').into(),
                }));
            }
            length = 0;
            (name, data) = (b"", Vec::new());
            continue;
        }
        length += line.len() + line_end;
        let line = match line.strip_prefix(b"\xEF\xBB\xBF") {
            Some(line) if is_first => line,
            _ => line,
        };
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = colon.map_or((line, &b""[..]), |at| (&line[..at], &line[at + 1..]));
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => data.push(value),
            b"event" => name = value,
            _ => {}
        }
    }
    items
}

/// Written again, an event says the same; line ends are blanks then, which mean the same in JSON.
fn check_event(event: Event) {
    let on_one_line: Vec<u8> = event
        .data
        .iter()
        .map(|byte| if *byte == b'\n' { b' ' } else { *byte })
        .collect();
    let mut frame = BytesMut::new();
    write_data(&mut frame, &event.data);
    let again = Item::Event(Event {
        name: Bytes::new(),
        data: on_one_line.into(),
    });
    assert_eq!(decoded(frame.len(), &frame, &[usize::MAX]), [again]);
    // What it means is read without a panic, whatever it is.
    Frame::read(&event.name, event.data);
}
