//! Reference cycles, and chains of references that are too long.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Found;
use crate::{
    json::{array, child, component_name, each_operation, each_schema},
    prune::references,
};

/// The longest supported chain of components. The compiler recurses through the types made
/// from them, and gives up after a few hundred steps, several per type.
const DEEPEST: usize = 32;

/// The longest chain of references that is followed, including plain aliases.
const LONGEST: usize = 1_000;

/// The most schemas that the parts (allOf, anyOf, oneOf) of a schema may expand to with
/// references followed, and the most combinations. The generator merges them one by one.
const MOST_PARTS: u64 = 10_000;
const MOST_COMBINATIONS: u64 = 1_000;

/// Finds references that never reach a schema, recursive requests, and schemas that nest
/// too deep or expand too far.
pub(super) fn check(document: &Value, found: &mut Found<'_>) {
    let none = serde_json::Map::new();
    let schemas = document["components"]["schemas"].as_object();
    let schemas = schemas.unwrap_or(&none);
    let mut all: Edges<'_> = BTreeMap::new();
    let mut parts: Edges<'_> = BTreeMap::new();
    for (name, schema) in schemas {
        let mut targets = Vec::new();
        references(schema, "", &mut |_, reference| {
            targets.extend(component(schemas, reference));
        });
        all.insert(name, targets);
        let mut targets = Vec::new();
        part_references(schemas, schema, &mut targets);
        parts.insert(name, targets);
    }
    let problems = found.problems.len();
    let mut done = BTreeSet::new();
    for name in parts.keys().copied() {
        if let Some(cycle) = first_cycle(name, &parts, &mut Vec::new(), &mut done) {
            let start = cycle.first().copied().unwrap_or(name);
            found.add(
                &child("/components/schemas", start),
                format!(
                    "refers to itself without ever describing a value: {}",
                    cycle.join(" → ")
                ),
                "correct the reference with an overlay",
            );
        }
    }
    // A chain of aliases is a single schema.
    let is_alias = |name: &str| {
        schemas
            .get(name)
            .is_some_and(|one| one.get("$ref").is_some())
    };
    let mut depths = BTreeMap::new();
    for name in all.keys().copied() {
        if depth(name, &all, &is_alias, &mut Vec::new(), &mut depths).is_none() {
            found.add(
                &child("/components/schemas", name),
                format!("more than {DEEPEST} components refer to one another in a row"),
                "write some of them inline with an overlay",
            );
            break;
        }
    }
    if found.problems.len() > problems {
        // The following checks might not terminate, or take too long.
        return;
    }
    let mut sizes = BTreeMap::new();
    let mut counts = BTreeMap::new();
    let mut done = BTreeSet::new();
    each_schema(document, &mut |schema, at| {
        let Size {
            parts,
            combinations,
        } = Size::of(schema, schemas, &mut sizes);
        let too_many = if parts > MOST_PARTS {
            format!(
                "is made of {parts} schemas, references followed; at most {MOST_PARTS} are supported"
            )
        } else {
            format!(
                "its parts have {combinations} combinations; at most {MOST_COMBINATIONS} are supported"
            )
        };
        if parts > MOST_PARTS || combinations > MOST_COMBINATIONS {
            // Report only the first: schemas that contain this one are also too large.
            if found.problems.len() == problems {
                found.add(at, too_many, "remove parts that repeat with an overlay");
            }
        } else if is_merged(schema) {
            let mut merged = 1u64;
            references(schema, at, &mut |at, reference| {
                let Some(name) = component(schemas, reference) else {
                    return;
                };
                if let Some(cycle) = first_cycle(name, &all, &mut Vec::new(), &mut done) {
                    let cycle = cycle.join(" → ");
                    found.add(
                        at,
                        format!("is merged with other parts, and contains itself: {cycle}"),
                        "write the parts as one schema with an overlay",
                    );
                } else if found.problems.len() == problems {
                    merged = merged.saturating_add(count(name, &all, &mut counts));
                }
            });
            if merged > MOST_COMBINATIONS && found.problems.len() == problems {
                found.add(
                    at,
                    format!(
                        "is merged with all that it refers to, {merged} schemas; at most \
                         {MOST_COMBINATIONS} are supported"
                    ),
                    "write the parts as one schema with an overlay",
                );
            }
        }
    });
    each_operation(document, &mut |_, _, operation, at| {
        let at = child(&at, "requestBody");
        let mut done = BTreeSet::new();
        references(&operation["requestBody"], &at, &mut |at, reference| {
            if let Some(name) = component(schemas, reference)
                && let Some(cycle) = first_cycle(name, &all, &mut Vec::new(), &mut done)
            {
                found.add(
                    at,
                    format!("the request contains itself: {}", cycle.join(" → ")),
                    "a request of any depth can't be checked before sending; close the cycle \
                     with an overlay",
                );
            }
        });
    });
}

