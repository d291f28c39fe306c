//! Compares two documents: collects the differences and decides how severe each is.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::{
    compare::{Difference, NodeRef, differences},
    document::{Document, Id, ROOT, Tree, equal_references, same},
    findings::{Finding, Report, Side, Witness},
    rules::{self, Effect, Rule, Wire},
    schema::Schemas,
    witness::Validators,
};

/// Compares two documents.
///
/// Clients are built from the old one, the server follows the new one.
/// Components that no operation reaches are not compared.
#[must_use]
pub fn compare(old: &Document, new: &Document) -> Report {
    let (old, new) = (old.tree(), new.tree());
    if same(old, ROOT, new, ROOT) {
        // Nothing changed, even if the documents contain something unsupported.
        return Report::of(Vec::new());
    }
    let schemas = (Schemas::new(old), Schemas::new(new));
    let values = Validators::new(&schemas.0, &schemas.1);
    let equal = equal_references(old, new);
    let mut found: BTreeMap<(&str, Id, Id), Finding> = BTreeMap::new();
    for difference in differences(&schemas.0, &schemas.1, &values, &equal) {
        let key = (difference.rule.id, difference.old.id, difference.new.id);
        // A difference in a shared component is reported once, as the worst.
        let known = found.get(&key).map(|known| known.wire);
        if known.is_none_or(|known| known > Wire::Undecided) {
            let mut finding = finding(&difference, old, new, &values);
            if known.is_none_or(|known| known > finding.wire) {
                if let Some(known) = found.remove(&key) {
                    finding.operations = known.operations;
                }
                found.insert(key, finding);
            }
        }
        if let Some(known) = found.get_mut(&key) {
            for operation in &difference.operations {
                let operation = operation.to_string();
                if !known.operations.contains(&operation) {
                    known.operations.push(operation);
                }
            }
        }
    }
    // A finding about unsent properties is dropped if another one has the same place.
    let places: Vec<(Id, Id)> = found.keys().map(|(_, old, new)| (*old, *new)).collect();
    let is_unsent = |rule: &str| rules::UNSENT_CHANGED.iter().any(|unsent| unsent.id == rule);
    found.retain(|(rule, old, new), _| {
        let same_place = || places.iter().filter(|place| **place == (*old, *new));
        !is_unsent(rule) || same_place().count() == 1
    });
    Report::of(found.into_values().collect())
}

/// The finding of a difference, without operations.
fn finding(difference: &Difference, old: &Tree, new: &Tree, values: &Validators<'_>) -> Finding {
    let (rule, wire, witness, reason) = severity(difference, values);
    let nodes = (difference.old, difference.new);
    let (old_pointer, new_pointer) = (old.pointer(nodes.0.id), new.pointer(nodes.1.id));
    let canonical = |tree: &Tree, node: NodeRef| {
        let text = node.exists.then(|| tree.canonical_text(node.id));
        text.unwrap_or_else(|| "nothing".to_owned())
    };
    let fingerprint = fingerprint(&[
        rule.id,
        &old_pointer,
        &new_pointer,
        &canonical(old, nodes.0),
        &canonical(new, nodes.1),
    ]);
    Finding {
        rule,
        fingerprint,
        wire,
        old_pointer,
        new_pointer,
        old_position: old.position(nodes.0.id),
        new_position: new.position(nodes.1.id),
        old: nodes.0.value(old),
        new: nodes.1.value(new),
        reason,
        witness,
        operations: Vec::new(),
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

/// The severity of a difference.
type Severity = (&'static Rule, Wire, Option<Witness>, String);

fn severity(difference: &Difference, values: &Validators<'_>) -> Severity {
    let rule = difference.rule;
    let reason = &difference.reason;
    let with = |wire: Wire, witness: Option<Witness>, more: &str| {
        (rule, wire, witness, format!("{reason}{more}"))
    };
    let Some(context) = &difference.context else {
        let exchange = difference.exchange.clone();
        let breaking = exchange.filter(|_| rule.wire == Wire::Breaking);
        let (accepted_by, refused_by) = sides(rule);
        let witness = breaking.map(|exchange| Witness {
            accepted_by,
            refused_by,
            exchange,
        });
        return with(rule.wire, witness, "");
    };
    let is_set = matches!(
        rule.effect,
        Effect::Narrowed | Effect::Widened | Effect::Changed
    );
    if is_set && values.is_without_effect(context) {
        let rule = rules::of(&rules::WITHOUT_EFFECT, context.place.body.direction);
        let reason = format!("{reason}; no listed value is affected");
        return (rule, Wire::Notice, None, reason);
    }
    match rule.wire {
        Wire::Breaking => {
            let is_discriminated = context.place.is_discriminated;
            let search = (!is_discriminated).then(|| values.witness(context, rule.effect));
            match search.and_then(|search| search.witness) {
                Some(witness) => with(Wire::Breaking, Some(witness), ""),
                None if difference.is_certain => {
                    with(Wire::Breaking, None, " (no example could be built)")
                }
                None => with(Wire::Undecided, None, "; no value was found that breaks"),
            }
        }
        Wire::NonBreaking if context.place.is_inexact && is_set => {
            // With `oneOf`, a value that matches two forms is invalid.
            let whole = values.whole(context);
            let searches = [context, &whole].map(|one| values.witness(one, Effect::Changed));
            let tried: usize = searches.iter().map(|search| search.tried).sum();
            match searches.into_iter().find_map(|search| search.witness) {
                Some(witness) => {
                    let more = "; with other forms of the union, a value breaks";
                    with(Wire::Breaking, Some(witness), more)
                }
                None if tried >= ENOUGH => with(Wire::NonBreaking, None, ""),
                None => {
                    let more = "; a value may match two forms of the union";
                    with(Wire::Undecided, None, more)
                }
            }
        }
        other => with(other, None, ""),
    }
}

/// The minimum number of values to try before concluding anything from them.
const ENOUGH: usize = 4;

/// Which side accepts and which refuses the exchange, for differences not about
/// values.
fn sides(rule: &Rule) -> (Side, Side) {
    let is_new = matches!(
        rule.id,
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
