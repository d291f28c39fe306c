//! The summary that every format begins with.

use crate::report::{Report, Verdict, Wire};

/// All levels on the wire, the worst first.
pub(super) const LEVELS: [Wire; 5] = [
    Wire::Breaking,
    Wire::Undecided,
    Wire::Notice,
    Wire::NonBreaking,
    Wire::Docs,
];

/// How many findings there are of each level, such as `1 breaking, 2 docs`.
pub(super) fn counts(report: &Report) -> String {
    let mut parts: Vec<String> = LEVELS
        .into_iter()
        .filter_map(|level| {
            let count = report
                .findings
                .iter()
                .filter(|one| one.wire == level)
                .count();
            let name = match level {
                Wire::Notice if count > 1 => "notices".to_owned(),
                other => other.to_string(),
            };
            (count > 0).then(|| format!("{count} {name}"))
        })
        .collect();
    if report.verdict == Verdict::None && parts.is_empty() {
        parts.push(if report.ignored.is_empty() {
            "nothing changed".to_owned()
        } else {
            "nothing changed that is not ignored".to_owned()
        });
    }
    if !report.ignored.is_empty() {
        parts.push(format!("{} ignored", report.ignored.len()));
    }
    parts.join(", ")
}
