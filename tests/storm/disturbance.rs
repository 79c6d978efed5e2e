use fastrand::Rng;

use crate::{
    question::Question,
    weather::{Weather, chance, pick},
};

impl Weather {
    /// What costs time and nothing else.
    pub(crate) fn disturb(&mut self, rng: &mut Rng, question: &Question, origin: &str) {
        if chance(rng, 5) {
            self.add(format!("submit=429x{} retry-after=0", rng.u8(1..=2)));
            self.most_submits = self.most_submits.saturating_add(2);
        }
        for (percent, key, most) in [
            (10, "submit-latency", 80),
            (15, "queue", 50),
            (15, "first-chunk", 50),
            (20, "chunk-interval", 8),
            (15, "completion-lag", 100),
            (5, "results-after", 200),
        ] {
            if chance(rng, percent) {
                self.add(format!("{key}={}ms", rng.u64(1..=most)));
            }
        }
        if chance(rng, 10) {
            let word = pick(rng, &["warming_up", "queued", "PROCESSING", "löschen", "0"]);
            self.add(format!("status={word}x{}", rng.u8(1..=3)));
        }
        if chance(rng, 10) {
            let missing = pick(rng, &["null", "empty", "stale"]);
            self.add(format!("results={missing}x{}", rng.u8(1..=3)));
        }
        if chance(rng, 15) {
            let reaction = trouble(rng);
            let times = rng.u8(1..=2);
            self.add(format!("query={reaction}x{times} retry-after=0"));
        }
        if chance(rng, 5) {
            self.add(format!("query=404x{}", rng.u8(1..=3)));
        }
        if chance(rng, 10) {
            self.add(format!("progress={}", rng.u8(..)));
        }
        if question.is_followed() {
            self.disturb_stream(rng, question, origin);
        }
    }

    fn disturb_stream(&mut self, rng: &mut Rng, question: &Question, origin: &str) {
        let mut faults = 0;
        if chance(rng, 15) {
            let reaction = match chance(rng, 20) {
                true => "hang".to_owned(),
                false => trouble(rng),
            };
            let times = times(rng, &mut faults);
            self.add(format!("open={reaction}{times} retry-after=0"));
        }
        if chance(rng, 60) && !self.loses {
            let steps: Vec<String> = (0..rng.usize(1..=3))
                .map(|_| stream_fault(rng, question.chunks()) + &times(rng, &mut faults))
                .collect();
            self.add(format!("stream={}", steps.join(",")));
        }
        // Two silences or three fruitless openings, and the task's result is taken instead.
        self.keeps_reasoning &= faults <= 1;
        if chance(rng, 50) {
            let twists = [
                "crlf",
                "cr",
                "bom",
                "bare",
                "multiline",
                "comments",
                "heartbeats",
                "unknown",
                "ids",
                "noise",
                "malformed",
                "one-write",
                "split:9",
                "split:100",
            ];
            let twists: Vec<&str> = (0..rng.usize(1..=3)).map(|_| pick(rng, &twists)).collect();
            // So many small writes may take a busy machine longer than `stream.idle`.
            self.keeps_reasoning &= !twists.iter().any(|twist| twist.starts_with("split"));
            self.add(format!("frame={}", twists.join(",")));
        }
        if chance(rng, 40) {
            self.add(format!(
                "replay={}",
                pick(rng, &["same", "new-ids", "rechunk"])
            ));
        }
        // Only a true count tells that a chunk was lost.
        if !self.loses {
            if chance(rng, 40) {
                let done = pick(rng, &["named", "marker", "both", "none"]);
                self.add(format!("done={done}"));
            }
            if chance(rng, 8) {
                self.add(format!("total={}", rng.usize(0..60)));
            }
        }
        if chance(rng, 40) {
            self.add(format!("usage-chunk={}", pick(rng, &["on", "off"])));
        }
        if chance(rng, 10) {
            let own = format!("{origin}/v1/llm/generations/{{id}}/stream");
            let foreign = "http://127.0.0.1:9/v1/llm/generations/{id}/stream";
            let url = [own.as_str(), "null", foreign][rng.usize(0..3)];
            self.keeps_reasoning &= url != foreign;
            self.add(format!("stream-url={url}"));
        }
    }
}

/// A reaction that says nothing about the task.
fn trouble(rng: &mut Rng) -> String {
    pick(
        rng,
        &[
            "500",
            "503",
            "429",
            "html:502",
            "504",
            "empty:503",
            "garbage",
            "truncated",
            "close",
            "reset",
        ],
    )
    .to_owned()
}

fn stream_fault(rng: &mut Rng, chunks: usize) -> String {
    let place = rng.usize(0..=chunks + 1);
    match rng.u8(0..12) {
        0..3 => format!("cut@{place}"),
        3..6 => format!("cut@{place}+{}", rng.u8(1..=250)),
        6 | 7 => format!("reset@{place}"),
        8 => format!("error@{place}"),
        9 => format!("end@{place}"),
        10 => format!("stall@{place}:{}ms", rng.u8(1..=100)),
        _ => match rng.u8(0..3) {
            0 => format!("beat@{place}:20ms"),
            _ => format!("stall@{place}"),
        },
    }
}

/// How often in a row, as plans have it.
fn times(rng: &mut Rng, faults: &mut u64) -> String {
    match rng.u8(0..10) {
        0 => {
            *faults = u64::MAX;
            "x*".to_owned()
        }
        1 | 2 => {
            let times = rng.u64(2..=4);
            *faults = faults.saturating_add(times);
            format!("x{times}")
        }
        _ => {
            *faults = faults.saturating_add(1);
            String::new()
        }
    }
}
