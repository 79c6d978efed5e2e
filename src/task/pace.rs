use std::{sync::Arc, time::Duration};

use super::{Bounds, Forecast};

/// The golden ratio's fraction: its multiples fall evenly between 0 and 1, however many are taken.
const STRIDE: f64 = 0.618_033_988_749_895;

/// How one task is queried: by what is known of its model, and with chance, so that tasks which were submitted together
/// do not stay in step.
#[derive(Debug, Clone)]
pub struct Pace {
    forecast: Arc<Forecast>,
    /// From 0 to 1.
    phase: f64,
}

impl Default for Pace {
    /// Nothing is known, and nothing left to chance.
    fn default() -> Self {
        Self::new(Forecast::of_nothing(), 0.0)
    }
}

impl Pace {
    /// `phase`: chance, from 0 to 1.
    pub fn new(forecast: Arc<Forecast>, phase: f64) -> Self {
        Self { forecast, phase }
    }

    pub(super) fn gap(&self, elapsed: Duration, polls: u32, bounds: Bounds) -> Duration {
        let phase = (self.phase + f64::from(polls) * STRIDE).fract();
        self.forecast.gap(elapsed, polls, phase, bounds)
    }

    /// Up to a tenth longer.
    pub(super) fn spread(&self, gap: Duration) -> Duration {
        gap.mul_f64(1.0 + self.phase * 0.1)
    }
}
