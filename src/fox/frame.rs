use bytes::Bytes;

use super::Failure;
use crate::json::RawObject;

/// What one event of a task's stream means (CONTRACT.md, section 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// An OpenAI `chat.completion.chunk`, as it came and not yet read.
    Chunk(Bytes),
    /// The stream says that it is whole; `total` is how many chunks there should have been.
    Done { total: Option<u64> },
    /// The stream says that the task went wrong; the task itself may say otherwise.
    Error(Failure),
    /// A sign of life, or an event that nobody knows.
    Beat,
}

impl Frame {
    /// `name` is the event's name, empty when it has none.
    pub fn read(name: &[u8], data: Bytes) -> Self {
        match name {
            b"" | b"chunk" | b"message" => Self::of_data(data),
            b"done" => Self::Done {
                total: total_chunks(&data),
            },
            b"error" => Self::Error(Failure::of_event(&data)),
            _ => Self::Beat,
        }
    }

    fn of_data(data: Bytes) -> Self {
        match data.trim_ascii() {
            b"[DONE]" => Self::Done { total: None },
            b"" => Self::Beat,
            _ => Self::Chunk(data),
        }
    }
}

fn total_chunks(data: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(data).ok()?;
    let object = RawObject::parse(text).ok()?;
    object.get("total_chunks")?.get().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_their_meaning() {
        let read = |name: &str, data: &'static str| {
            Frame::read(name.as_bytes(), Bytes::from_static(data.as_bytes()))
        };
        let chunk = || Frame::Chunk(Bytes::from_static(b"{\"id\":1}"));
        assert_eq!(read("chunk", "{\"id\":1}"), chunk());
        assert_eq!(read("", "{\"id\":1}"), chunk());
        assert_eq!(
            read("done", "{\"total_chunks\":42}"),
            Frame::Done { total: Some(42) }
        );
        assert_eq!(read("done", "{}"), Frame::Done { total: None });
        assert_eq!(read("done", "ok"), Frame::Done { total: None });
        assert_eq!(read("", "[DONE]"), Frame::Done { total: None });
        assert_eq!(read("chunk", " [DONE] "), Frame::Done { total: None });
        assert_eq!(read("status", "{\"status\":\"processing\"}"), Frame::Beat);
        assert_eq!(read("ping", ""), Frame::Beat);
        assert_eq!(read("", ""), Frame::Beat);
        let Frame::Error(failure) = read("error", "{\"message\":\"gone\"}") else {
            panic!("not an error")
        };
        assert_eq!(failure.message, "gone");
    }
}
