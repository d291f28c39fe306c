//! The combined constraints of an alternative's parts.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use super::{Alternative, Schema, Type, keywords::keyword, schema};
use crate::document::{Decimal, Id, Kind, Members, Tree};

/// A limit, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) value: Decimal,
    pub(crate) is_exclusive: bool,
    pub(crate) node: Id,
}

/// An enum value, in a form that is equal for equal values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Listed {
    Text(Arc<str>),
    /// Any other value, as canonical text.
    Other(Arc<str>),
}

impl std::fmt::Display for Listed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "{:?}", truncate(text, 60)),
            Self::Other(text) => formatter.write_str(&truncate(text, 60)),
        }
    }
}

/// A text truncated to a number of characters, with a mark if it was cut.
pub(crate) fn truncate(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}

impl Listed {
    pub(crate) fn of(tree: &Tree, value: Id) -> Self {
        match tree.kind(value) {
            Kind::String(text) => Self::Text(Arc::clone(text)),
            _ => Self::Other(tree.canonical_text(value).into()),
        }
    }
}

/// The values that an alternative lists.
#[derive(Clone, Debug)]
pub(crate) struct Enumerated {
    /// The values of the alternative's type.
    pub(crate) values: Vec<(Listed, Id)>,
    /// The array that contains them; the first one if several parts have one.
    pub(crate) node: Id,
}

/// The values that all lists share, in the order of the first.
pub(super) fn enumerated(tree: &Tree, alternative: &Alternative) -> Option<Enumerated> {
    let mut lists = alternative.parts.iter().flat_map(|part| {
        let list = keyword(tree, *part, "enum");
        let list = list.map(|node| (node, tree.array(node).unwrap_or_default().to_vec()));
        let only = keyword(tree, *part, "const").map(|node| (node, vec![node]));
        list.into_iter().chain(only)
    });
    let (node, first) = lists.next()?;
    let values_of = |list: Vec<Id>| {
        let mut seen = HashSet::new();
        let values = list.into_iter();
        values
            .filter(|value| Type::of_node(tree, *value) == alternative.kind)
            .map(|value| (Listed::of(tree, value), value))
            .filter(|(listed, _)| seen.insert(listed.clone()))
            .collect::<Vec<_>>()
    };
    let mut values = values_of(first);
    for (_, list) in lists {
        let also: HashSet<Listed> = values_of(list).into_iter().map(|(one, _)| one).collect();
        values.retain(|(one, _)| also.contains(one));
    }
    Some(Enumerated { values, node })
}

/// The largest lower limit; `name` is `minimum`, or a length or count keyword.
pub(crate) fn lower(tree: &Tree, parts: &Schema, name: &str) -> Option<Bound> {
    limits(tree, parts, name, "exclusiveMinimum")
        .into_iter()
        .max_by(|left, right| {
            left.value
                .cmp(&right.value)
                .then(left.is_exclusive.cmp(&right.is_exclusive))
        })
}

/// The smallest upper limit; `name` is `maximum`, or a length or count keyword.
pub(crate) fn upper(tree: &Tree, parts: &Schema, name: &str) -> Option<Bound> {
    limits(tree, parts, name, "exclusiveMaximum")
        .into_iter()
        .min_by(|left, right| {
            left.value
                .cmp(&right.value)
                .then(right.is_exclusive.cmp(&left.is_exclusive))
        })
}

fn limits(tree: &Tree, parts: &Schema, name: &str, exclusive: &str) -> Vec<Bound> {
    let is_number = matches!(name, "minimum" | "maximum");
    let mut found = Vec::new();
    for part in parts.iter() {
        let beside = is_number.then(|| keyword(tree, *part, exclusive)).flatten();
        if let Some(node) = keyword(tree, *part, name)
            && let Some(value) = tree.number(node)
        {
            found.push(Bound {
                value: value.clone(),
                is_exclusive: beside.is_some_and(|flag| tree.boolean(flag) == Some(true)),
                node,
            });
        }
        // A number, as in JSON Schema since draft 6.
        if let Some(node) = beside
            && let Some(value) = tree.number(node)
        {
            found.push(Bound {
                value: value.clone(),
                is_exclusive: true,
                node,
            });
        }
        if is_number
            && let Some(node) = keyword(tree, *part, "format")
            && let Some((low, high)) = integer_format(tree.string(node).unwrap_or_default())
        {
            let value = if name == "minimum" { low } else { high };
            found.push(Bound {
                value: Decimal::from_i128(value),
                is_exclusive: false,
                node,
            });
        }
    }
    found
}

