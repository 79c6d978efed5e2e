//! What an operator sees.

pub mod log;

pub use log::{Format, Settings};
