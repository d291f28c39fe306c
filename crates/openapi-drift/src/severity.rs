//! The severity of a difference: whether an exchange shows that it breaks.

use crate::{
    compare::Difference,
    findings::{Side, Wire, Witness},
    rules::{self, Effect, Rule},
    witness::Validators,
};

/// The severity of a difference, and its witness.
pub(crate) struct Severity {
    pub(crate) rule: &'static Rule,
    pub(crate) wire: Wire,
    pub(crate) witness: Option<Witness>,
    pub(crate) reason: String,
}

pub(crate) fn severity(difference: &Difference, values: &Validators<'_>) -> Severity {
    let rule = difference.rule;
    let reason = &difference.reason;
    let with = |wire: Wire, witness: Option<Witness>, more: &str| Severity {
        rule,
        wire,
        witness,
        reason: format!("{reason}{more}"),
    };
    let Some(context) = &difference.context else {
        let exchange = difference.exchange.clone();
        let breaking = exchange.filter(|_| rule.wire == Wire::Breaking);
        let witness = breaking.map(|exchange| {
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
        return Severity {
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
            // With `oneOf`, a value that matches two forms is invalid.
            let whole = values.whole(context);
            let searches = [context, &whole].map(|one| values.witness(one, Effect::Changed));
            let tried: usize = searches.iter().map(|search| search.tried).sum();
            match searches.into_iter().find_map(|search| search.witness) {
                Some(witness) => with(
                    Wire::Breaking,
                    Some(witness),
                    "; with other forms of the union, a value breaks",
                ),
                None if tried >= ENOUGH => with(Wire::NonBreaking, None, ""),
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

/// The minimum number of values to try before concluding anything from them.
const ENOUGH: usize = 4;

/// Which side accepts and which refuses the exchange, for differences not about
/// values.
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
