//! The life of one upstream task, as a state machine without I/O and without a clock.

mod event;
mod forecast;
mod lifecycle;
mod pace;
mod patience;
mod turns;

pub use event::{Ending, Event, Report, Step};
pub use forecast::{Bounds, Forecast, History};
pub use lifecycle::Lifecycle;
pub use pace::Pace;
pub use patience::Patience;
pub use turns::Turns;
