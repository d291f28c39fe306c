//! From differences to findings: what is certain, what shows it, what it is
//! known by.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::{
    compare::{self, Difference, NodeRef},
    document::Document,
    document::{self, Id},
    report::{Finding, Report, Side, Wire, Witness},
    rules::{self, Effect, Rule},
    schema::Schemas,
    witness::Judge,
};

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
    let differences = compare::differences(&old_schemas, &new_schemas);
    let judge = Judge::new(&old_schemas, &new_schemas);
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
        let mut finding = finding(difference, &old_schemas, &new_schemas, &judge);
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
    Report::of(found.into_values().collect())
}

/// The operation of a difference, if it is in one.
fn operations(difference: &Difference) -> Vec<String> {
    let operation = difference.operation.as_ref();
    operation.map(ToString::to_string).into_iter().collect()
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
    judge: &Judge<'_, '_>,
) -> Finding {
    let Judged {
        rule,
        wire,
        witness,
        reason,
    } = judged(difference, judge);
    let values = (
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
        old: values.0,
        new: values.1,
        reason,
        witness,
        exists: (difference.old.exists, difference.new.exists),
        operations: operations(difference),
    }
}

/// What a difference does, and what shows it.
struct Judged {
    rule: &'static Rule,
    wire: Wire,
    witness: Option<Witness>,
    reason: String,
}

fn judged(difference: &Difference, judge: &Judge<'_, '_>) -> Judged {
    let rule = difference.rule;
    let reason = &difference.reason;
    let with = |wire: Wire, witness: Option<Witness>, more: &str| Judged {
        rule,
        wire,
        witness,
        reason: format!("{reason}{more}"),
    };
    let Some(sight) = &difference.sight else {
        let witness = difference.exchange.clone().map(|exchange| {
            let (accepted_by, refused_by) = sides(difference);
            Witness {
                accepted_by,
                refused_by,
                exchange,
            }
        });
        return with(rule.wire, witness, "");
    };
    let is_set = matches!(
        rule.effect,
        Effect::Narrowed | Effect::Widened | Effect::Changed
    );
    if is_set && judge.is_without_effect(sight) {
        return Judged {
            rule: rules::of(&rules::WITHOUT_EFFECT, sight.place.body.direction),
            wire: Wire::Notice,
            witness: None,
            reason: format!("{reason}; none of the values that are listed feels it"),
        };
    }
    match rule.wire {
        Wire::Breaking => match judge.witness(sight, rule.effect) {
            Some(witness) => with(Wire::Breaking, Some(witness), ""),
            None => with(
                Wire::Undecided,
                None,
                "; no exchange was found that shows a break",
            ),
        },
        Wire::NonBreaking if sight.place.is_inexact && is_set => with(
            Wire::Undecided,
            None,
            "; forms of a union overlap, so it may break all the same",
        ),
        other => with(other, None, ""),
    }
}

/// Who accepts the exchange of a difference that is not about values.
fn sides(difference: &Difference) -> (Side, Side) {
    let is_new = matches!(
        difference.rule.id,
        "success-status-added"
            | "success-status-changed"
            | "response-media-type-added"
            | "response-body-added"
            | "response-header-became-optional"
    );
    if is_new {
        (Side::New, Side::Old)
    } else {
        (Side::Old, Side::New)
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