/// The range of integers that a format allows.
pub(crate) fn integer_format(name: &str) -> Option<(i128, i128)> {
    Some(match name {
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "int64" => (i64::MIN.into(), i64::MAX.into()),
        "double-int" => (1 - (1 << 53), (1 << 53) - 1),
        "uint8" => (0, u8::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "uint32" => (0, u32::MAX.into()),
        "uint64" => (0, u64::MAX.into()),
        _ => return None,
    })
}

/// The nodes of a keyword in all parts.
pub(crate) fn tightest<'a>(
    tree: &'a Tree,
    parts: &'a Schema,
    name: &'a str,
) -> impl Iterator<Item = Id> + 'a {
    parts
        .iter()
        .filter_map(move |part| keyword(tree, *part, name))
}

/// The node that requires integers, if any, and the values of `multipleOf`.
pub(crate) fn numbers(tree: &Tree, parts: &Schema) -> (Option<Id>, Vec<(Decimal, Id)>) {
    let integer = tightest(tree, parts, "type").find(|types| {
        let named = tree.array(*types).unwrap_or(std::slice::from_ref(types));
        let has = |wanted: &str| named.iter().any(|name| tree.string(*name) == Some(wanted));
        has("integer") && !has("number")
    });
    let mut steps: Vec<(Decimal, Id)> = tightest(tree, parts, "multipleOf")
        .filter_map(|node| Some((tree.number(node)?.clone(), node)))
        .collect();
    steps.sort();
    steps.dedup_by(|left, right| left.0 == right.0);
    (integer, steps)
}

/// The properties of an object, each with the schemas that must all hold.
pub(crate) fn properties(tree: &Tree, parts: &Schema) -> BTreeMap<Arc<str>, Schema> {
    let nodes = tightest(tree, parts, "properties");
    let mut named: Vec<(&Arc<str>, &Id)> = nodes
        .filter_map(|node| tree.object(node))
        .flatten()
        .collect();
    named.sort(); // Already sorted if a single part names them all.
    let same_name = named.chunk_by(|left, right| left.0 == right.0);
    let schemas = same_name.filter_map(|same| {
        let (name, _) = same.first()?;
        Some((Arc::clone(name), schema(same.iter().map(|(_, id)| **id))))
    });
    schemas.collect()
}

/// The required members, with the array that lists them.
pub(crate) fn required(tree: &Tree, parts: &Schema) -> BTreeMap<Arc<str>, Id> {
    let mut names: Vec<(Arc<str>, Id)> = Vec::new();
    for node in tightest(tree, parts, "required") {
        for name in tree.array(node).unwrap_or_default() {
            if let Kind::String(name) = tree.kind(*name) {
                names.push((Arc::clone(name), node));
            }
        }
    }
    // If several arrays list a name, the first counts.
    names.into_iter().rev().collect()
}

/// What an object may contain besides its named properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Additional {
    /// Not specified, but properties (possibly none) or required members are listed.
    Unsaid,
    /// Anything: not specified, and no properties either, or explicitly.
    Any(Option<Id>),
    /// Explicitly nothing.
    Nothing(Id),
    /// Values of a schema.
    Schema(Schema, Id),
}

/// What an object may contain besides its properties.
pub(crate) fn additional(tree: &Tree, parts: &Schema) -> Additional {
    let mut schemas = Vec::new();
    let mut first = None;
    for node in tightest(tree, parts, "additionalProperties") {
        first = first.or(Some(node));
        match tree.boolean(node) {
            Some(false) => return Additional::Nothing(node),
            Some(true) => {}
            None if tree.object(node).is_some_and(Members::is_empty) => {}
            None => schemas.push(node),
        }
    }
    match (first, schemas.first()) {
        (Some(_), Some(node)) => Additional::Schema(schema(schemas.iter().copied()), *node),
        (Some(node), None) => Additional::Any(Some(node)),
        (None, _) => {
            let mut required = tightest(tree, parts, "required");
            let names_any = tightest(tree, parts, "properties").next().is_some()
                || required.any(|node| tree.array(node).is_some_and(|names| !names.is_empty()));
            if names_any {
                Additional::Unsaid
            } else {
                Additional::Any(None)
            }
        }
    }
}
