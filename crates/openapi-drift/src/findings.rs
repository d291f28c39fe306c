//! The result of a comparison: findings with severity, positions and fingerprint.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    compare::{self, Difference, NodeRef},
    document::{self, Document, Id, Position},
    rules::{self, Rule},
    schema::Schemas,
    severity::{Severity, severity},
    witness::Validators,
};

/// The effect of a change on an exchange between a client built from the old
/// document and a server that follows the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wire {
    /// It breaks.
    Breaking,
    /// It may break; treat it as breaking.
    Undecided,
    /// It works, but may be worth knowing.
    Notice,
    /// It works.
    NonBreaking,
    /// Only documentation changed; nothing on the wire.
    Docs,
}

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
    #[serde(serialize_with = "or_null")]
    pub old: Option<Value>,
    /// The new value; null if there is none.
    #[serde(serialize_with = "or_null")]
    pub new: Option<Value>,
    /// What changed and what it breaks, in one line.
    pub reason: String,
    /// An exchange that demonstrates the break; missing if none could be built.
    pub witness: Option<Witness>,
    /// Whether the node exists in the old and in the new document.
    #[serde(skip)]
    pub(crate) exists: (bool, bool),
    /// The affected operations, each as `POST /path`; empty if it concerns the whole
    /// document.
    pub operations: Vec<String>,
}

fn or_null<S: Serializer>(value: &Option<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().unwrap_or(&Value::Null).serialize(serializer)
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
            let operation = one.operations.first();
            let positions = (one.old_position, one.new_position);
            (
                one.wire,
                operation,
                positions,
                one.rule.id,
                &one.fingerprint,
            )
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

/// The names of the values in JSON.
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

/// Compares two documents.
///
/// Clients are built from the old one, the server follows the new one.
/// Components that no operation reaches are not compared.
#[must_use]
pub fn compare(old: &Document, new: &Document) -> Report {
    if document::same(old.tree(), document::ROOT, new.tree(), document::ROOT) {
        // Nothing changed, even if the documents contain something unsupported.
        return Report::of(Vec::new());
    }
    let old_schemas = compare::schemas_of(old);
    let new_schemas = compare::schemas_of(new);
    let values = Validators::new(&old_schemas, &new_schemas);
    let equal = document::equal_references(old.tree(), new.tree());
    let differences = compare::differences(&old_schemas, &new_schemas, &values, &equal);
    let mut found: BTreeMap<Key, Finding> = BTreeMap::new();
    for difference in &differences {
        let key = (difference.rule.id, difference.old.id, difference.new.id);
        if let Some(known) = found.get_mut(&key)
            && known.wire <= Wire::Undecided
        {
            // A difference in a shared component is reported once.
            add(&mut known.operations, operations(difference));
            continue;
        }
        let mut finding = finding(difference, &old_schemas, &new_schemas, &values);
        if let Some(known) = found.get_mut(&key) {
            if known.wire <= finding.wire {
                add(&mut known.operations, finding.operations);
                continue;
            }
            let mut operations = std::mem::take(&mut known.operations);
            add(&mut operations, finding.operations);
            finding.operations = operations;
        }
        found.insert(key, finding);
    }
    // A finding about unsent properties is dropped if another one has the same place.
    let places: Vec<(Id, Id)> = found.keys().map(|(_, old, new)| (*old, *new)).collect();
    let is_unsent = |rule: &str| rules::UNSENT_CHANGED.iter().any(|unsent| unsent.id == rule);
    found.retain(|(rule, old, new), _| {
        !is_unsent(rule)
            || places
                .iter()
                .filter(|place| **place == (*old, *new))
                .count()
                == 1
    });
    Report::of(found.into_values().collect())
}

/// The operations of a difference.
fn operations(difference: &Difference) -> Vec<String> {
    let operations = difference.operations.iter();
    operations.map(ToString::to_string).collect()
}

/// Adds the operations that are missing.
fn add(operations: &mut Vec<String>, more: Vec<String>) {
    for operation in more {
        if !operations.contains(&operation) {
            operations.push(operation);
        }
    }
}

/// Differences with the same key are one finding.
type Key = (&'static str, Id, Id);

fn finding(
    difference: &Difference,
    old: &Schemas<'_>,
    new: &Schemas<'_>,
    values: &Validators<'_>,
) -> Finding {
    let Severity {
        rule,
        wire,
        witness,
        reason,
    } = severity(difference, values);
    let stood = (
        difference.old.value(old.tree),
        difference.new.value(new.tree),
    );
    let pointer = |schemas: &Schemas<'_>, spot: NodeRef| schemas.tree.pointer(spot.id);
    let position = |schemas: &Schemas<'_>, spot: NodeRef| schemas.tree.position(spot.id);
    let (old_pointer, new_pointer) = (pointer(old, difference.old), pointer(new, difference.new));
    let canonical = |schemas: &Schemas<'_>, spot: NodeRef| {
        if spot.exists {
            schemas.tree.canonical_text(spot.id)
        } else {
            "nothing".to_owned()
        }
    };
    let fingerprint = fingerprint(&[
        rule.id,
        &old_pointer,
        &new_pointer,
        &canonical(old, difference.old),
        &canonical(new, difference.new),
    ]);
    Finding {
        rule,
        fingerprint,
        wire,
        old_pointer,
        new_pointer,
        old_position: position(old, difference.old),
        new_position: position(new, difference.new),
        old: stood.0,
        new: stood.1,
        reason,
        witness,
        exists: (difference.old.exists, difference.new.exists),
        operations: operations(difference),
    }
}

/// A short hash of some texts.
fn fingerprint(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_le_bytes());
        hash.update(text.as_bytes());
    }
    let digest = hash.finalize();
    digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
