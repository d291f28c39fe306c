//! The fifth step, second part: merges the corrected documents into one.
//!
//! Several documents may describe one operation, each with its own requests. Everything
//! else in them must be equal, except for documentation and samples.

use std::collections::{BTreeMap, BTreeSet};

use heck::ToSnakeCase as _;
use serde_json::{Value, json};

use crate::{
    difference::{Compare, Side, difference, is_documentation},
    json::{child, each_operation, members, referenced},
    origins::{FILE, Origins, Part},
    pages::{MODEL, models},
    problem::{Problem, Problems},
    prune,
};

/// The operations that several documents describe, by pointer.
pub(crate) fn shared(parts: &[Part]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut shared = BTreeSet::new();
    for part in parts {
        each_operation(&part.document, &mut |_, _, _, at| {
            if !seen.insert(at.clone()) {
                shared.insert(at);
            }
        });
    }
    shared
}

/// Merges the operations and components of all documents into one.
///
/// # Errors
///
/// Conflicts between the documents, each with both places.
pub(crate) fn merge(
    parts: Vec<Part>,
    shared: &BTreeSet<String>,
) -> Result<(Value, Origins), Problems> {
    let mut merged = Merged::default();
    for part in parts {
        merged.add(part);
    }
    let Merged {
        mut document,
        origins,
        mut problems,
        requests,
        ..
    } = merged;
    for (at, components) in requests {
        if shared.contains(&at) && !components.is_empty() {
            unite(&mut document, &at, &components, &origins, &mut problems);
        }
    }
    Problems::none_or(problems)?;
    // A component is unused if the document merged first has the same schema inline.
    prune::prune(FILE, &mut document)?;
    Ok((document, origins))
}

/// Makes the request body of an operation a union of its pages.
fn unite(
    document: &mut Value,
    at: &str,
    components: &[Value],
    origins: &Origins,
    problems: &mut Vec<Problem>,
) {
    let place = |target: &str| {
        let at = child(&child(target.trim_start_matches('#'), "properties"), MODEL);
        origins.of(&at)
    };
    let mut mapping: BTreeMap<String, &str> = BTreeMap::new();
    for component in components {
        let target = component["$ref"].as_str().unwrap_or_default();
        let schema = referenced(document, component);
        let models = schema.and_then(|schema| models(document, schema, MODEL));
        for model in models.into_iter().flatten() {
            if let Some(other) = mapping.insert(model.to_owned(), target) {
                let ((file, at), (other_file, other_at)) = (place(target), place(other));
                problems.push(Problem::new(
                    file,
                    at,
                    format!("{model:?} is a model of {other_at} of {other_file}, too"),
                    "one page per model: delete one of the documents, or correct its model \
                     with an overlay",
                ));
            }
        }
    }
    let body = json!({
        "oneOf": components, "discriminator": {"propertyName": MODEL, "mapping": mapping}
    });
    if let Some(operation) = document.pointer_mut(at) {
        operation["requestBody"]["content"]["application/json"]["schema"] = body;
    }
}

/// The documents merged so far.
#[derive(Default)]
struct Merged {
    document: Value,
    origins: Origins,
    problems: Vec<Problem>,
    /// The method names, with the places of their operations.
    ids: BTreeMap<String, String>,
    /// The bodies of each operation, by its pointer.
    requests: BTreeMap<String, Vec<Value>>,
}

impl Merged {
    fn add(&mut self, part: Part) {
        let own = part.origins();
        each_operation(&part.document, &mut |_, _, operation, at| {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            if schema.get("$ref").is_some() {
                self.requests
                    .entry(at.clone())
                    .or_default()
                    .push(schema.clone());
            }
            let id = operation["operationId"].as_str().unwrap_or_default();
            let other = self.ids.insert(id.to_snake_case(), at.clone());
            if other.is_some_and(|other| other != at) {
                self.problems.push(Problem::new(
                    &part.file,
                    child(&at, "operationId"),
                    format!("{id:?} is the operationId of another document's operation"),
                    "give one of them another operationId with an overlay",
                ));
            }
        });
        let Part { document, .. } = part;
        if self.document.is_null() {
            self.document = document;
            self.origins = own;
            return;
        }
        let mut seen = BTreeSet::new();
        for name in ["servers", "security"] {
            self.compare(&document, &child("", name), &own, &mut seen);
        }
        for (path, item) in members(&document["paths"]) {
            let at = child("/paths", path);
            for (name, member) in members(item) {
                let at = child(&at, name);
                if self.document.pointer(&at).is_none() {
                    self.document["paths"][path][name] = member.clone();
                    self.origins.add(&at, &own);
                    continue;
                }
                // Everything in the operation but the schema of the body must be equal.
                for (name, part) in members(member) {
                    let at = child(&at, name);
                    match name.as_str() {
                        "requestBody" => {
                            self.compare(&document, &child(&at, "required"), &own, &mut seen);
                        }
                        _ if !part.is_null() => self.compare(&document, &at, &own, &mut seen),
                        _ => {}
                    }
                }
                for name in ["security", "responses", "requestBody", "parameters"] {
                    if member.get(name).is_none() {
                        self.compare(&document, &child(&at, name), &own, &mut seen);
                    }
                }
            }
        }
        for (group, all) in members(&document["components"]) {
            for (name, member) in members(all) {
                let at = child(&child("/components", group), name);
                if self.document.pointer(&at).is_some() {
                    self.compare(&document, &at, &own, &mut seen);
                } else {
                    self.document["components"][group][name] = member.clone();
                    self.origins.add(&at, &own);
                }
            }
        }
    }

    /// Compares a place in another document with the same place in the merged one.
    fn compare(
        &mut self,
        other: &Value,
        at: &str,
        own: &Origins,
        seen: &mut BTreeSet<(String, String)>,
    ) {
        let name = at.rsplit('/').next().unwrap_or_default();
        if is_documentation(name) {
            return;
        }
        let here = Side::at(&self.document, at);
        let there = Side::at(other, at);
        if let Some(found) = difference(here, there, Compare::Wire, seen) {
            let (file, at) = own.of(&found.second.0);
            let first = self.origins.of(&found.first.0);
            self.problems.push(Problem::new(
                file,
                at,
                found.message(&first),
                "make them the same with an overlay: its x-applies-to can name several pages",
            ));
        }
    }
}
