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

/// What a change does to the Rust client that `cargo xtask codegen` would generate
/// from the documents as they are given, without overlays.
///
/// It is about the client's public items: its types with their fields, what the
/// fields are called when they are sent, its builders and its methods. The private
/// code (paths, methods, servers, security, statuses) and the limits, which are
/// data that a builder checks, change none of them: what they do is said by
/// [`Wire`]. The order of an enum's values is none, either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RustEffect {
    /// Something public went, was renamed, or has another type or another name
    /// when it is sent; or a builder asks for a field that it did not ask for. Code
    /// that uses the old client may not compile with the new one, or its requests
    /// can't be built: a new major version.
    Major,
    /// What it is can't be told: codegen refuses one of the documents, so that there
    /// is no client of it, or it is a kind of schema whose Rust is not known here.
    /// Look at the generated code.
    Undecided,
    /// Something public was added, and nothing else happened: a new minor version.
    Minor,
    /// The public items are the same.
    None,
}

/// The recordings that may stop to agree with the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtRisk {
    /// Recorded requests.
    Requests,
    /// Recorded responses.
    Responses,
    /// None.
    No,
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
    /// What it does to the generated Rust client.
    #[serde(rename = "rust")]
    pub rust: RustEffect,
    /// The recordings that may stop to agree, in general.
    pub recordings_at_risk: AtRisk,
    /// The names of those given that agreed with the old document and disagree
    /// with the new one here.
    pub recordings: Vec<String>,
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
    /// The operation that it was found in, as `POST /path`.
    #[serde(skip)]
    pub operation: Option<String>,
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
    /// The last day on which it is, as the file says.
    pub expires: String,
}

/// All that a comparison found, the worst first.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The version of this form: 1.
    pub format: u32,
    /// The worst of all findings on the wire.
    pub verdict: Verdict,
    /// The worst of all findings for the generated Rust client, and of what is no
    /// finding: another name of a type, or a type that travels another way now.
    #[serde(rename = "rust")]
    pub rust: RustEffect,
    /// The findings, the worst first.
    pub findings: Vec<Finding>,
    /// What an ignore file acknowledges; it counts for neither verdict.
    pub ignored: Vec<Ignored>,
    /// What became of the types of the generated Rust client that no finding says.
    #[serde(skip)]
    pub(crate) types: RustEffect,
}

impl Report {
    pub(crate) fn of(findings: Vec<Finding>) -> Self {
        let mut report = Self {
            format: 1,
            verdict: Verdict::None,
            rust: RustEffect::None,
            findings,
            ignored: Vec::new(),
            types: RustEffect::None,
        };
        report.judge();
        report
    }

    /// The same, with what became of the generated types, where that is worse than
    /// all findings say: a name that changed alone is none.
    pub(crate) fn with_types(mut self, types: RustEffect) -> Self {
        if types < self.rust {
            self.types = types;
            self.rust = types;
        }
        self
    }

    /// Sorts the findings, and says the worst of them again.
    pub(crate) fn judge(&mut self) {
        self.findings.sort_by(|left, right| {
            let key = |finding: &Finding| {
                (
                    finding.wire,
                    finding.operation.clone(),
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
        let effects = self.findings.iter().map(|finding| finding.rust);
        self.rust = effects.min().unwrap_or(RustEffect::None).min(self.types);
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
    RustEffect: Major "major", Undecided "undecided", Minor "minor", None "none";
    AtRisk: Requests "requests", Responses "responses", No "no";
    Verdict: Breaking "breaking", Undecided "undecided", NonBreaking "non-breaking", DocsOnly "docs-only", None "none";
}
