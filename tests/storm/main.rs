//! A seeded storm: many requests from many clients at once, over real sockets, through a proxy whose upstream and whose
//! clients do whatever may go wrong. Of every request it is checked that at most one task was bought, that the answer is
//! the simulator's to the last character (or the error is one that its script makes true), that the reply is
//! well-formed to its end, and that it came in time; at the end, that nothing is left in flight and no memory is kept.
//!
//! ```text
//! cargo test --test storm                          # a shower, with a new seed each time
//! STORM_REQUESTS=10000 cargo test --test storm     # the whole storm
//! STORM_SEED=7 STORM_ONLY=1234 cargo test --test storm    # one request of it again
//! ```
//!
//! A request follows from the seed and its own number alone, so one that fails can be sent again alone. What the others
//! did meanwhile does not repeat; the same seed and number of requests come closest.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says its seed"
)]

mod case;
mod client;
mod disturbance;
mod memory;
mod question;
mod told;
mod told_response;
mod verdict;
mod weather;

use std::{
    env, panic,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use case::{Case, MOST_EXCHANGES, Manner};
use client::{Answer, Client};
use foxbridge::{
    config::{self, Config, Sources},
    run,
    simulator::{self, Simulator},
};
use tokio::{net::TcpListener, time::timeout};

const USUAL_REQUESTS: u64 = 1_500;
const CLIENTS: usize = 96;
pub(crate) const SUBMIT_RETRIES: u64 = 2;
/// Deadlines: one that no request comes near, and one for those that would never end.
const PATIENT: Duration = Duration::from_secs(60);
const HASTY: Duration = Duration::from_secs(2);
/// How late an answer may be at a deadline, on a busy machine.
const LATENESS: Duration = Duration::from_secs(4);
/// How long it may take until memory is given back.
const SLACK: Duration = Duration::from_secs(10);
/// What may be kept of each request when it is over, in bytes: its row in the ledger.
const MOST_KEPT: usize = 1 << 9;
/// What may be kept of all of them together: buffers and tables that have grown.
const MOST_GROWTH: usize = 2 << 20;
/// More failures than these tell nothing new.
const ENOUGH_FAILURES: usize = 5;

/// Both sides, and what has happened.
struct World {
    simulator: Simulator,
    patient: Client,
    hasty: Client,
    answers: AtomicU64,
    errors: AtomicU64,
    departures: AtomicU64,
    /// The longest that a hasty answer took, in milliseconds.
    slowest: AtomicU64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_of_a_storm_is_bought_once_and_answered_truthfully() {
    let seed = number("STORM_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    let only = number("STORM_ONLY");
    let requests = number("STORM_REQUESTS").unwrap_or(USUAL_REQUESTS);
    println!("STORM_SEED={seed} STORM_REQUESTS={requests}");
    let panics = watch_panics();
    let began = Instant::now();
    let world = Arc::new(World::start().await);
    let before = memory::in_use();
    let numbers = only.map_or(0..requests, |only| only..only + 1);
    let failures = weather_storm(&world, seed, numbers.clone()).await;
    world.report(began);
    assert!(
        failures.is_empty(),
        "STORM_SEED={seed} STORM_REQUESTS={requests}\n\n{}",
        failures.join("\n\n")
    );
    world.assert_calm().await;
    // What the simulator and the clients remember goes with them; the proxies stay.
    drop(world);
    let allowed = before + MOST_GROWTH + MOST_KEPT * (numbers.end - numbers.start) as usize;
    let after = memory::settled(allowed, SLACK).await;
    println!("{before} bytes in use before, {after} afterwards, {allowed} allowed");
    assert!(after <= allowed, "{after} bytes in use, {before} before");
    let panics = panics.lock().unwrap();
    assert!(panics.is_empty(), "panicked while serving: {panics:?}");
}

/// Sends these requests, many at once, and tells which of them failed.
async fn weather_storm(
    world: &Arc<World>,
    seed: u64,
    numbers: std::ops::Range<u64>,
) -> Vec<String> {
    let next = Arc::new(AtomicU64::new(numbers.start));
    let failures = Arc::new(Mutex::new(Vec::new()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (world, next, failures) = (world.clone(), next.clone(), failures.clone());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let has_enough = failures.lock().unwrap().len() >= ENOUGH_FAILURES;
                    if number >= numbers.end || has_enough {
                        break;
                    }
                    let case = Arc::new(Case::draw(seed, number, &world.simulator.base_url()));
                    let life = tokio::spawn(live_through(world.clone(), case.clone()));
                    if let Err(error) = life.await {
                        failures.lock().unwrap().push(format!("{error}\n{case}"));
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    std::mem::take(&mut *failures.lock().unwrap())
}

/// One logical request from its first sending to its last answer.
async fn live_through(world: Arc<World>, case: Arc<Case>) {
    let client = world.client(&case);
    let mut retries = 0;
    if let Manner::Leaves(departures) = &case.manner {
        for leave in departures {
            let request = case.request(retries);
            let asking = client.ask_and_leave(&request, leave);
            if let Some(answer) = in_time(&world, &case, asking).await {
                // It was answered before it could leave.
                world.judge(&case, 0, &answer);
                return world.assert_bought_once(&case);
            }
            world.departures.fetch_add(1, Ordering::Relaxed);
            retries += 1;
        }
    }
    if let Manner::Doubles = case.manner {
        let request = case.request(0);
        let both = tokio::join!(
            in_time(&world, &case, client.ask(&request)),
            in_time(&world, &case, client.ask(&request))
        );
        world.judge(&case, 0, &both.0);
        world.judge(&case, 0, &both.1);
    }
    for before in 0..MOST_EXCHANGES {
        let request = case.request(retries);
        let answer = in_time(&world, &case, client.ask(&request)).await;
        let is_answered = world.judge(&case, before, &answer);
        let insists = matches!(case.manner, Manner::Stubborn) && before == 0;
        if is_answered || !(answer.invites_retry() || insists) {
            break;
        }
        retries += 1;
    }
    world.assert_bought_once(&case);
}

async fn in_time<T>(world: &World, case: &Case, asking: impl Future<Output = T>) -> T {
    let is_hasty = case.weather.is_hasty;
    let limit = if is_hasty { HASTY + LATENESS } else { PATIENT };
    let began = Instant::now();
    let asked = timeout(limit, asking).await;
    if is_hasty {
        let took = began.elapsed().as_millis() as u64;
        world.slowest.fetch_max(took, Ordering::Relaxed);
    }
    asked.unwrap_or_else(|_| panic!("no answer within {limit:?}"))
}

impl World {
    async fn start() -> Self {
        let simulator = Simulator::start(simulator::Settings {
            // What the simulator keeps is not the proxy's memory, but it must outlast the slowest request.
            max_tasks: 5_000,
            journal_requests: 16,
            journal_bytes: 1 << 16,
            ..simulator::Settings::instant()
        })
        .await
        .unwrap();
        let upstream = simulator.base_url();
        let patient = start_proxy(&upstream, |config| {
            config.task.deadline = PATIENT;
            config.task.results_grace = Duration::from_secs(20);
            config.task.orphan_grace = Some(PATIENT);
        });
        let hasty = start_proxy(&upstream, |config| {
            config.task.deadline = HASTY;
            config.task.results_grace = Duration::from_millis(300);
        });
        Self {
            patient: patient.await,
            hasty: hasty.await,
            simulator,
            answers: AtomicU64::default(),
            errors: AtomicU64::default(),
            departures: AtomicU64::default(),
            slowest: AtomicU64::default(),
        }
    }

    fn client(&self, case: &Case) -> &Client {
        match case.weather.is_hasty {
            true => &self.hasty,
            false => &self.patient,
        }
    }

    fn judge(&self, case: &Case, before: u64, answer: &Answer) -> bool {
        let judged = panic::AssertUnwindSafe(|| verdict::is_answered(case, before, answer));
        let is_answered = panic::catch_unwind(judged).unwrap_or_else(|fault| {
            let text = fault.downcast_ref::<String>().map(String::as_str);
            let text = text.or(fault.downcast_ref::<&str>().copied());
            panic!(
                "{}\n{}\n{}",
                text.unwrap_or_default(),
                answer.head,
                answer.body
            )
        });
        let count = if is_answered {
            &self.answers
        } else {
            &self.errors
        };
        count.fetch_add(1, Ordering::Relaxed);
        is_answered
    }

    fn assert_bought_once(&self, case: &Case) {
        let (id, weather) = (&case.id, &case.weather);
        assert_eq!(self.simulator.accepted(id), weather.tasks, "tasks bought");
        let submits = self.simulator.attempts(id);
        assert!(submits <= weather.most_submits, "{submits} submits");
    }

    /// Nothing is in flight any more. What was left behind by clients is followed on, for as long as they could have
    /// waited.
    async fn assert_calm(&self) {
        let calm = self
            .simulator
            .journal_when(|journal| journal.open_streams == 0);
        let journal = timeout(PATIENT + LATENESS, calm)
            .await
            .expect("no stream is followed any more");
        assert_eq!(journal.panics, 0, "the simulator panicked");
    }

    fn report(&self, began: Instant) {
        let journal = self.simulator.journal();
        println!(
            "{:?}: {:?} answers, {:?} errors, {:?} departures; {} submits, {} tasks, {} queries, {} streams; a hasty \
             answer took {:?} ms at most",
            began.elapsed(),
            self.answers,
            self.errors,
            self.departures,
            journal.submits,
            journal.accepted,
            journal.queries,
            journal.stream_opens,
            self.slowest
        );
    }
}

async fn start_proxy(upstream: &str, change: impl FnOnce(&mut Config)) -> Client {
    let mut config = config::load(&Sources::default()).unwrap().config;
    config.listen.set_port(0);
    config.upstream.base_url = upstream.parse().unwrap();
    config.task.poll_first = Duration::from_millis(5);
    config.task.poll_max = Duration::from_millis(50);
    config.task.submit_retries = SUBMIT_RETRIES as u32;
    config.stream.idle = Duration::from_millis(700);
    config.stream.keepalive = Duration::from_millis(100);
    // Whatever the machine has, so that retries come to other threads than what they retry.
    config.server.threads = 3;
    // So few that they make room for each other, and memory for them is no question.
    config.ledger.responses.max_size = 1 << 18;
    change(&mut config);
    let listener = TcpListener::bind(config.listen).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        run::serve(config, listener, std::future::pending())
            .await
            .unwrap();
    });
    Client::new(address)
}

/// Collects every panic of the process, also those that a server swallows. The failures of requests are among them.
fn watch_panics() -> Arc<Mutex<Vec<String>>> {
    let panics = Arc::new(Mutex::new(Vec::new()));
    let seen = panics.clone();
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        seen.lock().unwrap().push(panic.to_string());
        previous(panic);
    }));
    panics
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}
