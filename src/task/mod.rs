//! The life of one upstream task, as a state machine without I/O and without a clock.

mod event;
mod lifecycle;
mod patience;

pub use event::{Ending, Event, Report, Step};
pub use lifecycle::Lifecycle;
pub use patience::Patience;
