//! What a comparison found.

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{document::Position, rules::Rule};

/// What a change does to an exchange between a client made from the old document
/// and a server that follows the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wire {
    /// It breaks.
    Breaking,
    /// Whether it breaks is not known; treat it as if it did.
    Undecided,
    /// It works, and somebody may want to know.
    Notice,
    /// It works.
    NonBreaking,
    /// Nothing of it is sent.
    Docs,
}

/// The worst of all findings on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Somebody breaks.
    Breaking,
    /// Somebody may break.
    Undecided,
    /// Nobody breaks. Notices count here.
    NonBreaking,
    /// Only documentation changed.
    DocsOnly,
    /// Nothing changed.
    None,
}

/// Who accepts a witness, or refuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The old document.
    Old,
    /// The new document.
    New,
}

/// An exchange that the one document allows and the other does not.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Witness {
    /// The document that allows it.
    pub accepted_by: Side,
    /// The document that does not.
    pub refused_by: Side,
    /// The part of the exchange that shows it, with all that is needed to see it:
    /// `method` and `path`, and one of `request` and `response`, each with what
    /// matters of `media_type`, `body`, `status`, `parameter`, `header`.
    pub exchange: Value,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The kind of change; its id, in JSON.
    pub rule: &'static Rule,
    /// What this finding is known by in an ignore file: a hash of rule, pointers,
    /// old and new value.
    pub fingerprint: String,
    /// What it does to an exchange.
    pub wire: Wire,
    /// Where it is in the old document, as a JSON pointer. Where there is nothing
    /// at this place, the nearest place around it.
    pub old_pointer: String,
    /// Where it is in the new document, likewise.
    pub new_pointer: String,
    /// The old pointer's place in the text.
    pub old_position: Position,
    /// The new pointer's place in the text.
    pub new_position: Position,
    /// What stood there; null where there was nothing.
    #[serde(serialize_with = "or_null")]
    pub old: Option<Value>,
    /// What stands there; null where there is nothing.
    #[serde(serialize_with = "or_null")]
    pub new: Option<Value>,
    /// What happened and whom it breaks, in one line.
    pub reason: String,
    /// An exchange that shows the break. Every breaking finding has one.
    pub witness: Option<Witness>,
    /// Whether the change is in the new document only, in the old only, or both.
    #[serde(skip)]
    pub(crate) exists: (bool, bool),
    /// The operations that it touches, each as `POST /path`, in the order of the
    /// old document; empty for what is about the whole document.
    pub operations: Vec<String>,
}

fn or_null<S: Serializer>(value: &Option<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().unwrap_or(&Value::Null).serialize(serializer)
}

/// A finding that an ignore file acknowledges.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Ignored {
    /// The finding.
    pub fingerprint: String,
    /// Its rule.
    pub rule: &'static Rule,
    /// Why it is ignored, as the file says.
    pub reason: String,
    /// The last day on which it is ignored, as in 2026-12-31; null without one.
    pub expires: Option<String>,
}

/// All that a comparison found, the worst first.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The version of this form: 2.
    pub format: u32,
    /// The worst of all findings on the wire.
    pub verdict: Verdict,
    /// The findings, the worst first.
    pub findings: Vec<Finding>,
    /// The findings that an ignore file acknowledges; they don't count for the verdict.
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

    /// Sorts the findings, and says the worst of them again.
    pub(crate) fn judge(&mut self) {
        self.findings.sort_by(|left, right| {
            let key = |finding: &Finding| {
                (
                    finding.wire,
                    finding.operations.first().cloned(),
                    finding.old_position,
                    finding.new_position,
                )
            };
            key(left)
                .cmp(&key(right))
                .then_with(|| left.rule.id.cmp(right.rule.id))
                .then_with(|| left.fingerprint.cmp(&right.fingerprint))
        });
        let verdicts = self.findings.iter().map(|finding| match finding.wire {
            Wire::Breaking => Verdict::Breaking,
            Wire::Undecided => Verdict::Undecided,
            Wire::Notice | Wire::NonBreaking => Verdict::NonBreaking,
            Wire::Docs => Verdict::DocsOnly,
        });
        self.verdict = verdicts.min().unwrap_or(Verdict::None);
    }
}

/// The names that the values have in JSON.
macro_rules! spelled {
    ($($type:ty: $($variant:ident $text:literal),*;)*) => {$(
        impl std::fmt::Display for $type {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.pad(match self { $(Self::$variant => $text),* })
            }
        }
    )*};
}

spelled! {
    Wire: Breaking "breaking", Undecided "undecided", Notice "notice", NonBreaking "non-breaking", Docs "docs";
    Verdict: Breaking "breaking", Undecided "undecided", NonBreaking "non-breaking", DocsOnly "docs-only", None "none";
}
