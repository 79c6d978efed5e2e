//! I/O towards FoxAPI: one function per upstream call. The upstream key never leaves this room.

mod client;
mod connect;
mod follow;
mod forward;
mod forward_headers;
mod key;
mod models;
mod query;
mod settings;
mod submit;
mod upload;

pub use client::{Setup, Upstream};
pub use follow::{NotOpened, StreamBody};
pub use forward::{ForwardError, ForwardedBody};
pub use key::Key;
pub use models::ModelsError;
pub use settings::Settings;
pub use submit::{Refusal, SubmitError, Submitted};
pub use upload::UploadError;
