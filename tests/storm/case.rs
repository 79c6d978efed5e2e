use std::fmt;

use fastrand::Rng;

use crate::{
    client::Leave,
    question::Question,
    weather::{Fate, Weather},
};

/// As often as the official SDKs send a request: once, and two retries.
pub(crate) const MOST_EXCHANGES: u64 = 3;

/// Each so-manieth request is one of a sweep, in which a stream is cut at every place.
const SWEEP: u64 = 8;

/// One logical request: everything about it follows from the seed and its number.
pub(crate) struct Case {
    seed: u64,
    number: u64,
    pub(crate) id: String,
    pub(crate) question: Question,
    pub(crate) weather: Weather,
    pub(crate) manner: Manner,
    caller: String,
    idempotency_key: Option<String>,
    body: String,
}

/// How the client behaves.
#[derive(Debug)]
pub(crate) enum Manner {
    /// As the official SDKs: what may be sent again is.
    Plain,
    /// As a client that knows nothing of `x-should-retry`.
    Stubborn,
    /// Leaves so often before it stays.
    Leaves(Vec<Leave>),
    /// Sends everything twice at once, and once more afterwards.
    Doubles,
}

impl Case {
    /// `origin`: where the simulator is.
    pub(crate) fn draw(seed: u64, number: u64, origin: &str) -> Self {
        let own = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut rng = Rng::with_seed(seed ^ own);
        let (question, weather) = if number.is_multiple_of(SWEEP) {
            let question = Question::swept();
            let weather = Weather::cut(number / SWEEP, &question);
            (question, weather)
        } else {
            let question = Question::draw(&mut rng);
            let weather = Weather::draw(&mut rng, &question, origin);
            (question, weather)
        };
        let is_busy = matches!(weather.fate, Fate::Busy { .. });
        let is_keyed = rng.u8(0..100) < 35;
        let manner = match rng.u8(0..100) {
            // How often it is refused is counted for one client that stays.
            _ if is_busy => Manner::Plain,
            0..50 => Manner::Plain,
            50..60 => Manner::Stubborn,
            60..80 if is_keyed => Manner::Doubles,
            _ => {
                let times = rng.usize(1..=2);
                Manner::Leaves(
                    (0..times)
                        .map(|_| Leave::draw(&mut rng, is_keyed))
                        .collect(),
                )
            }
        };
        let id = format!("storm-{number}");
        let marker = format!("id={id} {} {}", question.marker(), weather.script.join(" "));
        Self {
            seed,
            number,
            body: question.body(&marker),
            caller: format!("{}-{}", weather.key, number % 5),
            idempotency_key: is_keyed.then(|| format!("key-{seed}-{number}")),
            id,
            question,
            weather,
            manner,
        }
    }

    /// The bytes of the request when it is sent again for the `retries`th time.
    pub(crate) fn request(&self, retries: u64) -> Vec<u8> {
        let mut head = format!(
            "POST {} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nx-stainless-retry-count: {retries}\r\n",
            self.question.path(),
            self.caller,
            self.body.len()
        );
        if let Some(key) = &self.idempotency_key {
            head.push_str(&format!("idempotency-key: {key}\r\n"));
        }
        format!("{head}\r\n{}", self.body).into_bytes()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self {
            seed,
            number,
            manner,
            weather,
            idempotency_key,
            body,
            question,
            ..
        } = self;
        writeln!(
            f,
            "request {number}: STORM_SEED={seed} STORM_ONLY={number} replays it"
        )?;
        writeln!(
            f,
            "{manner:?}, to become {:?}, key {idempotency_key:?}",
            weather.fate
        )?;
        write!(f, "POST {} {body}", question.path())
    }
}
