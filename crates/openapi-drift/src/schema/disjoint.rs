//! Whether two schemas certainly have no value in common.

use std::collections::HashSet;

use super::{
    Alternative, Expanded, Listed, Schema, Schemas, Type,
    facets::{lower, upper},
};
use crate::document::Tree;

/// Whether no value is allowed by both. Also false if unknown.
///
/// `depth` is how many levels of required properties to examine.
pub(super) fn schemas(
    old: &Schemas<'_>,
    left: &Expanded,
    new: &Schemas<'_>,
    right: &Expanded,
    depth: usize,
) -> bool {
    let (one, other) = (&left.alternatives, &right.alternatives);
    let is_clear = left.unclear.is_empty() && right.unclear.is_empty();
    is_clear
        && one.len() * other.len() <= 1024
        && one.iter().all(|left| {
            let mut others = other.iter();
            others.all(|right| alternatives(old, left, new, right, depth))
        })
}

/// Like [`schemas`], for two alternatives.
pub(crate) fn alternatives(
    old: &Schemas<'_>,
    left: &Alternative,
    new: &Schemas<'_>,
    right: &Alternative,
    depth: usize,
) -> bool {
    if left.kind != right.kind {
        return true;
    }
    if let (Some(left), Some(right)) = (old.enumerated(left), new.enumerated(right)) {
        let known: HashSet<&Listed> = left.values.iter().map(|(one, _)| one).collect();
        if !right.values.iter().any(|(one, _)| known.contains(one)) {
            return true;
        }
    }
    let limits = match left.kind {
        Type::Number => ("minimum", "maximum"),
        Type::String => ("minLength", "maxLength"),
        Type::Array => ("minItems", "maxItems"),
        Type::Object => ("minProperties", "maxProperties"),
        Type::Null | Type::Boolean => return false,
    };
    // Whether all values of one side are below those of the other.
    let is_below = |high: (&Tree, &Schema), low: (&Tree, &Schema)| {
        let high = upper(high.0, high.1, limits.1);
        let both = high.zip(lower(low.0, low.1, limits.0));
        both.is_some_and(|(high, low)| {
            let is_exclusive = high.is_exclusive || low.is_exclusive;
            high.value < low.value || (high.value == low.value && is_exclusive)
        })
    };
    let sides = ((old.tree, &left.parts), (new.tree, &right.parts));
    if is_below(sides.1, sides.0) || is_below(sides.0, sides.1) {
        return true;
    }
    if left.kind != Type::Object || depth == 0 {
        return false;
    }
    // Look for a member that both require and that distinguishes them.
    let (one, other) = (old.named(&left.parts), new.named(&right.parts));
    let mut names = one.required.keys();
    names.any(|name| {
        let is_required = other.required.contains_key(name);
        match (one.properties.get(name), other.properties.get(name)) {
            (Some(left), Some(right)) if is_required => {
                let (left, right) = (old.expand(left), new.expand(right));
                schemas(old, &left, new, &right, depth - 1)
            }
            _ => false,
        }
    })
}
