//! Reports as text: for people, programs, pull requests and annotations.
//!
//! Each format is a function from a report to a string. Text from a document is
//! always escaped: no control character, Markdown, user mention or workflow command
//! gets through.

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

use crate::{
    findings::{Report, Verdict},
    rules::Wire,
};

/// How [`text()`], [`markdown()`] and [`github()`] show a report.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct View<'a> {
    /// The prefix of positions in the old document, usually its path.
    pub old_name: &'a str,
    /// The prefix of positions in the new document, usually its path.
    pub new_name: &'a str,
    /// Additional summary lines, such as the effect on a generated client.
    pub summary: &'a [String],
    /// The least severe level to list; anything below is only counted. Defaults to
    /// [`Wire::NonBreaking`].
    pub level: Wire,
    /// Whether [`text()`] shows all details of a finding, in several lines.
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

    /// The number of findings below the level, such as `3 docs`; `None` if there are
    /// none.
    fn unlisted(&self, report: &Report) -> Option<String> {
        let levels = LEVELS.into_iter().filter(|level| *level > self.level);
        let counts: Vec<String> = levels.filter_map(|level| count(report, level)).collect();
        (!counts.is_empty()).then(|| counts.join(", "))
    }
}

/// All levels, the worst first.
const LEVELS: [Wire; 5] = [
    Wire::Breaking,
    Wire::Undecided,
    Wire::Notice,
    Wire::NonBreaking,
    Wire::Docs,
];

/// The number of findings of a level, such as `2 notices`; `None` if there are none.
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

/// The number of findings per level, such as `1 breaking, 2 docs`.
fn counts(report: &Report) -> String {
    let parts = LEVELS.into_iter().filter_map(|level| count(report, level));
    let mut parts: Vec<String> = parts.collect();
    if report.verdict == Verdict::None && report.ignored.is_empty() {
        parts.push("no changes".to_owned());
    }
    if !report.ignored.is_empty() {
        parts.push(format!("{} ignored", report.ignored.len()));
    }
    parts.join(", ")
}
