//! A schema as the set of values that it allows.
//!
//! A schema here is a list of nodes that all have to hold (a property that two
//! parts of an `allOf` name has two). [`Schemas::expand`] makes of it a list of
//! alternatives, each for one JSON type and without unions: that is the form in
//! which two schemas are compared.

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

/// Nodes of one tree that all have to hold, in order, none twice.
pub(crate) type Schema = Rc<[Id]>;

/// A schema of some nodes.
pub(crate) fn schema(nodes: impl IntoIterator<Item = Id>) -> Schema {
    let mut nodes: Vec<Id> = nodes.into_iter().collect();
    nodes.sort();
    nodes.dedup();
    nodes.into()
}

/// Whether no value is certainly of both alternatives.
pub(crate) fn are_disjoint(
    old: &Schemas<'_>,
    left: &Alternative,
    new: &Schemas<'_>,
    right: &Alternative,
) -> bool {
    disjoint::alternatives(old, left, new, right, 2)
}
