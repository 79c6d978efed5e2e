//! The life of one upstream task, as a state machine without I/O and without a clock.

mod event;
mod forecast;
mod lifecycle;
mod patience;

pub use event::{Ending, Event, Report, Step};
pub use forecast::{Bounds, Forecast, History};
pub use lifecycle::Lifecycle;
pub use patience::Patience;
