//! Clients that do as the official SDKs do, each of whose attempts lands on another replica, through everything that may go
//! wrong: no request buys two tasks.

use std::{
    collections::HashMap,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use foxbridge::simulator::{self, Simulator};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    sync::RwLock,
    time::{sleep, timeout},
};

use crate::{
    fetched::{python_of, told},
    harness::{PATIENCE, Replica, scripted, within},
    http::{KEY, Request},
    server::Redis,
};

/// Those of the Rust client.
const REQUESTS: u64 = 4_500;
/// How the names of requests begin.
const OF_RUST: &str = "r";
const OF_PYTHON: &str = "p";
/// How often one replica dies, and how often Redis hangs.
const DISTURBANCES: u64 = 4;
const AT_ONCE: u64 = 48;
/// As a user would set `max_retries`; attempts beside the first.
const RETRIES: u64 = 6;

/// How many attempts an impatient client gives up: then it waits.
const IMPATIENT: u64 = 2;

/// In a script: when its client gives up, or some milliseconds before or after that.
const MOMENT: &str = "MOMENT";

/// What happens to a request, how long its client waits for the first attempts, and whether there is an answer in the end.
const WEATHER: [(&str, u64, bool); 12] = [
    ("words=3", 60_000, true),
    ("first-chunk=MOMENT words=3", 150, true),
    ("queue=MOMENT words=3", 150, true),
    ("submit-latency=700ms words=3", 150, true),
    ("queue=700ms words=3", 150, true),
    ("first-chunk=700ms words=3", 150, true),
    ("submit=429x1 retry-after=0 words=3", 60_000, true),
    ("query=500,reset,html:502,ok words=3", 60_000, true),
    ("stream=cut@1,reset@2 words=3", 60_000, true),
    ("submit=accept+reset words=3", 60_000, false),
    ("submit=reset words=3", 60_000, false),
    ("submit-latency=700ms task=failed", 150, false),
];

/// So that nothing is bought unnoted, however long Redis hangs.
const SETTINGS: [&str; 3] = [
    "ledger.if_unavailable=refuse",
    "task.submit_retries=0",
    "log.level=info",
];

/// How long it takes at most until all replicas can know that a client has left without its answer.
const TOLD: Duration = Duration::from_millis(200);

/// Replicas that come and go, in front of a simulator.
struct World {
    simulator: Arc<Simulator>,
    store: String,
    addresses: Mutex<[SocketAddr; 2]>,
    answered: AtomicU64,
    /// Answers of tasks that another attempt had bought.
    found: AtomicU64,
    attempts: AtomicU64,
    /// Answers that openai-python was written and has not taken.
    untaken: AtomicU64,
    next: AtomicU64,
    /// Held by whoever gives up in the moment in which it is answered, until that is told: where its replica dies or Redis hangs in
    /// that very moment, nobody can know.
    moments: RwLock<()>,
    /// What has become of the attempts of each request, for whoever reads a failure.
    trails: Mutex<HashMap<String, String>>,
    begun: Instant,
}

impl World {
    /// The replica for this attempt: the next attempt has the other one.
    fn replica(&self, case: u64, attempt: u64) -> SocketAddr {
        self.addresses.lock().unwrap()[(case + attempt) as usize % 2]
    }

    fn tell(&self, request: String, attempt: u64, begun: Duration, what: &str) {
        let line = format!(
            "{attempt} from {begun:?} to {:?}: {what}\n",
            self.begun.elapsed()
        );
        let mut trails = self.trails.lock().unwrap();
        trails.entry(request).or_default().push_str(&line);
    }

    async fn replica_with(&self) -> Replica {
        let settings = [&[self.store.as_str()], &SETTINGS[..]].concat();
        Replica::start(&self.simulator.base_url(), &settings).await
    }
}

/// Those of openai-python, or as many as `FLEET_SDK_CALLS` says.
fn of_the_sdk() -> u64 {
    let given = std::env::var("FLEET_SDK_CALLS").ok();
    given.map_or(5_000, |calls| {
        calls.parse().expect("FLEET_SDK_CALLS is a number")
    })
}

fn case(number: u64) -> (Request, Duration, bool) {
    let (script, patience, is_answered) = WEATHER[number as usize % WEATHER.len()];
    let script = script.replace(MOMENT, &format!("{}ms", patience - number * 7 % 10));
    let request = scripted(
        &format!("id={OF_RUST}{number} {script}"),
        number.is_multiple_of(3),
    );
    // A key of the client's own is a promise beside the SDKs' mark.
    let request = match number % 7 {
        0 => request.with("idempotency-key", &format!("storm-{number}")),
        _ => request,
    };
    let request = request.with("Connection", "close");
    (request, Duration::from_millis(patience), is_answered)
}

/// What one attempt comes to, as far as an SDK looks at it; nothing where the connection is lost or time is up before
/// anything has come.
async fn attempt(address: SocketAddr, request: &Request, patience: Duration) -> Option<Vec<u8>> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(&request.to_bytes()).await.ok()?;
        stream.readable().await.ok()?;
        Some(stream)
    };
    let mut stream = timeout(patience, asked).await.ok()??;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    within("what has begun goes on", read).await.ok()?;
    (!answer.is_empty()).then_some(answer)
}

