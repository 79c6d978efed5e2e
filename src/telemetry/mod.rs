//! What an operator sees.

mod log;

pub use log::{Format, Settings};
