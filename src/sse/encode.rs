use bytes::{BufMut, BytesMut};
use memchr::memchr2;

/// The last frame of a whole answer.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// Breaks silence without being an event: one newline only, because an empty line behind a comment makes
/// some clients parse an event without data (WIRE.md).
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n";

/// Writes one frame with a name, which clients of the Responses API go by.
pub fn write_event(out: &mut BytesMut, name: &str, json: &[u8]) {
    out.reserve(name.len() + json.len() + 16);
    out.put_slice(b"event: ");
    out.put_slice(name.as_bytes());
    out.put_u8(b'\n');
    write_data(out, json);
}

/// Writes one frame whose data is `json`.
pub fn write_data(out: &mut BytesMut, json: &[u8]) {
    out.reserve(json.len() + 8);
    out.put_slice(b"data: ");
    let mut rest = json;
    // A raw line end inside JSON can only be white space between tokens; as a blank it means the same and
    // keeps the frame on one line for clients that read line by line.
    while let Some(at) = memchr2(b'\n', b'\r', rest) {
        let (line, behind) = rest.split_at(at);
        out.put_slice(line);
        out.put_u8(b' ');
        rest = behind.get(1..).unwrap_or_default();
    }
    out.put_slice(rest);
    out.put_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_stays_on_one_line() {
        let mut out = BytesMut::new();
        write_data(&mut out, b"{\"a\":\r\n1}\n");
        assert_eq!(&out[..], b"data: {\"a\":  1} \n\n");
    }
}
