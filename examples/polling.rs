//! What a poll schedule costs and what it brings: simulates tasks under several laws of completion and compares a fixed
//! interval, the usual exponential gaps and the learned schedule of `task::Forecast`, by queries times mean lag.
//!
//! `cargo run --release --example polling -- docs/polling.svg` prints the table and draws it.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "an example prints what it finds, and stops at the first fault"
)]

use std::{fmt::Write, time::Duration};

use foxbridge::task::{Bounds, History};

const TASKS: usize = 4000;
/// From asking to knowing, in seconds.
const ROUND_TRIP: f64 = 0.001;

/// Draws the model of a task and its time of completion in seconds, by chance and by how many came before.
type Law = fn(&mut Chance, usize) -> (usize, f64);

const LAWS: [(&str, Law); 9] = [
    ("constant, 5 s", |_, _| (0, 5.0)),
    ("even, 1 to 8 s", |chance, _| (0, 1.0 + 7.0 * chance.even())),
    ("around 4 s, narrow", |chance, _| {
        (0, around(4.0, 0.15, chance))
    }),
    ("around 4 s, wide", |chance, _| {
        (0, around(4.0, 0.3, chance))
    }),
    ("around 4 s, heavy tail", |chance, _| {
        (0, around(4.0, 1.0, chance))
    }),
    ("bimodal, 1.5 and 7 s", |chance, _| {
        let middle = if chance.even() < 0.7 { 1.5 } else { 7.0 };
        (0, around(middle, 0.12, chance))
    }),
    ("shifting from 2 to 6 s", |chance, before| {
        (
            0,
            around(2.0 + 4.0 * before as f64 / TASKS as f64, 0.2, chance),
        )
    }),
    ("jumping, 2 and 6 s", |chance, before| {
        let middle = if before % 400 < 200 { 2.0 } else { 6.0 };
        (0, around(middle, 0.2, chance))
    }),
    ("8 models, 1 to 8 s", |chance, _| {
        let model = (chance.even() * 8.0) as usize;
        (model, around(model as f64 + 1.0, 0.15, chance))
    }),
];

/// What a schedule came to, on average over the tasks.
struct Outcome {
    queries: f64,
    /// From completion to the answer in hand, in seconds.
    lag: f64,
}

fn main() {
    let schedules = ["every second", "growing gaps", "learned"];
    println!("queries a task, mean lag, and their product over that of a fixed interval\n");
    println!("| completion | {} |", schedules.join(" | "));
    println!("|---|{}", "---|".repeat(schedules.len()));
    let mut rows = Vec::new();
    for (name, law) in LAWS {
        let outcomes = [
            run(law, |_, polls, chance| match polls {
                0 => chance.even(),
                _ => 1.0,
            }),
            run(law, |_, polls, _| {
                (0.25 * 1.5_f64.powi(polls.min(30) as i32)).min(2.0)
            }),
            learned(law),
        ];
        let fixed = outcomes[0].queries * outcomes[0].lag;
        let ratios = outcomes
            .each_ref()
            .map(|outcome| outcome.queries * outcome.lag / fixed);
        let cells: Vec<String> = outcomes
            .iter()
            .zip(ratios)
            .map(|(Outcome { queries, lag }, ratio)| {
                format!("{queries:.1} × {:.0} ms = {ratio:.2}", lag * 1000.0)
            })
            .collect();
        println!("| {name} | {} |", cells.join(" | "));
        rows.push((name, ratios));
    }
    if let Some(path) = std::env::args().nth(1) {
        std::fs::write(path, picture(&schedules, &rows)).expect("the picture can be written");
    }
}

/// Simulates a schedule that learns nothing: `gap` in seconds, by the time so far, the queries so far and chance.
fn run(law: Law, gap: impl Fn(f64, u32, &mut Chance) -> f64) -> Outcome {
    simulate(
        law,
        |_, at, polls, chance| gap(at, polls, chance),
        |_, _, _| (),
    )
}

fn learned(law: Law) -> Outcome {
    let bounds = Bounds {
        first: Duration::from_millis(250),
        longest: Duration::from_secs(5),
    };
    let models =
        std::cell::RefCell::new(vec![(History::default(), History::default().forecast()); 8]);
    simulate(
        law,
        |model, at, polls, chance| {
            let forecast = &models.borrow()[model].1;
            let elapsed = Duration::from_secs_f64(at);
            forecast
                .gap(elapsed, polls, chance.even(), bounds)
                .as_secs_f64()
        },
        |model, after, by| {
            let (history, forecast) = &mut models.borrow_mut()[model];
            history.record(Duration::from_secs_f64(after), Duration::from_secs_f64(by));
            if history.is_news() {
                *forecast = history.forecast();
            }
        },
    )
}

fn simulate(
    law: Law,
    gap: impl Fn(usize, f64, u32, &mut Chance) -> f64,
    learn: impl Fn(usize, f64, f64),
) -> Outcome {
    let mut chance = Chance(88_172_645_463_325_252);
    let (mut queries, mut lag) = (0, 0.0);
    for before in 0..TASKS {
        let (model, complete) = law(&mut chance, before);
        let (mut running, mut at, mut polls) = (0.0, 0.0, 0);
        loop {
            at += gap(model, at, polls, &mut chance) + ROUND_TRIP;
            polls += 1;
            if at >= complete {
                break;
            }
            running = at;
        }
        learn(model, running, at);
        queries += polls;
        lag += at - complete;
    }
    Outcome {
        queries: f64::from(queries) / TASKS as f64,
        lag: lag / TASKS as f64,
    }
}

/// Log-normal: as many below `middle` as above.
fn around(middle: f64, spread: f64, chance: &mut Chance) -> f64 {
    let (length, angle) = (chance.even().max(1e-12), chance.even());
    let normal = (-2.0 * length.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
    middle * (spread * normal).exp()
}

/// The same chance in every run.
struct Chance(u64);

impl Chance {
    /// From 0 to 1.
    fn even(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Bars of the ratios, as SVG.
fn picture(schedules: &[&str; 3], rows: &[(&str, [f64; 3])]) -> String {
    const COLOURS: [&str; 3] = ["#b8b8b8", "#e0a458", "#2a6f97"];
    const SCALE: f64 = 180.0;
    let height = 70 + rows.len() * 58;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"720\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"16\" y=\"24\" font-size=\"15\">Queries × mean lag, against a query every second (shorter is better)</text>\n"
    );
    let mut draw = |text: String| svg.write_str(&text).expect("text takes text");
    for (index, (schedule, colour)) in schedules.iter().zip(COLOURS).enumerate() {
        let x = 190 + index * 140;
        draw(format!(
            "<rect x=\"{x}\" y=\"36\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"47\">{schedule}</text>\n",
            x + 18
        ));
    }
    for (row, (name, ratios)) in rows.iter().enumerate() {
        let top = 64 + row * 58;
        draw(format!("<text x=\"16\" y=\"{}\">{name}</text>\n", top + 28));
        for (bar, (ratio, colour)) in ratios.iter().zip(COLOURS).enumerate() {
            let (y, width) = (top + bar * 15, (ratio * SCALE).min(470.0));
            draw(format!(
                "<rect x=\"190\" y=\"{y}\" width=\"{width:.0}\" height=\"12\" fill=\"{colour}\"/>\
                 <text x=\"{:.0}\" y=\"{}\" font-size=\"11\">{ratio:.2}</text>\n",
                196.0 + width,
                y + 10
            ));
        }
    }
    svg + "</svg>\n"
}
