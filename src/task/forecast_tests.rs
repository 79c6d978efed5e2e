use super::*;

const BOUNDS: Bounds = Bounds {
    first: Duration::from_millis(250),
    longest: Duration::from_secs(5),
};

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// When a task that completes at `complete` is queried, up to and with the first time after that.
fn queries(forecast: &Forecast, complete: f64, phase: f64) -> Vec<f64> {
    let mut times = Vec::new();
    let mut at = 0.0;
    while at < complete {
        let gap = forecast.gap(seconds(at), times.len() as u32, phase, BOUNDS);
        at += gap.as_secs_f64() + 0.001;
        times.push(at);
    }
    times
}

fn learned(completions: impl IntoIterator<Item = f64>) -> Arc<Forecast> {
    let mut history = History::default();
    for complete in completions {
        let times = queries(&history.forecast(), complete, 0.5);
        let running = times.iter().rev().nth(1).copied().unwrap_or_default();
        history.record(seconds(running), seconds(times[times.len() - 1]));
    }
    history.forecast()
}

#[test]
fn before_anything_is_known_the_first_query_is_as_configured() {
    let forecast = History::default().forecast();
    assert_eq!(forecast.gap(Duration::ZERO, 0, 0.0, BOUNDS), BOUNDS.first);
    let times = queries(&forecast, 60.0, 0.5);
    assert!((15..40).contains(&times.len()), "{times:?}");
}

#[test]
fn what_is_known_is_waited_for_and_then_looked_at_closely() {
    let forecast = learned((0..60).map(|n| 4.0 + 0.02 * f64::from(n % 10)));
    let times = queries(&forecast, 4.1, 0.5);
    assert!(times.len() <= 5, "{times:?}");
    let lag = times[times.len() - 1] - 4.1;
    assert!(lag < 0.1, "{times:?}");
}

#[test]
fn tasks_that_are_complete_at_once_are_queried_at_once() {
    let forecast = learned(std::iter::repeat_n(0.0005, 120));
    assert_eq!(forecast.gap(Duration::ZERO, 0, 0.5, BOUNDS), Duration::ZERO);
}

#[test]
fn a_surprise_is_found_within_the_longest_gap() {
    for usual in [0.0005, 2.0, 8.0] {
        let forecast = learned(std::iter::repeat_n(usual, 100));
        for complete in [0.5, 3.0, 100.0, 800.0, 2000.0] {
            let times = queries(&forecast, complete, 0.0);
            let lag = times[times.len() - 1] - complete;
            assert!(lag <= 5.002, "{usual} {complete}: {lag}");
            assert!((times.len() as f64) < 40.0 + complete, "{usual} {complete}");
        }
    }
}

#[test]
fn the_old_is_forgotten() {
    let forecast = learned((0..300).map(|n| if n < 200 { 2.0 } else { 6.0 }));
    let times = queries(&forecast, 6.0, 0.5);
    assert!(times.len() <= 6, "{times:?}");
    assert!(times[times.len() - 1] - 6.0 < 0.3, "{times:?}");
}

#[test]
fn tasks_do_not_query_in_step() {
    let forecast = learned((0..60).map(|n| 3.0 + 0.05 * f64::from(n % 20)));
    let first = |phase| forecast.gap(Duration::ZERO, 0, phase, BOUNDS);
    assert!(first(0.9) > first(0.1) + Duration::from_millis(10));
}

/// Queries times lag, which any fixed interval keeps at half of the task's time.
#[test]
fn knowledge_beats_a_fixed_interval() {
    let models: Vec<_> = (1..=8)
        .map(|model| {
            let spread = |n: u32| 0.8 + 0.4 * f64::from(n * 7 % 20) / 20.0;
            (
                model,
                learned((0..200).map(|n| f64::from(model) * spread(n))),
            )
        })
        .collect();
    let (mut count, mut asked, mut lag, mut time) = (0.0, 0.0, 0.0, 0.0);
    for (model, forecast) in &models {
        for n in 0..200 {
            let complete = f64::from(*model) * (0.8 + 0.4 * f64::from(n) / 200.0);
            let times = queries(forecast, complete, f64::from(n * 13 % 100) / 100.0);
            count += 1.0;
            asked += times.len() as f64;
            lag += times[times.len() - 1] - complete;
            time += complete;
        }
    }
    let ratio = (asked / count) * (lag / count) / (time / count / 2.0);
    assert!(ratio < 0.5, "{ratio}");
}

proptest::proptest! {
    /// Whatever was learned, in whatever order times come: gaps are within bounds, and time goes on.
    #[test]
    fn gaps_stay_within_their_bounds(
        completions in proptest::collection::vec((0.0..2000.0_f64, 0.0..2000.0_f64), 0..80),
        elapsed in 0.0..3000.0_f64,
        polls in 0..50_u32,
        phase in 0.0..1.0_f64,
    ) {
        let mut history = History::default();
        for (after, by) in completions {
            history.record(seconds(after), seconds(by));
        }
        let gap = history.forecast().gap(seconds(elapsed), polls, phase, BOUNDS);
        proptest::prop_assert!(gap <= BOUNDS.longest);
        proptest::prop_assert!(polls == 0 || gap >= SHORTEST);
    }
}

#[test]
fn a_long_history_is_as_a_short_one() {
    // Long enough for the weights to be scaled down many times over.
    let long = learned(std::iter::repeat_n(8.0, 5000).chain(std::iter::repeat_n(2.0, 300)));
    let short = learned(std::iter::repeat_n(2.0, 300));
    let times = |forecast| queries(forecast, 2.0, 0.5).len();
    assert_eq!(times(&long), times(&short));
    let gap = |forecast: &Forecast| forecast.gap(Duration::ZERO, 0, 0.5, BOUNDS).as_secs_f64();
    assert!(
        (gap(&long) - gap(&short)).abs() < 0.05,
        "{} {}",
        gap(&long),
        gap(&short)
    );
}
