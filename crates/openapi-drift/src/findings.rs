//! What a comparison found: the differences, each with its severity, its places and
//! what it is known by.

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

/// Compares two documents.
///
/// Old is what clients are made from, new is what the server follows. What no
/// operation reaches is not compared.
#[must_use]
pub fn compare(old: &Document, new: &Document) -> Report {
    if document::same(old.tree(), document::ROOT, new.tree(), document::ROOT) {
        // Also where the documents can't be understood.
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
            // A component that several operations use differs once.
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
    // What is not sent this way deserves a word only where nothing is said of it the
    // other way.
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

/// Adds the operations that are not there yet.
fn add(operations: &mut Vec<String>, more: Vec<String>) {
    for operation in more {
        if !operations.contains(&operation) {
            operations.push(operation);
        }
    }
}

/// What makes two differences one.
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
