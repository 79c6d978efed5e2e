//! What an operator sees.

mod lines;
pub mod log;
mod process;
mod text;

pub use lines::{gather, write_out};
pub use log::{Format, Settings};
pub use process::process;
