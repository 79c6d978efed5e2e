use super::{Report, title};
use crate::judge::{Row, Verdict};

const HEADINGS: [&str; 8] = [
    "work",
    "figure",
    "floor",
    "nginx",
    "foxbridge",
    "ratio",
    "goal (stretch)",
    "verdict",
];

/// The table with aligned columns; below it the notes and, if there are any, the failures.
pub(crate) fn text(report: &Report) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(report.rows.iter().map(cells));
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| {
            let widths = lines.iter().filter_map(|line| line.get(column));
            widths.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut out = vec![title(report), String::new()];
    for line in &lines {
        let cells = line.iter().zip(&widths).enumerate();
        let padded: Vec<String> = cells
            .map(|(column, (cell, &width))| match column {
                2..=5 => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            })
            .collect();
        out.push(padded.join("  ").trim_end().to_owned());
    }
    out.push(String::new());
    for row in &report.rows {
        if let Some(note) = &row.note {
            out.push(format!("{}: {note}.", row.work));
        }
    }
    if report
        .rows
        .iter()
        .any(|row| row.basis == "× nginx" && row.judged.is_none())
    {
        out.push(
            "nginx is not installed, so nothing is compared with it (Debian: nginx-light).".into(),
        );
    }
    let count = |verdict| {
        report
            .rows
            .iter()
            .filter(|row| row.verdict == verdict)
            .count()
    };
    let passes = count(Verdict::Pass) + count(Verdict::Stretch);
    out.push(format!(
        "{passes} goals reached, {} missed.",
        count(Verdict::Miss)
    ));
    match report.failures.as_slice() {
        [] => out.push("Every answer was right.".into()),
        failures => {
            out.push("WRONG OR MISSING ANSWERS:".into());
            out.extend(failures.iter().cloned());
        }
    }
    out.join("\n")
}

fn cells(row: &Row) -> [String; 8] {
    let beside = |value: Option<f64>| value.map_or("-".into(), |value| row.unit.show(value));
    let ratio = match (row.judged, row.basis) {
        (_, "") | (None, _) => "-".into(),
        (Some(ratio), basis) => format!("{ratio:.2} {basis}"),
    };
    [
        row.work.clone(),
        row.figure.clone(),
        beside(row.floor),
        beside(row.nginx),
        row.unit.show(row.foxbridge),
        ratio,
        row.goal.map_or("-".into(), |goal| goal.to_string()),
        row.verdict.to_string(),
    ]
}
