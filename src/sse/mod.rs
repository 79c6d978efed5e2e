//! Server-sent events (WHATWG HTML, section 9.2), from bytes and to bytes, without I/O.

mod decode;
mod encode;

pub use decode::{Decoder, Event, Item};
pub use encode::{DONE, KEEP_ALIVE, write_data, write_event};
