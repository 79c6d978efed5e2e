use fastrand::Rng;

use crate::question::Question;

/// What the upstream does to one request, and so what may become of it.
#[derive(Debug)]
pub(crate) struct Weather {
    /// Keys of the marker.
    pub(crate) script: Vec<String>,
    pub(crate) fate: Fate,
    /// How many tasks must exist at the end.
    pub(crate) tasks: u64,
    /// How often it may be submitted at most, where that is not left to the upstream's refusals.
    pub(crate) most_submits: u64,
    /// Whether it can only end at the deadline, which is then a short one.
    pub(crate) is_hasty: bool,
    /// Whether the stream is sure to come through at last, so that nothing of the reasoning may lack.
    pub(crate) keeps_reasoning: bool,
    /// Whether a chunk is kept from the client without a sign of it.
    pub(crate) loses: bool,
    /// The beginning of the credential.
    pub(crate) key: &'static str,
}

/// What must become of a request.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    Answer,
    /// An error with one of these codes.
    Error(&'static [&'static str]),
    /// The whole answer, or an error with one of these codes that tells the truth.
    AnswerOr(&'static [&'static str]),
    /// The upstream refuses it for good; the client gets this status.
    Refused(u16),
    /// The upstream refuses it so many times, and each request submits so often; meanwhile the client gets this status.
    Busy {
        refusals: u64,
        submits: u64,
        status: u16,
    },
}

const UNCONFIRMED: &[&str] = &["submit_unconfirmed"];
/// A stream that insists on an error which the task never confirms is believed in the end.
const NEVER_ENDS: &[&str] = &["task_deadline_exceeded", "task_unreachable", "task_failed"];
const NO_RESULTS: &[&str] = &["results_missing", "task_deadline_exceeded", "task_failed"];

impl Weather {
    fn fair() -> Self {
        Self {
            script: Vec::new(),
            fate: Fate::Answer,
            tasks: 1,
            most_submits: 1,
            is_hasty: false,
            keeps_reasoning: true,
            loses: false,
            key: "sk-storm",
        }
    }

    /// One cut: the `nth` of all places between and inside chunks, each with every way to start over.
    pub(crate) fn cut(nth: u64, question: &Question) -> Self {
        let mut weather = Self::fair();
        let (nth, replay) = (nth / 3, ["same", "new-ids", "rechunk"][nth as usize % 3]);
        let (nth, inside) = (nth / 2, ["", "+40"][nth as usize % 2]);
        let place = nth as usize % (question.chunks() + 2);
        weather.add(format!("stream=cut@{place}{inside} replay={replay}"));
        weather
    }

    pub(crate) fn draw(rng: &mut Rng, question: &Question, origin: &str) -> Self {
        let mut weather = Self::fair();
        weather.strike(rng, question);
        // A later key overrides an earlier one, and what strikes must not be softened.
        let struck = std::mem::take(&mut weather.script);
        weather.disturb(rng, question, origin);
        weather.script.extend(struck);
        weather
    }

    /// What decides over the request, if anything does.
    fn strike(&mut self, rng: &mut Rng, question: &Question) {
        let is_polled = !question.is_followed();
        match rng.u16(0..1000) {
            0..60 => self.leave_in_doubt(rng),
            60..68 => {
                self.key = "sk-unread";
                (self.tasks, self.most_submits) = (0, 0);
                self.fate = Fate::Error(UNCONFIRMED);
            }
            68..110 => self.refuse(rng),
            110..140 => self.be_busy(rng),
            140..180 => self.fail(rng, question),
            180..190 => {
                self.be_hasty(Fate::Error(NEVER_ENDS));
                let after = rng.usize(0..=question.chunks());
                self.add(format!("task=stuck fail-after={after}"));
            }
            190..196 => {
                self.be_hasty(either(is_polled, NEVER_ENDS));
                self.add(format!("query={}", pick(rng, &["500x*", "resetx*"])));
            }
            196..204 => {
                self.be_hasty(either(is_polled, NO_RESULTS));
                self.add(format!("results={}", pick(rng, &["nullx*", "emptyx*"])));
            }
            204..219 => {
                self.fate = either(is_polled, &["task_lost"]);
                self.keeps_reasoning = false;
                let query = pick(rng, &["404x*", "401x*", "html:403x*"]);
                self.add(format!("query={query}"));
            }
            219..270 if question.is_followed() => {
                self.loses = true;
                self.keeps_reasoning = false;
                if question.streams {
                    self.fate = Fate::AnswerOr(&["stream_incomplete"]);
                }
                let place = rng.usize(0..=question.chunks());
                self.add(format!("stream=lose@{place}"));
            }
            _ => {}
        }
    }

