//! A schema as the set of values that it allows.
//!
//! A schema here is a list of nodes that must all hold (a property that two parts of
//! an `allOf` define has two). [`Schemas::expand`] turns it into a list of
//! alternatives, each for one JSON type and without unions. Schemas are compared in
//! this form.

mod disjoint;
mod expand;
mod facets;
mod keywords;

use std::rc::Rc;

pub(crate) use expand::{Alternative, Expanded, Schemas, Tags, Type};
pub(crate) use facets::{
    Additional, Bound, Enumerated, Listed, additional, integer_format, lower, numbers, tightest,
    truncate, upper,
};
pub(crate) use keywords::{is_annotation, is_known, is_well_formed, keyword};

use crate::document::Id;

/// Nodes of one tree that must all hold, sorted and without duplicates.
pub(crate) type Schema = Rc<[Id]>;

/// Creates a schema from some nodes.
pub(crate) fn schema(nodes: impl IntoIterator<Item = Id>) -> Schema {
    let mut nodes: Vec<Id> = nodes.into_iter().collect();
    nodes.sort();
    nodes.dedup();
    nodes.into()
}

/// Whether certainly no value matches both alternatives.
pub(crate) fn are_disjoint(
    old: &Schemas<'_>,
    left: &Alternative,
    new: &Schemas<'_>,
    right: &Alternative,
) -> bool {
    disjoint::alternatives(old, left, new, right, 2)
}
