//! Drives a task's state machine with real I/O: waiting for an answer, or bridging its stream.

mod settings;

pub use settings::Settings;
