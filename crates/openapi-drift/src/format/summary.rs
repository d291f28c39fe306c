//! The summary that every format begins with.

use std::collections::BTreeSet;

use super::shown;
use crate::report::{AtRisk, Report, RustEffect, Verdict, Wire};

/// All levels on the wire, the worst first.
pub(super) const LEVELS: [Wire; 5] = [
    Wire::Breaking,
    Wire::Undecided,
    Wire::Notice,
    Wire::NonBreaking,
    Wire::Docs,
];

/// How many of the recordings that disagree are named.
const NAMED: usize = 5;

/// What a report says in all, in words.
pub(super) struct Summary {
    /// How many findings there are of each level, such as `1 breaking, 2 docs`.
    pub(super) counts: String,
    /// What happens to the generated Rust client.
    pub(super) rust: String,
    /// Which recordings are at risk, and which disagree.
    pub(super) recordings: String,
}

impl Summary {
    pub(super) fn of(report: &Report) -> Self {
        Self {
            counts: counts(report),
            rust: rust(report),
            recordings: recordings(report),
        }
    }

    /// The summary on one line, without the verdict.
    pub(super) fn line(&self) -> String {
        format!(
            "{}; Rust client: {}; recordings at risk: {}",
            self.counts, self.rust, self.recordings
        )
    }
}

/// The effect on the Rust client; where no finding has it, why it is there.
fn rust(report: &Report) -> String {
    let of_findings = report.findings.iter().map(|finding| finding.rust).min();
    if report.rust < of_findings.unwrap_or(RustEffect::None) {
        format!(
            "{} (types have other names or shapes; nothing of that is sent)",
            report.rust
        )
    } else {
        report.rust.to_string()
    }
}

fn counts(report: &Report) -> String {
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

fn recordings(report: &Report) -> String {
    let at_risk = |kind| {
        report
            .findings
            .iter()
            .any(|one| one.recordings_at_risk == kind)
    };
    let mut text = match (at_risk(AtRisk::Requests), at_risk(AtRisk::Responses)) {
        (false, false) => "no".to_owned(),
        (true, false) => "requests".to_owned(),
        (false, true) => "responses".to_owned(),
        (true, true) => "requests and responses".to_owned(),
    };
    let disagree: BTreeSet<String> = report
        .findings
        .iter()
        .flat_map(|one| one.recordings.iter().cloned())
        .collect();
    if !disagree.is_empty() {
        let disagree: Vec<String> = disagree.into_iter().collect();
        text.push_str(&format!(
            " ({} disagree now: {})",
            disagree.len(),
            shown::names(&disagree, NAMED)
        ));
    }
    text
}
