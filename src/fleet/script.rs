//! What is asked of Redis: each question is one script, which sees and changes the keys of one caller at once.

use std::sync::LazyLock;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// What a script is asked.
#[derive(Debug, Default)]
pub struct Question {
    pub keys: Vec<String>,
    pub arguments: Vec<String>,
}

/// A Lua script and the name that Redis has for it.
pub struct Script {
    pub(super) text: String,
    pub(super) sha: String,
}

impl Script {
    fn new(parts: &[&str]) -> Self {
        Self::of(parts.concat())
    }

    /// One that has others as functions, by their names.
    fn with(others: &[(&str, &str)], text: &str) -> Self {
        let others = others
            .iter()
            .map(|(name, text)| format!("local function {name}(KEYS, ARGV)\n{text}\nend\n"));
        let others: String = others.collect();
        Self::of([COMMON, &others, text].concat())
    }

    fn of(text: String) -> Self {
        // Redis names scripts by their SHA-1; nothing depends on nobody being able to forge one.
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let sha = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
        Self {
            sha: sha.collect(),
            text,
        }
    }
}

const COMMON: &str = include_str!("lua/common.lua");
const TO_ENTER: &str = include_str!("lua/enter.lua");
const TO_FIND: &str = include_str!("lua/find.lua");

pub static ENTER: LazyLock<Script> = LazyLock::new(|| Script::new(&[COMMON, TO_ENTER]));
pub static ENTER_AND_FIND: LazyLock<Script> = LazyLock::new(|| {
    let others = [("enter", TO_ENTER), ("find", TO_FIND)];
    Script::with(&others, include_str!("lua/enter_and_find.lua"))
});
pub static CLAIM: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[COMMON, include_str!("lua/claim.lua")]));
pub(super) static APPLY: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[COMMON, include_str!("lua/apply.lua")]));
pub(super) static BEAT: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[include_str!("lua/beat.lua")]));
pub(super) static CANCEL: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[include_str!("lua/cancel.lua")]));
pub static KEEP: LazyLock<Script> = LazyLock::new(|| Script::new(&[include_str!("lua/keep.lua")]));
pub static FIND: LazyLock<Script> = LazyLock::new(|| Script::new(&[TO_FIND]));
pub static SETTLE: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[include_str!("lua/settle.lua")]));
pub static FORGET: LazyLock<Script> =
    LazyLock::new(|| Script::new(&[include_str!("lua/forget.lua")]));

/// Those that requests wait for. A server that has them loaded answers the first of each as fast as the others.
pub(super) fn of_requests() -> [&'static Script; 9] {
    [
        &ENTER,
        &ENTER_AND_FIND,
        &CLAIM,
        &APPLY,
        &KEEP,
        &FIND,
        &SETTLE,
        &FORGET,
        &CANCEL,
    ]
}
