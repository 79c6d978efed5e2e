//! The life of one upstream task, as a state machine without I/O and without a clock.

mod patience;

pub use patience::Patience;
