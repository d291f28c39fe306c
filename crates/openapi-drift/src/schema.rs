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

pub(crate) use expand::{Expanded, Schemas, Tags};
pub(crate) use facets::{
    Additional, Bound, Enumerated, Listed, additional, integer_format, lower, numbers, tightest,
    truncate, upper,
};
pub(crate) use keywords::{is_annotation, is_known, is_well_formed, keyword};

use crate::document::{Id, Kind, Tree};

/// Nodes of one tree that must all hold, sorted and without duplicates.
pub(crate) type Schema = Rc<[Id]>;

/// The JSON types. Integers are numbers with a constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Type {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl Type {
    pub(crate) const ALL: [Self; 6] = [
        Self::Object,
        Self::Array,
        Self::String,
        Self::Number,
        Self::Boolean,
        Self::Null,
    ];

    /// The name in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    /// The type for a JSON Schema `type`.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let name = if name == "integer" { "number" } else { name };
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub(crate) fn of_node(tree: &Tree, id: Id) -> Self {
        match tree.kind(id) {
            Kind::Null => Self::Null,
            Kind::Boolean(_) => Self::Boolean,
            Kind::Number(_) => Self::Number,
            Kind::String(_) => Self::String,
            Kind::Array(_) => Self::Array,
            Kind::Object(_) => Self::Object,
        }
    }
}

/// Values of one type, under constraints that must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alternative {
    pub(crate) kind: Type,
    /// The schema objects with the constraints; their unions are already resolved.
    pub(crate) parts: Schema,
    /// The union branches that were chosen for it.
    pub(crate) branches: Schema,
}

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
