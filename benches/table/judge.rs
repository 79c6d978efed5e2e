//! The table's rows, and what is to be said of them.

use std::fmt;

use serde::Serialize;

/// One figure of foxbridge's, what stands beside it, and its goal.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) figure: String,
    pub(crate) unit: Unit,
    pub(crate) floor: Option<f64>,
    pub(crate) nginx: Option<f64>,
    pub(crate) foxbridge: f64,
    /// The number that the goal is about: a ratio, or the figure itself. Absent where what it is a ratio to is missing.
    pub(crate) judged: Option<f64>,
    /// What `judged` is a multiple of; empty when it is the figure itself.
    pub(crate) basis: &'static str,
    pub(crate) goal: Option<Goal>,
    pub(crate) verdict: Verdict,
    pub(crate) note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    Microseconds,
    Milliseconds,
    Seconds,
    PerSecond,
    Kibibytes,
    Mebibytes,
    Count,
}

/// What is wanted of a number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Goal {
    pub(crate) bound: Bound,
    pub(crate) limit: f64,
    pub(crate) stretch: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Bound {
    AtMost,
    AtLeast,
    Exactly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Verdict {
    /// The further goal is reached, too.
    Stretch,
    Pass,
    Miss,
    /// There is no goal, or nothing to compare with.
    NotJudged,
}

impl Goal {
    pub(crate) fn at_most(limit: f64) -> Self {
        Self::new(Bound::AtMost, limit)
    }

    pub(crate) fn at_least(limit: f64) -> Self {
        Self::new(Bound::AtLeast, limit)
    }

    pub(crate) fn exactly(limit: f64) -> Self {
        Self::new(Bound::Exactly, limit)
    }

    pub(crate) fn stretch(self, limit: f64) -> Self {
        Self {
            stretch: Some(limit),
            ..self
        }
    }

    fn new(bound: Bound, limit: f64) -> Self {
        Self {
            bound,
            limit,
            stretch: None,
        }
    }

    fn judge(&self, value: f64) -> Verdict {
        let holds = |limit: f64| match self.bound {
            Bound::AtMost => value <= limit,
            Bound::AtLeast => value >= limit,
            Bound::Exactly => (value - limit).abs() < 1e-9,
        };
        match self.stretch {
            Some(stretch) if holds(stretch) => Verdict::Stretch,
            _ if holds(self.limit) => Verdict::Pass,
            _ => Verdict::Miss,
        }
    }
}

impl Row {
    pub(crate) fn new(work: &str, figure: &str, unit: Unit, foxbridge: f64) -> Self {
        Self {
            work: work.into(),
            figure: figure.into(),
            unit,
            floor: None,
            nginx: None,
            foxbridge,
            judged: Some(foxbridge),
            basis: "",
            goal: None,
            verdict: Verdict::NotJudged,
            note: None,
        }
    }

    pub(crate) fn beside(self, floor: Option<f64>, nginx: Option<f64>) -> Self {
        Self {
            floor,
            nginx,
            ..self
        }
    }

    /// The goal is about the figure itself.
    pub(crate) fn judged(self, goal: Goal) -> Self {
        let judged = Some(self.foxbridge);
        self.judged_by("", judged, goal)
    }

    /// The goal is about this ratio.
    pub(crate) fn judged_by(self, basis: &'static str, ratio: Option<f64>, goal: Goal) -> Self {
        self.measured_by(basis, ratio).with_goal(goal)
    }

    /// The ratio is told, without a goal.
    pub(crate) fn measured_by(self, basis: &'static str, ratio: Option<f64>) -> Self {
        Self {
            judged: ratio,
            basis,
            ..self
        }
    }

    pub(crate) fn with_goal(self, goal: Goal) -> Self {
        let judged = self.judged.map(|value| goal.judge(value));
        Self {
            goal: Some(goal),
            verdict: judged.unwrap_or(Verdict::NotJudged),
            ..self
        }
    }

    pub(crate) fn with_note(self, note: &str) -> Self {
        Self {
            note: Some(note.into()),
            ..self
        }
    }
}

impl Unit {
    /// A value as people read it.
    pub(crate) fn show(self, value: f64) -> String {
        let digits = if value.abs() >= 100.0 { 0 } else { 2 };
        let unit = match self {
            Self::Microseconds => " µs",
            Self::Milliseconds => " ms",
            Self::Seconds => " s",
            Self::PerSecond => " /s",
            Self::Kibibytes => " KiB",
            Self::Mebibytes => " MiB",
            Self::Count => "",
        };
        format!("{value:.digits$}{unit}")
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.bound {
            Bound::AtMost => "≤",
            Bound::AtLeast => "≥",
            Bound::Exactly => "=",
        };
        write!(out, "{sign} {}", self.limit)?;
        match self.stretch {
            Some(stretch) => write!(out, " ({sign} {stretch})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Stretch => "pass, stretch too",
            Self::Pass => "pass",
            Self::Miss => "miss",
            Self::NotJudged => "-",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_and_their_verdicts() {
        let most = Goal::at_most(1.25).stretch(1.0);
        assert_eq!(most.judge(1.3), Verdict::Miss);
        assert_eq!(most.judge(1.25), Verdict::Pass);
        assert_eq!(most.judge(0.9), Verdict::Stretch);
        let least = Goal::at_least(0.9).stretch(1.0);
        assert_eq!(least.judge(0.8), Verdict::Miss);
        assert_eq!(least.judge(0.95), Verdict::Pass);
        assert_eq!(least.judge(1.1), Verdict::Stretch);
        assert_eq!(Goal::exactly(2.0).judge(2.0), Verdict::Pass);
        assert_eq!(Goal::exactly(2.0).judge(2.02), Verdict::Miss);
        assert_eq!(most.judge(f64::NAN), Verdict::Miss);
    }

    #[test]
    fn what_cannot_be_compared_is_not_judged() {
        let row = Row::new("work", "figure", Unit::Count, 7.0);
        let row = row.judged_by("× nginx", None, Goal::at_least(0.9));
        assert_eq!(row.verdict, Verdict::NotJudged);
    }
}