/// One request of an SDK's user: sent again as SDKs do, and on the other replica each time.
async fn live_through(world: &World, number: u64) {
    let (request, patience, _) = case(number);
    let is_moment = WEATHER[number as usize % WEATHER.len()].0.contains(MOMENT);
    for count in 0..=RETRIES {
        world.attempts.fetch_add(1, Ordering::Relaxed);
        let begun = world.begun.elapsed();
        let marked = request
            .clone()
            .with("x-stainless-retry-count", &count.to_string());
        let patience = if count < IMPATIENT {
            patience
        } else {
            PATIENCE
        };
        let moment = match is_moment {
            true => Some(world.moments.read().await),
            false => None,
        };
        let answer = attempt(world.replica(number, count), &marked, patience).await;
        if let (Some(moment), None) = (moment, &answer) {
            sleep(TOLD).await;
            drop(moment);
        }
        let answer = answer.map(|answer| String::from_utf8(answer).unwrap().to_lowercase());
        let advice = |word: &str| {
            let header = format!("x-should-retry: {word}\r\n");
            answer.as_ref().is_some_and(|text| text.contains(&header))
        };
        let status = answer
            .as_ref()
            .and_then(|text| text.get(9..12)?.parse().ok());
        let is_passing = matches!(status, None | Some(408 | 409 | 429 | 500..));
        let text = answer.as_deref().unwrap_or("nothing");
        world.tell(format!("{OF_RUST}{number}"), count, begun, text);
        if status == Some(200) {
            let text = answer.unwrap_or_default();
            world.answered.fetch_add(1, Ordering::Relaxed);
            let is_found = text.contains("x-foxbridge-found: true\r\n");
            world
                .found
                .fetch_add(u64::from(is_found), Ordering::Relaxed);
            return;
        }
        if advice("false") || !(is_passing || advice("true")) {
            return;
        }
        sleep(Duration::from_millis(20 << count)).await;
    }
}

/// One replica after the other dies in the middle of everything, and Redis hangs for a while.
async fn disturb(
    world: Arc<World>,
    redis: Arc<Redis>,
    mut replicas: [Replica; 2],
    all: u64,
) -> [Replica; 2] {
    for turn in 0..DISTURBANCES {
        let due = all * (turn + 1) / (DISTURBANCES + 1);
        while world.next.load(Ordering::Relaxed) < due {
            sleep(Duration::from_millis(10)).await;
        }
        let which = turn as usize % 2;
        let others = world.moments.write().await;
        replicas[which].kill().await;
        let new = world.replica_with().await;
        world.addresses.lock().unwrap()[which] = new.address;
        replicas[which] = new;
        redis.stop();
        sleep(Duration::from_millis(700)).await;
        redis.go_on();
        for replica in &replicas {
            replica.redis_is(true).await;
            replica.has_told().await;
        }
        drop(others);
    }
    replicas
}

/// Passes connections on, a request each: a call's first attempt to one replica, its second to the other.
async fn balance(world: Arc<World>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let world = world.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    if client.read_buf(&mut head).await.ok()? == 0 {
                        return None;
                    }
                }
                let text = String::from_utf8_lossy(&head).to_lowercase();
                let number = |name: &str| {
                    let line = text.lines().find_map(|line| line.strip_prefix(name));
                    line.map_or(0, |value| value.trim().parse().unwrap())
                };
                let retry = number("x-stainless-retry-count:");
                world.attempts.fetch_add(1, Ordering::Relaxed);
                let (case, begun) = (number("x-case:"), world.begun.elapsed());
                let moment = match number("x-moment:") {
                    1 => Some(world.moments.read().await),
                    _ => None,
                };
                // Its client may have given up meanwhile.
                let gone = timeout(Duration::ZERO, client.peek(&mut [0])).await;
                if matches!(gone, Ok(Ok(0) | Err(_))) {
                    return None;
                }
                let replica = world.replica(case, retry);
                let mut server = TcpStream::connect(replica).await.ok()?;
                server.write_all(&head).await.ok()?;
                let (answer, is_taken) = pass_on(&mut client, &mut server).await;
                if !is_taken && !answer.is_empty() {
                    world.untaken.fetch_add(1, Ordering::Relaxed);
                    sleep(TOLD).await;
                }
                drop(moment);
                let what = format!("by {replica}: {}", String::from_utf8_lossy(&answer));
                world.tell(format!("{OF_PYTHON}{case}"), retry, begun, &what);
                Some(())
            });
        }
    });
    address
}

