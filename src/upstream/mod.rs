//! I/O towards FoxAPI: one function per upstream call. The upstream key never leaves this room.

mod settings;

pub use settings::Settings;
