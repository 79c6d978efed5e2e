//! An HTTP/1.1 client that hides nothing: header names as sent, chunk by chunk, and how the body ended.

mod answer;
mod connection;
mod request;

pub(crate) use answer::{Answer, Ending, Failure, Head};
pub(crate) use connection::Connection;
pub(crate) use request::{KEY, Request};
