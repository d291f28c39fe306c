//! The result of a comparison: findings with severity, positions and fingerprint.

use serde::Serialize;
use serde_json::Value;

use crate::{
    document::Position,
    rules::{Rule, Wire},
};

/// The worst effect of all findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Something breaks.
    Breaking,
    /// Something may break.
    Undecided,
    /// Nothing breaks. Includes notices.
    NonBreaking,
    /// Only documentation changed.
    DocsOnly,
    /// Nothing changed.
    None,
}

/// One of the two documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The old document.
    Old,
    /// The new document.
    New,
}

/// An exchange that one document allows and the other does not.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Witness {
    /// The document that allows it.
    pub accepted_by: Side,
    /// The document that does not.
    pub refused_by: Side,
    /// The relevant part of the exchange: `method` and `path`, and one of `request` and
    /// `response`, with the members that matter of `media_type`, `body`, `status`,
    /// `parameter`, `header`.
    pub exchange: Value,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The rule for this kind of change; in JSON, its id.
    pub rule: &'static Rule,
    /// Identifies the finding in an ignore file: a hash of rule, pointers, old and new
    /// value.
    pub fingerprint: String,
    /// Its effect on an exchange.
    pub wire: Wire,
    /// Where it is in the old document, as a JSON pointer. If the node does not exist
    /// there, the nearest existing place.
    pub old_pointer: String,
    /// The same in the new document.
    pub new_pointer: String,
    /// The position of the old pointer in the text.
    pub old_position: Position,
    /// The position of the new pointer in the text.
    pub new_position: Position,
    /// The old value; null if there was none.
    pub old: Option<Value>,
    /// The new value; null if there is none.
    pub new: Option<Value>,
    /// What changed and what it breaks, in one line.
    pub reason: String,
    /// An exchange that demonstrates the break; missing if none could be built.
    pub witness: Option<Witness>,
    /// The affected operations, each as `POST /path`; empty if it concerns the whole
    /// document.
    pub operations: Vec<String>,
}

/// A finding that an ignore file acknowledges.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Ignored {
    /// The fingerprint of the finding.
    pub fingerprint: String,
    /// The rule of the finding.
    pub rule: &'static Rule,
    /// Why it is ignored, according to the file.
    pub reason: String,
    /// The last day on which it is ignored, such as 2026-12-31; null if it never
    /// expires.
    pub expires: Option<String>,
}

/// The result of a comparison, the worst findings first.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The version of the report format: 2.
    pub format: u32,
    /// The worst effect of all findings.
    pub verdict: Verdict,
    /// The findings, the worst first.
    pub findings: Vec<Finding>,
    /// The acknowledged findings; they don't count towards the verdict.
    pub ignored: Vec<Ignored>,
}

impl Report {
    pub(crate) fn of(findings: Vec<Finding>) -> Self {
        let mut report = Self {
            format: 2,
            verdict: Verdict::None,
            findings,
            ignored: Vec::new(),
        };
        report.judge();
        report
    }

    /// Sorts the findings and updates the verdict.
    pub(crate) fn judge(&mut self) {
        fn key(one: &Finding) -> impl Ord {
            let positions = (one.old_position, one.new_position);
            let identity = (one.rule.id, &one.fingerprint);
            (one.wire, one.operations.first(), positions, identity)
        }
        self.findings
            .sort_by(|left, right| key(left).cmp(&key(right)));
        let verdicts = self.findings.iter().map(|finding| match finding.wire {
            Wire::Breaking => Verdict::Breaking,
            Wire::Undecided => Verdict::Undecided,
            Wire::Notice | Wire::NonBreaking => Verdict::NonBreaking,
            Wire::Docs => Verdict::DocsOnly,
        });
        self.verdict = verdicts.min().unwrap_or(Verdict::None);
    }
}

/// The name in JSON.
impl std::fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Breaking => "breaking",
            Self::Undecided => "undecided",
            Self::NonBreaking => "non-breaking",
            Self::DocsOnly => "docs-only",
            Self::None => "none",
        })
    }
}