/// Until the client has gone; what the server has said, and whether the client has taken all of it. If not, that is passed on,
/// as by a balancer that looks at packets.
async fn pass_on(client: &mut TcpStream, server: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut answer = Vec::new();
    let mut is_told = false;
    {
        let (mut asking, mut told) = client.split();
        let (mut answering, mut asked) = server.split();
        let down = async {
            let mut passed = 0;
            while answering.read_buf(&mut answer).await? > 0 {
                told.write_all(&answer[passed..]).await?;
                passed = answer.len();
            }
            told.shutdown().await?;
            is_told = true;
            // The client has the rest of the time to take it.
            std::future::pending::<std::io::Result<()>>().await
        };
        let passing = async {
            tokio::select! {
                ended = down => ended,
                ended = copy(&mut asking, &mut asked) => ended.map(drop),
            }
        };
        let ended = within("a connection ends", passing).await;
        is_told &= ended.is_ok();
    }
    // What is written to a client that has gone its machine refuses.
    let is_taken = is_told && client.take_error().is_ok_and(|error| error.is_none());
    if !is_taken {
        server.set_zero_linger().unwrap();
    }
    (answer, is_taken)
}

/// Runs the SDK's calls, and returns what came of them.
async fn run_the_sdk(world: Arc<World>) -> Value {
    let balancer = balance(world).await;
    let python = tokio::task::spawn_blocking(|| python_of("python"));
    let mut command = Command::new(python.await.unwrap());
    command
        .arg("-B")
        .arg(crate::fetched::sources("python").join("replicas.py"))
        .env_clear()
        .env("OPENAI_BASE_URL", format!("http://{balancer}/v1"))
        .env("OPENAI_API_KEY", KEY)
        .env("CALLS", of_the_sdk().to_string())
        .env("PREFIX", OF_PYTHON)
        .stdin(Stdio::null());
    let mut command = tokio::process::Command::from(command);
    let running = command.kill_on_drop(true).output();
    let output = timeout(PATIENCE * 10, running)
        .await
        .expect("openai-python comes to an end")
        .unwrap();
    assert!(output.status.success(), "{}", told(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(&output)))
}

/// Of so many requests of a kind, how many tasks they have bought: none of them two.
fn judge(world: &World, kind: &str, requests: u64) -> u64 {
    let trails = world.trails.lock().unwrap();
    let mut bought = 0;
    for number in 0..requests {
        let name = format!("{kind}{number}");
        let tasks = world.simulator.accepted(&name);
        let trail = trails.get(&name);
        assert!(tasks <= 1, "{name} has bought {tasks} tasks: {trail:#?}");
        bought += tasks;
    }
    bought
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_retries_that_alternate_buy_one_task() {
    let settings = simulator::Settings {
        max_tasks: 20_000,
        journal_requests: 16,
        journal_bytes: 1 << 16,
        ..simulator::Settings::instant()
    };
    let redis = Arc::new(Redis::start());
    let mut world = World {
        simulator: Arc::new(Simulator::start(settings).await.unwrap()),
        store: redis.setting(),
        addresses: Mutex::new([SocketAddr::from(([0; 4], 0)); 2]),
        answered: AtomicU64::new(0),
        found: AtomicU64::new(0),
        attempts: AtomicU64::new(0),
        untaken: AtomicU64::new(0),
        next: AtomicU64::new(0),
        begun: Instant::now(),
        moments: RwLock::default(),
        trails: Mutex::default(),
    };
    let replicas = [world.replica_with().await, world.replica_with().await];
    world.addresses = Mutex::new(replicas.each_ref().map(|replica| replica.address));
    let world = Arc::new(world);

    // The SDK's calls begin with two sound replicas, and go on through the rest.
    let sdk = tokio::spawn(run_the_sdk(world.clone()));
    let disturbing = disturb(world.clone(), redis.clone(), replicas, REQUESTS);
    let clients: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move {
                loop {
                    let number = world.next.fetch_add(1, Ordering::Relaxed);
                    if number >= REQUESTS {
                        break;
                    }
                    live_through(&world, number).await;
                }
            })
        })
        .collect();
    let clients = timeout(PATIENCE * 5, join_all(clients));
    let (replicas, clients) = tokio::join!(disturbing, clients);
    for client in clients.expect("requests come to an end") {
        client.unwrap();
    }
    let said = sdk.await.unwrap();

    let bought = judge(&world, OF_RUST, REQUESTS);
    let calls = of_the_sdk();
    let by_sdk = judge(&world, OF_PYTHON, calls);
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (answered, found) = (count(&world.answered), count(&world.found));
    println!(
        "{REQUESTS} requests: {bought} tasks, {answered} answers, {found} of them of a task that another attempt had bought; \
         openai-python's {calls} calls: {by_sdk} tasks, {said}, and {} answers that it did not take; {} attempts in all",
        count(&world.untaken),
        count(&world.attempts)
    );
    // What is only refused or only served at once would show nothing.
    let expected = (0..REQUESTS).filter(|number| case(*number).2).count() as u64;
    assert!(answered >= expected * 9 / 10, "{answered} of {expected}");
    assert!(found >= REQUESTS / 10, "{found} found their tasks");
    let number = |name: &str| said[name].as_u64().unwrap();
    assert!(number("answered") >= number("expected") * 9 / 10, "{said}");
    assert!(number("found") >= calls / 10, "{said}");

    // All is well again.
    for (at, replica) in replicas.iter().enumerate() {
        replica.redis_is(true).await;
        let text = json!({ "kept": at }).to_string();
        let request = scripted("words=3", false).with("idempotency-key", &text);
        assert_eq!(replica.ask(&request).await.status(), 200);
    }
}