/// The components that each component refers to.
type Edges<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// The component that a reference points to, by its name in the document.
fn component<'a>(schemas: &'a serde_json::Map<String, Value>, reference: &str) -> Option<&'a str> {
    let name = component_name(reference)?
        .replace("~1", "/")
        .replace("~0", "~");
    schemas.get_key_value(&name).map(|(name, _)| name.as_str())
}

/// The components that describe the same value as this schema: by reference, or as a part.
fn part_references<'a>(
    schemas: &'a serde_json::Map<String, Value>,
    schema: &Value,
    targets: &mut Vec<&'a str>,
) {
    let Some(members) = schema.as_object() else {
        return;
    };
    if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
        targets.extend(component(schemas, reference));
        return;
    }
    for union in ["allOf", "anyOf", "oneOf"] {
        for part in array(members, union) {
            part_references(schemas, part, targets);
        }
    }
}

/// The length of the longest chain of components from here; none if it is too long. A cycle
/// ends the chain: response types may be recursive.
fn depth<'a>(
    name: &'a str,
    edges: &Edges<'a>,
    is_alias: &dyn Fn(&str) -> bool,
    path: &mut Vec<&'a str>,
    depths: &mut BTreeMap<&'a str, usize>,
) -> Option<usize> {
    if let Some(depth) = depths.get(name) {
        return Some(*depth);
    }
    if path.contains(&name) {
        return Some(0);
    }
    if path.len() > LONGEST {
        return None;
    }
    path.push(name);
    let mut deepest = 0;
    for target in edges.get(name).into_iter().flatten() {
        deepest = deepest.max(depth(target, edges, is_alias, path, depths)?);
    }
    path.pop();
    let depth = deepest + usize::from(!is_alias(name));
    depths.insert(name, depth);
    (depth <= DEEPEST).then_some(depth)
}

/// The number of schemas in a component with every reference written out. It must reach no
/// cycle.
fn count<'a>(name: &'a str, edges: &Edges<'a>, counts: &mut BTreeMap<&'a str, u64>) -> u64 {
    if let Some(count) = counts.get(name) {
        return *count;
    }
    let targets = edges.get(name).into_iter().flatten();
    let count = targets.fold(1, |sum: u64, one| {
        sum.saturating_add(count(one, edges, counts))
    });
    counts.insert(name, count);
    count
}

/// Whether the generator merges the parts of this schema, and what they refer to, into one.
fn is_merged(schema: &Value) -> bool {
    let Some(members) = schema.as_object() else {
        return false;
    };
    let unions = ["allOf", "anyOf", "oneOf"].map(|name| array(members, name).len());
    let several = unions.iter().filter(|parts| **parts > 0).count();
    let has_members = ["properties", "additionalProperties"]
        .iter()
        .any(|name| members.contains_key(*name));
    unions[0] > 1 || several > 1 || (several > 0 && has_members)
}

/// The size of a schema's expanded parts.
#[derive(Clone, Copy)]
struct Size {
    parts: u64,
    combinations: u64,
}

impl Size {
    /// Follows references. Parts contain no cycles.
    fn of<'a>(
        schema: &Value,
        schemas: &'a serde_json::Map<String, Value>,
        known: &mut BTreeMap<&'a str, Self>,
    ) -> Self {
        let mut size = Self {
            parts: 1,
            combinations: 1,
        };
        let Some(members) = schema.as_object() else {
            return size;
        };
        let reference = members.get("$ref").and_then(Value::as_str);
        if let Some(name) = reference.and_then(|one| component(schemas, one)) {
            if let Some(size) = known.get(name) {
                return *size;
            }
            let size = Self::of(&schemas[name], schemas, known);
            known.insert(name, size);
            return size;
        }
        for union in ["allOf", "anyOf", "oneOf"] {
            let sizes = array(members, union)
                .iter()
                .map(|part| Self::of(part, schemas, known));
            let sizes: Vec<Self> = sizes.collect();
            let parts = sizes.iter().map(|one| one.parts);
            size.parts = parts.fold(size.parts, u64::saturating_add);
            let combinations = sizes.iter().map(|one| one.combinations);
            let combinations = match union {
                "allOf" => combinations.fold(1, u64::saturating_mul),
                _ if sizes.is_empty() => 1,
                _ => combinations.fold(0, u64::saturating_add),
            };
            size.combinations = size.combinations.saturating_mul(combinations);
        }
        size
    }
}

/// The first cycle reachable from a component, if any: the path from its first component
/// back to it.
fn first_cycle<'a>(
    name: &'a str,
    edges: &Edges<'a>,
    path: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) -> Option<Vec<&'a str>> {
    if !done.insert(name) {
        let start = path.iter().position(|earlier| *earlier == name)?;
        let mut cycle = path[start..].to_vec();
        cycle.push(name);
        return Some(cycle);
    }
    path.push(name);
    let mut targets = edges.get(name).into_iter().flatten();
    let found = targets.find_map(|next| first_cycle(next, edges, path, done));
    path.pop();
    found
}
