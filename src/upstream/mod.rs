//! I/O towards FoxAPI: one function per upstream call. The upstream key never leaves this room.

mod authorities;
mod body;
mod client;
mod connect;
mod connection;
mod follow;
mod forward;
mod forward_headers;
mod health;
mod key;
mod models;
mod pool;
mod query;
mod settings;
mod submit;
mod upload;

pub use client::{Setup, Upstream};
pub use connection::UpstreamBody;
pub use follow::NotOpened;
pub use forward::ForwardError;
pub use key::Key;
pub use models::ModelsError;
pub use settings::{Authorities, Settings};
pub use submit::{Refusal, SubmitError, Submitted};
pub use upload::UploadError;