    /// Nobody can know whether there is a task.
    fn leave_in_doubt(&mut self, rng: &mut Rng) {
        let is_accepted = rng.bool();
        let reaction = pick(
            rng,
            &[
                "reset",
                "reset",
                "close",
                "500",
                "503",
                "html:502",
                "504",
                "empty:500",
                "garbage",
                "truncated",
                "hang",
            ],
        );
        self.fate = Fate::Error(UNCONFIRMED);
        self.tasks = u64::from(is_accepted);
        self.is_hasty = reaction == "hang";
        let accept = if is_accepted { "accept+" } else { "" };
        self.add(format!("submit={accept}{reaction}"));
    }

    fn refuse(&mut self, rng: &mut Rng) {
        let (reaction, status) = [
            ("400", 400),
            ("401", 401),
            ("402", 429),
            ("403", 403),
            ("413", 413),
            ("422", 422),
            ("422:model_not_found", 404),
            ("html:403", 502),
            ("redirect:http://127.0.0.1:9/", 502),
        ][rng.usize(0..9)];
        self.fate = Fate::Refused(status);
        (self.tasks, self.most_submits) = (0, u64::MAX);
        self.add(format!("submit={reaction}x*"));
    }

    fn be_busy(&mut self, rng: &mut Rng) {
        let (reaction, submits, status) = match rng.bool() {
            true => ("429", crate::SUBMIT_RETRIES + 1, 429),
            false => ("422:no_available_model", 1, 503),
        };
        let all = submits * crate::case::MOST_EXCHANGES;
        let refusals = rng.u64(1..=all + 1);
        self.fate = Fate::Busy {
            refusals,
            submits,
            status,
        };
        self.tasks = u64::from(refusals < all);
        self.most_submits = u64::MAX;
        self.add(format!("submit={reaction}x{refusals} retry-after=0"));
    }

    fn fail(&mut self, rng: &mut Rng, question: &Question) {
        let (ending, codes): (_, &[&str]) = match rng.bool() {
            true => ("failed", &["provider_error"]),
            false => ("cancelled", &["task_cancelled"]),
        };
        self.fate = Fate::Error(codes);
        let shape = pick(rng, &["plain", "nested", "raw"]);
        let after = rng.usize(0..=question.chunks());
        self.add(format!(
            "task={ending} error-shape={shape} fail-after={after}"
        ));
    }

    fn be_hasty(&mut self, fate: Fate) {
        self.is_hasty = true;
        self.keeps_reasoning = false;
        self.fate = fate;
    }

    pub(crate) fn add(&mut self, keys: String) {
        self.script.push(keys);
    }
}

/// Certain when the task can only be polled.
fn either(is_polled: bool, codes: &'static [&'static str]) -> Fate {
    match is_polled {
        true => Fate::Error(codes),
        false => Fate::AnswerOr(codes),
    }
}

/// True in so many of a hundred cases.
pub(crate) fn chance(rng: &mut Rng, percent: u8) -> bool {
    rng.u8(0..100) < percent
}

pub(crate) fn pick<'a>(rng: &mut Rng, choices: &[&'a str]) -> &'a str {
    choices[rng.usize(0..choices.len())]
}
