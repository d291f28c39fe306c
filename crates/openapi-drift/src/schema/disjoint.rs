//! Whether two schemas certainly have no value in common.

use std::collections::HashSet;

use super::{
    Alternative, Expanded, Listed, Schemas, Type,
    facets::{lower, properties, required, upper},
    schema,
};

/// Whether no value is allowed by both. Also false if unknown.
///
/// `depth` is how many levels of required properties to examine.
pub(crate) fn schemas(
    old: &Schemas<'_>,
    left: &Expanded,
    new: &Schemas<'_>,
    right: &Expanded,
    depth: usize,
) -> bool {
    if left.alternatives.len() * right.alternatives.len() > 1024 {
        return false;
    }
    if !(left.unclear.is_empty() && right.unclear.is_empty()) {
        return false;
    }
    left.alternatives.iter().all(|left| {
        right
            .alternatives
            .iter()
            .all(|right| alternatives(old, left, new, right, depth))
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
    let left_values = old.enumerated(left);
    let right_values = new.enumerated(right);
    if let (Some(left), Some(right)) = (&left_values, &right_values) {
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
    let below = |low: Option<super::Bound>, high: Option<super::Bound>| match (low, high) {
        (Some(low), Some(high)) => {
            high.value < low.value
                || (high.value == low.value && (high.is_exclusive || low.is_exclusive))
        }
        _ => false,
    };
    if below(
        lower(old.tree, &left.parts, limits.0),
        upper(new.tree, &right.parts, limits.1),
    ) || below(
        lower(new.tree, &right.parts, limits.0),
        upper(old.tree, &left.parts, limits.1),
    ) {
        return true;
    }
    if left.kind != Type::Object || depth == 0 {
        return false;
    }
    // Look for a member that both require and that distinguishes them.
    let right_required = required(new.tree, &right.parts);
    let (left_named, right_named) = (
        properties(old.tree, &left.parts),
        properties(new.tree, &right.parts),
    );
    required(old.tree, &left.parts).keys().any(|name| {
        if !right_required.contains_key(name) {
            return false;
        }
        let (Some(left), Some(right)) = (left_named.get(name), right_named.get(name)) else {
            return false;
        };
        let left = old.expand(&schema(left.iter().copied()));
        let right = new.expand(&schema(right.iter().copied()));
        schemas(old, &left, new, &right, depth - 1)
    })
}
