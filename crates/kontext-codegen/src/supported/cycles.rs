//! References that lead back to themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Found;
use crate::{
    json::{child, component_name, each_operation},
    prune::references,
};

/// Finds references that never reach a schema, and requests that contain
/// themselves.
pub(super) fn check(document: &Value, found: &mut Found<'_>) {
    let schemas = document["components"]["schemas"].as_object();
    let mut edges: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, schema) in schemas.into_iter().flatten() {
        let mut targets = Vec::new();
        references(schema, "", &mut |_, reference| {
            targets.extend(component_name(reference).map(str::to_owned));
        });
        edges.insert(name, targets);
        if let Some(path) = alias_cycle(&document["components"]["schemas"], name) {
            found.add(
                &child("/components/schemas", name),
                format!("refers to itself without ever describing a value: {path}"),
                "correct the reference with an overlay",
            );
        }
    }
    each_operation(document, &mut |_, _, operation, at| {
        let at = child(&at, "requestBody");
        let mut path = Vec::new();
        let mut done = BTreeSet::new();
        references(&operation["requestBody"], &at, &mut |at, reference| {
            if let Some(name) = component_name(reference)
                && let Some(cycle) = cycle(name, &edges, &mut path, &mut done)
            {
                found.add(
                    at,
                    format!("the request contains itself: {cycle}"),
                    "its limits could not be checked before sending; \
                     close the cycle with an overlay",
                );
            }
        });
    });
}

/// The chain of bare references from a component back to itself, if any.
fn alias_cycle(schemas: &Value, start: &str) -> Option<String> {
    let mut path = vec![start];
    loop {
        let reference = schemas[*path.last()?].get("$ref")?.as_str()?;
        let next = component_name(reference)?;
        if next == start {
            path.push(next);
            return Some(path.join(" → "));
        }
        if path.contains(&next) {
            // Another component's cycle; it is reported there.
            return None;
        }
        path.push(next);
    }
}

/// A path of references from a component that meets itself, if any.
fn cycle<'a>(
    name: &'a str,
    edges: &'a BTreeMap<&str, Vec<String>>,
    path: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<String> {
    if let Some(start) = path.iter().position(|earlier| earlier == name) {
        let mut names = path[start..].to_vec();
        names.push(name.to_owned());
        return Some(names.join(" → "));
    }
    if done.contains(name) {
        return None;
    }
    path.push(name.to_owned());
    let found = edges
        .get(name)
        .into_iter()
        .flatten()
        .find_map(|next| cycle(next, edges, path, done));
    path.pop();
    done.insert(name.to_owned());
    found
}
