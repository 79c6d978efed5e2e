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
mod keychain;
mod models;
mod own_keys;
mod parent;
mod pool;
mod protection;
mod query;
mod settings;
mod submit;
mod upload;

pub use client::{Setup, Upstream};
pub use connect::Connector;
pub use connection::UpstreamBody;
pub use follow::NotOpened;
pub use forward::ForwardError;
pub use key::Key;
pub use keychain::{AllRest, Cause, MOST_UPSTREAM_KEYS, Tried, Turn};
pub use models::ModelsError;
pub use parent::Parent;
pub use protection::{Breaker, Passage};
pub use settings::{Authorities, Settings, UpstreamKey};
pub use submit::{Refusal, SubmitError, Submitted};
pub use upload::UploadError;
