//! A report as text: for people, programs, pull requests and annotations.
//!
//! Everything here is a function from a report to a string. Text of a document
//! stays text: no control character, no Markdown, no mention of a user and no
//! workflow command gets through, whatever the document's author wrote.

mod github;
mod json;
mod markdown;
#[cfg(test)]
pub(crate) mod samples;
mod shown;
mod text;

pub use github::github;
pub(crate) use json::escaped;
pub use json::{REPORT_SCHEMA, json};
pub use markdown::{COMMENT_LIMIT, markdown};
pub(crate) use shown::printable;
pub use text::text;

use crate::findings::{Report, Verdict, Wire};

/// How a report is shown to people, by [`text()`], [`markdown()`] and [`github()`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct View<'a> {
    /// What places in the old document begin with, usually its path.
    pub old_name: &'a str,
    /// What places in the new document begin with, usually its path.
    pub new_name: &'a str,
    /// More lines of the summary, such as what happens to a generated client.
    pub summary: &'a [String],
    /// The least severe level that is listed. What is below it is counted.
    /// [`Wire::NonBreaking`] unless set.
    pub level: Wire,
    /// Whether [`text()`] shows everything about a finding, over several lines.
    pub verbose: bool,
}

impl<'a> View<'a> {
    /// A view of two documents with these names.
    #[must_use]
    pub const fn new(old_name: &'a str, new_name: &'a str) -> Self {
        Self {
            old_name,
            new_name,
            summary: &[],
            level: Wire::NonBreaking,
            verbose: false,
        }
    }

    /// The number of findings below the level, such as `3 docs`; none if there are
    /// none.
    fn unlisted(&self, report: &Report) -> Option<String> {
        let levels = LEVELS.into_iter().filter(|level| *level > self.level);
        let counts: Vec<String> = levels.filter_map(|level| count(report, level)).collect();
        (!counts.is_empty()).then(|| counts.join(", "))
    }
}

/// All levels on the wire, the worst first.
const LEVELS: [Wire; 5] = [
    Wire::Breaking,
    Wire::Undecided,
    Wire::Notice,
    Wire::NonBreaking,
    Wire::Docs,
];

/// The number of findings of a level, such as `2 notices`; none if there are none.
fn count(report: &Report, level: Wire) -> Option<String> {
    let findings = report.findings.iter();
    let count = findings.filter(|one| one.wire == level).count();
    match (count, level) {
        (0, _) => None,
        (2.., Wire::Notice) => Some(format!("{count} notices")),
        (1, Wire::Docs) => Some("1 doc".to_owned()),
        _ => Some(format!("{count} {level}")),
    }
}

/// How many findings there are of each level, such as `1 breaking, 2 docs`.
fn counts(report: &Report) -> String {
    let mut parts: Vec<String> = LEVELS
        .into_iter()
        .filter_map(|level| count(report, level))
        .collect();
    if report.verdict == Verdict::None && report.ignored.is_empty() {
        parts.push("no changes".to_owned());
    }
    if !report.ignored.is_empty() {
        parts.push(format!("{} ignored", report.ignored.len()));
    }
    parts.join(", ")
}
