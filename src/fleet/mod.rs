//! What the replicas of foxbridge share: a Redis (`ledger.store = "redis://…"`).
//!
//! [`ledger`](crate::ledger) and [`keys`](crate::keys) say what is shared; here is how it is asked ([`Fleet::run`]), how it is
//! told what nobody waits for ([`Fleet::note`]), who else lives, and what is known of Redis itself: whoever does not get an
//! answer in time takes it for away, nobody asks again until it has answered the keeper, and everything is written then.
//!
//! All keys of one caller have one hash tag, which is a keyed hash of its credential, so that a Cluster has them in one place
//! and nobody who reads Redis learns whose they are.

mod changes;
mod effects;
mod errand;
mod keeper;
mod link;
mod names;
mod pending;
pub mod script;
mod settings;
mod writer;

pub use effects::{ANCHOR, Effect, Fate, Keep, ORDER, PLACES, REQUESTS, TOKENS};
pub use errand::{Errand, Later};
pub use names::{Tag, hash, row_id};
pub use script::{Question, Script};
pub use settings::{Address, IfUnavailable, Settings, Topology};

use std::{
    collections::HashSet,
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use ring::digest;
use tokio::{
    sync::{Notify, oneshot, watch},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Builder;

use link::Link;
use names::Secret;
use pending::Pending;

/// The fleet, as one replica sees it. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Fleet(Arc<Handle>);

struct Handle {
    state: Arc<State>,
    _stop: DropGuard,
}

/// Redis does not answer just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Redis does not answer")]
pub struct Away;

/// What the keeper tells whoever keeps something in Redis.
pub trait Listener: Send + Sync {
    /// Redis has lost what it had: this is what it is to be told again.
    fn lost(&self, replica: &str) -> Vec<(Tag, Effect)>;
    /// These responses are not to be followed any more.
    fn cancelled(&self, ids: &[String]);
}

pub(crate) struct State {
    settings: Settings,
    /// This process: nothing else ever has the same name.
    replica: String,
    /// With its number; `None` while Redis is away.
    link: ArcSwapOption<(u64, Link)>,
    links: AtomicU64,
    /// The connection is of no use any more.
    lost: Notify,
    /// Whether there is a connection; the first value that counts is the second.
    is_up: watch::Sender<Option<bool>>,
    trouble: ArcSwapOption<String>,
    secret: ArcSwap<Secret>,
    /// Whether other replicas have had the secret too.
    has_shared: AtomicBool,
    /// Where what this replica has is known, or is about to be told.
    epoch: ArcSwapOption<String>,
    /// The replicas that said so lately.
    living: ArcSwap<HashSet<String>>,
    listener: OnceLock<Box<dyn Listener>>,
    pending: Mutex<Pending>,
    woken: Notify,
    written: Notify,
    /// Requests that went on without a place in Redis.
    unnoted: AtomicU64,
}

impl Fleet {
    /// Connects, from a thread of its own, now and whenever the connection is lost. `secret` is what hashes are keyed with,
    /// unless Redis has one.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(settings: Settings, secret: [u8; 32]) -> io::Result<Self> {
        let mut chance = [0; 10];
        fastrand::fill(&mut chance);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let milliseconds = now.map_or(0, |since| since.as_millis() as u64);
        let replica = Builder::from_unix_timestamp_millis(milliseconds, &chance).into_uuid();
        let state = Arc::new(State {
            pending: Mutex::new(Pending::new(settings.max_rows)),
            settings,
            replica: replica.simple().to_string(),
            link: ArcSwapOption::empty(),
            links: AtomicU64::new(0),
            lost: Notify::new(),
            is_up: watch::Sender::new(None),
            trouble: ArcSwapOption::empty(),
            secret: ArcSwap::from_pointee(Secret::new(secret)),
            has_shared: AtomicBool::new(false),
            epoch: ArcSwapOption::empty(),
            living: ArcSwap::default(),
            listener: OnceLock::new(),
            woken: Notify::new(),
            written: Notify::new(),
            unnoted: AtomicU64::new(0),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let stop = CancellationToken::new();
        let (kept, stopped) = (state.clone(), stop.clone());
        thread::Builder::new()
            .name("fleet".to_owned())
            .spawn(move || runtime.block_on(keeper::keep(&kept, &stopped)))?;
        Ok(Self(Arc::new(Handle {
            state,
            _stop: stop.drop_guard(),
        })))
    }

    /// Resolves when the first connection is there, or has failed.
    pub async fn begun(&self) {
        let mut is_up = self.0.state.is_up.subscribe();
        // Only a process that ends has no keeper.
        let _ = is_up.wait_for(Option::is_some).await;
    }

    /// Who is told of what happens to Redis; only the first who asks to be.
    pub fn listen(&self, listener: Box<dyn Listener>) {
        let _ = self.0.state.listener.set(listener);
    }

    /// This process.
    pub fn replica(&self) -> &str {
        &self.0.state.replica
    }

    /// What a row of this replica is called, and who has it.
    pub fn row_id(&self, number: u64) -> String {
        row_id(self.replica(), number)
    }

    pub fn settings(&self) -> &Settings {
        &self.0.state.settings
    }

    /// Whether nobody can ask Redis just now.
    pub fn is_away(&self) -> bool {
        self.0.state.link.load().is_none()
    }

    /// What is wrong with Redis, while it is away.
    pub fn trouble(&self) -> Option<Arc<String>> {
        self.0.state.trouble.load_full()
    }

    /// Whether what would buy is refused now.
    pub fn refuses(&self) -> bool {
        !self.settings().buys_unnoted() && self.is_away()
    }

    /// A request has gone on without a place in Redis.
    pub fn went_on(&self) {
        self.0.state.unnoted.fetch_add(1, Ordering::Relaxed);
    }

    /// How many have, since the start.
    pub fn unnoted(&self) -> u64 {
        self.0.state.unnoted.load(Ordering::Relaxed)
    }

    /// Whose keys come with this credential, without a scheme.
    pub fn tag(&self, credential: &[u8]) -> Tag {
        self.tag_of_digest(digest::digest(&digest::SHA256, credential).as_ref())
    }

    /// The same, of the credential's SHA-256.
    pub fn tag_of_digest(&self, digest: &[u8]) -> Tag {
        Tag(self.hash(&[b"tag", digest]))
    }

    /// A hash that tells nothing to whoever reads Redis.
    pub fn hash(&self, parts: &[&[u8]]) -> [u8; 16] {
        let secret = self.0.state.secret.load();
        hash(&secret.key, parts)
    }

    /// Asks Redis. The answer is a list of texts.
    ///
    /// # Errors
    /// When there is none in time; then it may have done what it was asked for.
    pub async fn run(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: &[&str],
    ) -> Result<Vec<String>, Away> {
        self.0.state.run(script, keys, arguments).await
    }

    /// The same.
    pub async fn ask(&self, script: &Script, question: &Question) -> Result<Vec<String>, Away> {
        let keys: Vec<&str> = question.keys.iter().map(String::as_str).collect();
        let arguments: Vec<&str> = question.arguments.iter().map(String::as_str).collect();
        self.run(script, &keys, &arguments).await
    }

    /// Has Redis told what nobody waits for, as soon as it can be.
    pub fn note(&self, tag: Tag, effects: impl IntoIterator<Item = Effect>) {
        self.0.state.pending().add(tag, effects);
        self.0.state.woken.notify_one();
    }

    /// The same, and resolves when it has been told.
    ///
    /// # Errors
    /// When it does not say so in time. Responses are not kept then; all else is told later.
    pub async fn tell(&self, tag: Tag, effects: Vec<Effect>) -> Result<(), Away> {
        let state = &self.0.state;
        let is_text = |effect: &Effect| matches!(effect, Effect::Keep(_) | Effect::Settle { .. });
        if self.is_away() {
            self.note(tag, effects.into_iter().filter(|effect| !is_text(effect)));
            return Err(Away);
        }
        let (told, is_told) = oneshot::channel();
        {
            let mut pending = state.pending();
            pending.add(tag, effects);
            pending.wait(tag, told);
        }
        state.woken.notify_one();
        match timeout(state.settings.timeout, is_told).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Away),
        }
    }

    /// Whether this replica has said lately that it lives.
    pub async fn is_living(&self, replica: &str) -> Result<bool, Away> {
        let state = &self.0.state;
        if state.living.load().contains(replica) {
            return Ok(true);
        }
        // It may have come since everybody was asked.
        keeper::beat_now(state).await?;
        Ok(state.living.load().contains(replica))
    }

    /// Has every replica let go of a response.
    pub async fn cancel(&self, id: &str) -> Result<(), Away> {
        let key = keeper::CANCELLED;
        self.run(&script::CANCEL, &[key], &[id]).await.map(drop)
    }

    /// Resolves when Redis has been told everything so far, or is away.
    pub async fn flush(&self) {
        let state = &self.0.state;
        loop {
            let written = state.written.notified();
            if state.pending().is_empty() || self.is_away() {
                return;
            }
            // Redis may be lost in between, which tells nobody here.
            let _ = timeout(Duration::from_millis(50), written).await;
        }
    }

    /// How many changes wait to be written.
    pub fn waiting(&self) -> usize {
        self.0.state.pending().len()
    }
}

/// Why Redis has not done what it was asked for.
enum Failure {
    Away,
    /// It is well, but these keys hold what no replica has written.
    Unusable,
}

impl State {
    async fn run(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: &[&str],
    ) -> Result<Vec<String>, Away> {
        let answer = self.ask(script, keys, arguments).await;
        answer.map_err(|_| Away)
    }

    async fn ask(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: &[&str],
    ) -> Result<Vec<String>, Failure> {
        let Some(current) = self.link.load_full() else {
            return Err(Failure::Away);
        };
        let (number, link) = &*current;
        let mut link = link.clone();
        let patience = self.settings.timeout;
        let key = keys.first().copied().unwrap_or_default();
        match timeout(patience, link.run(script, keys, arguments)).await {
            Ok(Ok(answer)) => Ok(answer),
            // One caller's keys are no reason to take the connection from all others.
            Ok(Err(error)) if link::is_about_keys(&error) && !keeper::is_of_all(key) => {
                tracing::error!(
                    key,
                    error = link::advice(&error),
                    "Redis cannot be used for one caller"
                );
                Err(Failure::Unusable)
            }
            Ok(Err(error)) => {
                self.lose(*number, link::advice(&error));
                Err(Failure::Away)
            }
            Err(_) => {
                self.lose(*number, no_answer(patience));
                Err(Failure::Away)
            }
        }
    }

    /// Nobody uses this connection any more.
    fn lose(&self, number: u64, trouble: String) {
        let current = self.link.load();
        if current.as_ref().is_some_and(|link| link.0 == number) {
            self.trouble.store(Some(Arc::new(trouble)));
            self.link.store(None);
            self.lost.notify_one();
        }
    }

    fn lose_any(&self, trouble: &str) {
        let number = self.link.load().as_ref().map(|link| link.0);
        if let Some(number) = number {
            self.lose(number, trouble.to_owned());
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_answer(patience: Duration) -> String {
    format!(
        "it gave no answer within {patience:?}; see whether it is overloaded or stopped, or raise ledger.redis_timeout"
    )
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fleet({})", self.replica())
    }
}
