//! The table of what was measured, for people and as JSON.

use std::{error::Error, fmt};

use serde_json::{Value, json};

/// What a number has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// There is none; the number is there to compare with.
    None,
}

/// What a table says of all its goals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Each goal was measured and is met.
    Met,
    /// At least one goal is missed.
    Missed,
    /// No goal is missed, but something failed, or a number that has a goal was
    /// not measured.
    Undecided,
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) goal: Goal,
    /// The unit of goal, value and spread, such as `ms`; empty for ratios.
    pub(crate) unit: &'static str,
    pub(crate) decimals: usize,
    /// Nothing where it cannot be measured.
    pub(crate) value: Option<f64>,
    /// The least and the greatest of what was measured.
    pub(crate) spread: Option<(f64, f64)>,
    /// What else there is to know.
    pub(crate) details: String,
    /// Whether measuring was tried, and went wrong.
    pub(crate) failed: bool,
}

impl Row {
    /// A line for a number that is not known yet.
    pub(crate) fn new(what: &str, goal: Goal, unit: &'static str, decimals: usize) -> Self {
        Self {
            what: what.to_owned(),
            goal,
            unit,
            decimals,
            value: None,
            spread: None,
            details: String::new(),
            failed: false,
        }
    }

    /// A line that says what went wrong.
    pub(crate) fn failed(what: &str, error: &(dyn Error + 'static)) -> Self {
        Self {
            details: error.to_string(),
            failed: true,
            ..Self::new(what, Goal::None, "", 0)
        }
    }

    /// Adds the number.
    pub(crate) fn value(mut self, value: Option<f64>) -> Self {
        self.value = value;
        self
    }

    /// Adds the least and the greatest value.
    pub(crate) fn spread(mut self, least: f64, greatest: f64) -> Self {
        self.spread = Some((least, greatest));
        self
    }

    /// Adds what else there is to know.
    pub(crate) fn details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// Whether the goal is met: `met`, `MISSED`, `FAILED`, `not measured here`,
    /// or nothing where there is no goal.
    pub(crate) fn verdict(&self) -> &'static str {
        match (self.failed, self.value, self.goal) {
            (true, ..) => "FAILED",
            (_, None, _) => "not measured here",
            (_, _, Goal::None) => "",
            (_, Some(value), Goal::AtLeast(goal)) if value >= goal => "met",
            (_, Some(value), Goal::AtMost(goal)) if value <= goal => "met",
            _ => "MISSED",
        }
    }

    fn number(&self, value: f64) -> String {
        format!("{value:.*}", self.decimals)
    }

    fn with_unit(&self, number: &str) -> String {
        format!("{number} {}", self.unit).trim_end().to_owned()
    }

    fn cells(&self) -> [String; 6] {
        let goal = match self.goal {
            Goal::AtLeast(goal) => self.with_unit(&format!("≥ {goal}")),
            Goal::AtMost(goal) => self.with_unit(&format!("≤ {goal}")),
            Goal::None => String::new(),
        };
        let spread = self.spread.map_or_else(String::new, |(least, greatest)| {
            format!("{} to {}", self.number(least), self.number(greatest))
        });
        let measured = self
            .value
            .map_or_else(String::new, |value| self.with_unit(&self.number(value)));
        // A bar would be a border of the table, and a line break its end.
        let details = self.details.replace('|', "/").replace(['\n', '\r'], " ");
        [
            self.what.clone(),
            goal,
            measured,
            spread,
            self.verdict().to_owned(),
            details,
        ]
    }

    fn json(&self) -> Value {
        let goal = match self.goal {
            Goal::AtLeast(goal) => json!({"at_least": goal}),
            Goal::AtMost(goal) => json!({"at_most": goal}),
            Goal::None => Value::Null,
        };
        json!({
            "what": self.what,
            "goal": goal,
            "unit": self.unit,
            "measured": self.value,
            "least": self.spread.map(|(least, _)| least),
            "greatest": self.spread.map(|(_, greatest)| greatest),
            "verdict": self.verdict(),
            "details": self.details,
        })
    }
}

/// All lines, and what they were measured on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    conditions: String,
    pub(crate) rows: Vec<Row>,
}

impl Table {
    /// A table without lines.
    pub(crate) fn new(conditions: String) -> Self {
        Self {
            conditions,
            rows: Vec::new(),
        }
    }

    /// What became of the goals.
    pub(crate) fn outcome(&self) -> Outcome {
        let has = |verdict| self.rows.iter().any(|row| row.verdict() == verdict);
        let is_open = |row: &Row| row.goal != Goal::None && row.value.is_none();
        if has("MISSED") {
            Outcome::Missed
        } else if has("FAILED") || self.rows.iter().any(is_open) || !has("met") {
            Outcome::Undecided
        } else {
            Outcome::Met
        }
    }

    /// Whether a part of the measurement went wrong.
    pub(crate) fn has_failed(&self) -> bool {
        self.rows.iter().any(|row| row.failed)
    }

    /// Puts numbers without a goal below those that have one.
    pub(crate) fn sort(&mut self) {
        self.rows
            .sort_by_key(|row| row.goal == Goal::None && !row.failed);
    }

    /// The table for programs.
    pub(crate) fn to_json(&self) -> String {
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        let table = json!({
            "conditions": self.conditions,
            "outcome": match self.outcome() {
                Outcome::Met => "met",
                Outcome::Missed => "missed",
                Outcome::Undecided => "undecided",
            },
            "rows": rows,
        });
        format!("{table:#}\n")
    }
}

/// Markdown whose columns stand one below the other.
impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["", "goal", "measured", "spread", "verdict", "details"].map(str::to_owned);
        let lines: Vec<[String; 6]> = std::iter::once(head)
            .chain(self.rows.iter().map(Row::cells))
            .collect();
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        writeln!(formatter, "{}\n", self.conditions)?;
        for (index, line) in lines.iter().enumerate() {
            for (column, cell) in line.iter().enumerate() {
                // The last column may be long, and nothing follows it.
                let width = if column + 1 == line.len() {
                    0
                } else {
                    width(column)
                };
                write!(formatter, "| {cell:width$} ")?;
            }
            writeln!(formatter, "|")?;
            if index == 0 {
                for column in 0..line.len() {
                    let last = column + 1 == line.len();
                    let width = if last { 7 } else { width(column) };
                    write!(formatter, "|{}", "-".repeat(width + 2))?;
                }
                writeln!(formatter, "|")?;
            }
        }
        Ok(())
    }
}
