//! The load: asks, checks every answer, and tells what it took.

mod client;
mod events;
mod spec;
mod tally;
mod wave;

use std::rc::Rc;

use tokio::{
    task,
    time::{Duration, sleep},
};

pub(crate) use spec::{Arrival, Model, Outcome, Question, Spec, Target, Work};

use crate::{Fault, http, http::Connection, process, stats::Stats};
use client::Client;
use tally::Tally;

/// Does the work, and tells the outcome as JSON.
pub(crate) async fn run(spec: Spec) -> Result<String, Fault> {
    let mut control = Control::open(&spec).await?;
    let before = control.stats().await?;
    let tally = Rc::new(Tally::default());
    let mut outcome = match &spec.work {
        Work::Rounds {
            question,
            clients,
            warm_up,
            measure,
        } => rounds(&spec, &tally, *question, *clients, *warm_up, *measure).await?,
        Work::InTurn { question, requests } => in_turn(&spec, &tally, *question, *requests).await?,
        Work::Wave(arrivals) => wave::wave(&spec, &tally, arrivals).await?,
        Work::Hold {
            question,
            requests,
            per_second,
        } => {
            wave::hold(
                &spec,
                &tally,
                &mut control,
                *question,
                *requests,
                *per_second,
            )
            .await?
        }
    };
    outcome.upstream = control.stats().await?.since(&before);
    Ok(serde_json::to_string(&tally.into_outcome(outcome))?)
}

/// The fake upstream's other door.
struct Control(Connection);

impl Control {
    async fn open(spec: &Spec) -> Result<Self, Fault> {
        Ok(Self(Connection::open(spec.upstream).await?))
    }

    async fn stats(&mut self) -> Result<Stats, Fault> {
        let body = self.call(&http::get("/control/stats")).await?;
        Ok(serde_json::from_slice(&body)?)
    }

    async fn release(&mut self) -> Result<(), Fault> {
        self.call(&http::post("/control/release", "{}")).await?;
        Ok(())
    }

    async fn call(&mut self, request: &str) -> Result<Vec<u8>, Fault> {
        self.0.write(request.as_bytes()).await?;
        self.0.head().await?.ok_or("the upstream hung up")?;
        self.0.whole().await
    }
}

async fn rounds(
    spec: &Spec,
    tally: &Rc<Tally>,
    question: Question,
    clients: usize,
    warm_up: Duration,
    measure: Duration,
) -> Result<Outcome, Fault> {
    let mut asking = task::JoinSet::new();
    for number in 0..clients {
        let mut client = Client::new(spec, number as u64);
        let tally = tally.clone();
        asking.spawn_local(async move {
            // Streams that beat in step would arrive as one burst.
            sleep(Duration::from_millis(number as u64 % 20)).await;
            while !tally.is_over() {
                let answer = client.ask(question, Model::Usual, &tally).await;
                tally.note(answer);
            }
        });
    }
    sleep(warm_up).await;
    let before = process::processor_time(spec.process)?;
    tally.begin();
    sleep(measure).await;
    let after = process::processor_time(spec.process)?;
    let seconds = tally.end();
    while asking.join_next().await.is_some() {}
    Ok(Outcome {
        seconds,
        processor_ns: after - before,
        ..Outcome::default()
    })
}

async fn in_turn(
    spec: &Spec,
    tally: &Tally,
    question: Question,
    requests: usize,
) -> Result<Outcome, Fault> {
    let mut client = Client::new(spec, 0);
    let before = process::processor_time(spec.process)?;
    tally.begin();
    for _ in 0..requests {
        let answer = client.ask(question, Model::Usual, tally).await;
        tally.note(answer);
    }
    Ok(Outcome {
        processor_ns: process::processor_time(spec.process)? - before,
        seconds: tally.end(),
        ..Outcome::default()
    })
}
