use std::fmt::Write;

use super::{Report, title};
use crate::judge::{Bound, Row, Verdict};

const WIDTH: f64 = 1240.0;
const LINE: f64 = 26.0;
const TOP: f64 = 84.0;
/// Where the bars begin, and where the goal is on them.
const LEFT: f64 = 560.0;
const GOAL: f64 = 720.0;
/// Bars end here, however far the goal is missed.
const RIGHT: f64 = 960.0;

/// A bar for each goal: how much of what the goal allows is used. Bars that end left of the line reach it.
pub(super) fn picture(report: &Report) -> String {
    let bars: Vec<(&Row, f64)> = report
        .rows
        .iter()
        .filter_map(|row| Some((row, used(row)?)))
        .collect();
    let bottom = TOP + LINE * bars.len() as f64;
    let mut out = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">
<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>
<text x="20" y="30" font-size="17" font-weight="bold">What foxbridge costs, against its goals</text>
<text x="20" y="52" fill="#555555">{title}</text>
<text x="{GOAL}" y="{label}" text-anchor="middle" fill="#555555">goal</text>
"##,
        height = bottom + 30.0,
        label = TOP - 8.0,
        title = escaped(&title(report)),
    );
    for (at, (row, used)) in bars.iter().enumerate() {
        bar(&mut out, row, *used, TOP + LINE * at as f64);
    }
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        r##"<line x1="{GOAL}" y1="{TOP}" x2="{GOAL}" y2="{bottom}" stroke="#333333" stroke-dasharray="4 3"/>
</svg>"##
    );
    out
}

/// What part of the goal's limit is used; 1 is the limit.
fn used(row: &Row) -> Option<f64> {
    let (value, goal) = (row.judged?, row.goal?);
    Some(match goal.bound {
        Bound::AtMost | Bound::Exactly => value / goal.limit,
        Bound::AtLeast => goal.limit / value,
    })
    .filter(|used| used.is_finite())
}

fn bar(out: &mut String, row: &Row, used: f64, y: f64) {
    let colour = match row.verdict {
        Verdict::Stretch => "#1b7f4b",
        Verdict::Pass => "#57b07f",
        Verdict::Miss => "#d9534f",
        Verdict::NotJudged => "#999999",
    };
    let width = (used.max(0.0) * (GOAL - LEFT)).min(RIGHT - LEFT);
    let value = match (row.basis, row.judged) {
        ("", _) | (_, None) => row.unit.show(row.foxbridge),
        (basis, Some(ratio)) => format!("{ratio:.2} {basis}"),
    };
    let goal = row.goal.map(|goal| goal.to_string()).unwrap_or_default();
    let _ = writeln!(
        out,
        r##"<text x="{label}" y="{base}" text-anchor="end">{text}</text>
<rect x="{LEFT}" y="{top}" width="{width:.1}" height="16" fill="{colour}"/>
<text x="{beside}" y="{base}">{value}<tspan dx="10" fill="#777777">{goal}</tspan></text>"##,
        label = LEFT - 10.0,
        base = y + 14.0,
        top = y + 2.0,
        beside = RIGHT + 10.0,
        text = escaped(&format!("{}: {}", row.work, row.figure)),
        value = escaped(&value),
        goal = escaped(&goal),
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
