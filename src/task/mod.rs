//! The life of one upstream task, as a state machine without I/O and without a clock.

mod lifecycle;
mod patience;

pub use lifecycle::{Ending, Event, Lifecycle, Report, Step};
pub use patience::Patience;
