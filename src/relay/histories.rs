use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::task::{Forecast, History, Pace};

/// The most models that are learned about; their names come from clients.
const MOST_MODELS: usize = 256;

/// When the tasks of each model were complete, as far as queries could tell. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Histories(Arc<Mutex<HashMap<String, Known>>>);

#[derive(Debug)]
struct Known {
    history: History,
    forecast: Arc<Forecast>,
}

/// Where one task's completion is noted.
#[derive(Debug, Clone)]
pub(super) struct Lesson {
    histories: Histories,
    model: String,
}

impl Histories {
    /// How to query a task that was submitted just now.
    pub(super) fn pace(&self, model: &str) -> Pace {
        let known = self.with(|models| models.get(model).map(|known| known.forecast.clone()));
        at_random(known.unwrap_or_else(Forecast::of_nothing))
    }

    /// How to query a task that was submitted at an unknown time.
    pub(super) fn pace_of_old() -> Pace {
        at_random(Forecast::of_nothing())
    }

    pub(super) fn lesson(&self, model: &str) -> Lesson {
        Lesson {
            histories: self.clone(),
            model: model.to_owned(),
        }
    }

    fn record(&self, model: String, running: Duration, complete: Duration) {
        self.with(|models| {
            if !models.contains_key(&model) && models.len() >= MOST_MODELS {
                // Any may go: nobody has that many models, so these are names that clients made up.
                let any = models.keys().next().cloned();
                any.and_then(|any| models.remove(&any));
            }
            let known = models.entry(model).or_insert_with(|| Known {
                history: History::default(),
                forecast: Forecast::of_nothing(),
            });
            known.history.record(running, complete);
            if known.history.is_news() {
                known.forecast = known.history.forecast();
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, Known>) -> T) -> T {
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut models)
    }
}

impl Lesson {
    /// The task was last seen running at `running`, and complete at `complete`, both from its acceptance.
    pub(super) fn learn(self, running: Duration, complete: Duration) {
        self.histories.record(self.model, running, complete);
    }
}

fn at_random(forecast: Arc<Forecast>) -> Pace {
    Pace::new(forecast, fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_learned_about_one_by_one_and_not_without_end() {
        let histories = Histories::default();
        for _ in 0..200 {
            histories
                .lesson("instant")
                .learn(Duration::ZERO, Duration::from_micros(200));
        }
        let first = |model| {
            let mut machine =
                crate::task::Lifecycle::new(patience(), false).at_pace(histories.pace(model));
            machine.start()
        };
        let at_once = crate::task::Step::Query {
            after: Duration::ZERO,
        };
        assert_eq!(first("instant"), at_once);
        assert_ne!(first("other"), at_once);
        for number in 0..1000 {
            let lesson = histories.lesson(&format!("made-up-{number}"));
            lesson.learn(Duration::ZERO, Duration::from_secs(1));
        }
        assert_eq!(histories.with(|models| models.len()), MOST_MODELS);
    }

    fn patience() -> crate::task::Patience {
        crate::task::Patience {
            deadline: Duration::from_secs(590),
            poll_first: Duration::from_millis(250),
            poll_max: Duration::from_secs(5),
            results_grace: Duration::from_secs(10),
            submit_retries: 2,
            orphan_grace: None,
        }
    }
}
