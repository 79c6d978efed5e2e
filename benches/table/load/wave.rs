use std::rc::Rc;

use tokio::{
    task::JoinSet,
    time::{Duration, Instant, sleep, sleep_until},
};

use super::{
    Control,
    client::Client,
    spec::{Arrival, Model, Outcome, Question, Spec},
    tally::Tally,
};
use crate::{Fault, process};

/// How long requests that arrive may take until all of them wait.
const SETTLE: Duration = Duration::from_secs(40);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// So many queries a task, until what a first query leaves behind is in the picture.
const QUERIES_A_TASK: u64 = 2;

/// Asks each question at its time.
pub(super) async fn wave(
    spec: &Spec,
    tally: &Rc<Tally>,
    arrivals: &[Arrival],
) -> Result<Outcome, Fault> {
    let before = process::processor_time(spec.process)?;
    let mut asking = arrive(spec, tally, arrivals);
    while asking.join_next().await.is_some() {}
    Ok(Outcome {
        processor_ns: process::processor_time(spec.process)? - before,
        seconds: tally.end(),
        ..Outcome::default()
    })
}

/// Lets requests wait, looks at the memory, and releases them.
pub(super) async fn hold(
    spec: &Spec,
    tally: &Rc<Tally>,
    control: &mut Control,
    question: Question,
    requests: usize,
    per_second: u32,
) -> Result<Outcome, Fault> {
    let began = Instant::now();
    let before = control.stats().await?;
    let arrivals: Vec<Arrival> = (0..requests)
        .map(|number| Arrival {
            at: Duration::from_secs(1) * number as u32 / per_second,
            question,
            model: Model::Usual,
        })
        .collect();
    let mut asking = arrive(spec, tally, &arrivals);
    let all = requests as u64;
    loop {
        let stats = control.stats().await?.since(&before);
        let all_wait = match question.followed {
            true => stats.open >= all,
            false => stats.submits >= all && stats.queries >= QUERIES_A_TASK * all,
        };
        if all_wait {
            break;
        }
        if began.elapsed() > SETTLE {
            control.release().await?;
            return Err(format!("not all of {requests} requests wait: {stats:?}").into());
        }
        sleep(LOOK_AGAIN).await;
    }
    let memory = process::memory(spec.process)?;
    control.release().await?;
    while asking.join_next().await.is_some() {}
    Ok(Outcome {
        memory,
        seconds: tally.end(),
        ..Outcome::default()
    })
}

fn arrive(spec: &Spec, tally: &Rc<Tally>, arrivals: &[Arrival]) -> JoinSet<()> {
    let began = Instant::now();
    tally.begin();
    let mut asking = JoinSet::new();
    for (number, &arrival) in arrivals.iter().enumerate() {
        let mut client = Client::new(spec, number as u64);
        let tally = tally.clone();
        asking.spawn_local(async move {
            sleep_until(began + arrival.at).await;
            let answer = client.ask(arrival.question, arrival.model, &tally).await;
            tally.note(answer);
        });
    }
    asking
}
