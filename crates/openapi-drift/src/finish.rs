//! From differences to findings: what is certain, what shows it, what it is
//! known by.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::{
    compare::{self, Difference, NodeRef, SampleHint, ValueContext},
    document::Document,
    document::{self, Id},
    report::{Finding, Report, Side, Wire, Witness},
    rules::{self, Effect, Rule},
    schema::Schemas,
    witness::Validators,
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
    let Evaluated {
        rule,
        wire,
        witness,
        reason,
    } = evaluated(difference, values);
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

/// What a difference does, and what shows it.
struct Evaluated {
    rule: &'static Rule,
    wire: Wire,
    witness: Option<Witness>,
    reason: String,
}

fn evaluated(difference: &Difference, values: &Validators<'_>) -> Evaluated {
    let rule = difference.rule;
    let reason = &difference.reason;
    let with = |wire: Wire, witness: Option<Witness>, more: &str| Evaluated {
        rule,
        wire,
        witness,
        reason: format!("{reason}{more}"),
    };
    let Some(context) = &difference.context else {
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
    if is_set && values.is_without_effect(context) {
        return Evaluated {
            rule: rules::of(&rules::WITHOUT_EFFECT, context.place.body.direction),
            wire: Wire::Notice,
            witness: None,
            reason: format!("{reason}; no listed value is affected"),
        };
    }
    match rule.wire {
        Wire::Breaking => {
            let witness = if context.place.is_discriminated {
                None
            } else {
                values.witness(context, rule.effect).witness
            };
            match witness {
                Some(witness) => with(Wire::Breaking, Some(witness), ""),
                None if difference.is_certain => {
                    with(Wire::Breaking, None, " (no example could be built)")
                }
                None => with(Wire::Undecided, None, "; no value was found that breaks"),
            }
        }
        Wire::NonBreaking if context.place.is_inexact && is_set => {
            // With oneOf, a value that matches two forms is refused.
            let any = ValueContext {
                hint: SampleHint::Any,
                ..context.clone()
            };
            let search = values.witness(&any, Effect::Changed);
            match search.witness {
                Some(witness) => with(
                    Wire::Breaking,
                    Some(witness),
                    "; with other forms of the union, a value breaks",
                ),
                None if search.tried >= ENOUGH => with(Wire::NonBreaking, None, ""),
                None => with(
                    Wire::Undecided,
                    None,
                    "; a value may match two forms of the union",
                ),
            }
        }
        other => with(other, None, ""),
    }
}

/// How many values have to be tried to conclude something from them.
const ENOUGH: usize = 4;

/// Who accepts the exchange of a difference that is not about values.
fn sides(difference: &Difference) -> (Side, Side) {
    let is_new = matches!(
        difference.rule.id,
        "success-status-added"
            | "success-status-changed"
            | "response-media-type-added"
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
