//! The upstream's words: what FoxAPI's task API is told and says (CONTRACT.md, sections 1 to 6).
//!
//! Tolerant where it reads: an unknown field, status or event never makes a request fail.

mod failure;
mod frame;
pub mod paths;
mod submission;
mod task;

pub use failure::Failure;
pub use frame::Frame;
pub use submission::Submission;
pub use task::{NotATask, State, Task};
