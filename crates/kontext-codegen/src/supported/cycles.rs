//! Reference cycles, and chains of references that are too long.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::{
    json::{array, child, component_name, each_operation, each_schema, resolved},
    problem::Found,
    prune::references,
};

/// The longest supported chain of components. The compiler recurses through the types made
/// from them, and gives up after a few hundred steps, several per type; validators of the
/// contract recurse through the schemas.
const DEEPEST: usize = 32;

/// The longest chain of references that is followed, including plain aliases.
const LONGEST: usize = 1_000;

/// The most schemas that the parts (allOf, anyOf, oneOf) of a schema may expand to with
/// references followed. A validator of the contract evaluates them one by one.
const MOST_PARTS: u64 = 10_000;

/// Finds references that never reach a schema, recursive requests, and schemas that nest
/// too deep or expand too far.
pub(super) fn check(document: &Value, found: &mut Found<'_>) {
    let none = Map::new();
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
    if !found.problems.is_empty() {
        // The following checks might not terminate, or take too long.
        return;
    }
    let mut sizes = BTreeMap::new();
    each_schema(document, &mut |schema, at| {
        let parts = count_parts(schema, schemas, &mut sizes);
        // Report only the first: schemas that contain this one are also too large.
        if parts > MOST_PARTS && found.problems.is_empty() {
            found.add(
                at,
                format!(
                    "is made of {parts} schemas, references followed; at most {MOST_PARTS} are supported"
                ),
                "remove parts that repeat with an overlay",
            );
        }
    });
    each_operation(document, &mut |_, _, operation, at| {
        let at = child(&at, "requestBody");
        let (body, at) = resolved(document, &operation["requestBody"], &at);
        let mut done = BTreeSet::new();
        references(body, &at, &mut |at, reference| {
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
fn component<'a>(schemas: &'a Map<String, Value>, reference: &str) -> Option<&'a str> {
    let name = component_name(reference)?
        .replace("~1", "/")
        .replace("~0", "~");
    schemas.get_key_value(&name).map(|(name, _)| name.as_str())
}

/// The components that describe the same value as this schema: by reference, or as a part.
fn part_references<'a>(
    schemas: &'a Map<String, Value>,
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
/// ends the chain: responses may be recursive.
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

/// The number of schemas that a schema's parts expand to. They contain no cycles.
fn count_parts<'a>(
    schema: &Value,
    schemas: &'a Map<String, Value>,
    known: &mut BTreeMap<&'a str, u64>,
) -> u64 {
    let Some(members) = schema.as_object() else {
        return 1;
    };
    let reference = members.get("$ref").and_then(Value::as_str);
    if let Some(name) = reference.and_then(|one| component(schemas, one)) {
        if let Some(count) = known.get(name) {
            return *count;
        }
        let count = count_parts(&schemas[name], schemas, known);
        known.insert(name, count);
        return count;
    }
    let parts = ["allOf", "anyOf", "oneOf"]
        .into_iter()
        .flat_map(|union| array(members, union));
    parts.fold(1, |sum: u64, part| {
        sum.saturating_add(count_parts(part, schemas, known))
    })
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
