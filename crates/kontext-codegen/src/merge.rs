//! The fifth step, second part: the corrected documents become one.
//!
//! Several may describe one operation, each with requests of its own. All else must be
//! the same in them, but for documentation and samples.

use std::collections::{BTreeMap, BTreeSet};

use heck::ToSnakeCase as _;
use serde_json::{Map, Value, json};

use crate::{
    effective::{FILE, Origins, Part},
    json::{array, child, each_operation, same, short},
    pages::{MODEL, pages},
    problem::{Problem, Problems},
    prune,
    view::LIMITS,
};

/// The operations that several documents describe, by the pointer to them.
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

/// Puts the operations and components of all documents into one.
///
/// # Errors
///
/// What differs although it must not, with both places.
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
    // What stands inline in one document and has a name in the other is one of the two now.
    prune::prune(FILE, &mut document)?;
    Ok((document, origins))
}

/// Makes the body of an operation the union of its pages.
fn unite(
    document: &mut Value,
    at: &str,
    components: &[Value],
    origins: &Origins,
    problems: &mut Vec<Problem>,
) {
    let mut body = json!({"oneOf": components, "discriminator": {"propertyName": MODEL}});
    let mut mapping: BTreeMap<String, String> = BTreeMap::new();
    for component in components {
        let one = json!({"oneOf": [component], "discriminator": {"propertyName": MODEL}});
        for page in pages(document, &one)
            .into_iter()
            .flat_map(|(_, pages)| pages)
        {
            let target = component["$ref"].as_str().unwrap_or_default().to_owned();
            for model in page.models {
                let place = |target: &str| {
                    let at = child(&child(target.trim_start_matches('#'), "properties"), MODEL);
                    origins.of(&at)
                };
                if let Some(other) = mapping.insert(model.to_owned(), target.clone()) {
                    let ((file, at), (other_file, other_at)) = (place(&target), place(&other));
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
    }
    body["discriminator"]["mapping"] = json!(mapping);
    if let Some(operation) = document.pointer_mut(at) {
        operation["requestBody"]["content"]["application/json"]["schema"] = body;
    }
}

/// The documents so far.
#[derive(Default)]
struct Merged {
    document: Value,
    origins: Origins,
    problems: Vec<Problem>,
    /// The names of methods, with where they stand.
    ids: BTreeMap<String, String>,
    /// The bodies of each operation, by the pointer to it.
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
                // What both say of the operation, but for the schema of the body.
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

    /// Compares a place of another document with the same one here.
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

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// What is compared of two schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    /// What travels.
    Wire,
    /// Which Rust type a value has: limits are another matter.
    Types,
}

/// A place of a document, with what stands there.
#[derive(Clone, Debug)]
pub(crate) struct Side<'a> {
    document: &'a Value,
    value: Option<&'a Value>,
    at: String,
}

impl<'a> Side<'a> {
    pub(crate) fn new(document: &'a Value, value: &'a Value, at: &str) -> Self {
        Self {
            document,
            value: Some(value),
            at: at.to_owned(),
        }
    }

    fn at(document: &'a Value, at: &str) -> Self {
        Self {
            document,
            value: document.pointer(at),
            at: at.to_owned(),
        }
    }

    /// What a reference means, also one that allows null, and whether null is allowed.
    fn meant(mut self) -> (Self, bool, bool) {
        let (mut is_nullable, mut is_reference) = (false, false);
        while let Some(members) = self.value.and_then(Value::as_object) {
            is_nullable |= members.get("nullable") == Some(&json!(true));
            let only = match array(members, "allOf") {
                [only] => only.get("$ref"),
                _ => members.get("$ref"),
            };
            let pointer = only
                .and_then(Value::as_str)
                .and_then(|text| text.strip_prefix('#'));
            let Some((pointer, target)) =
                pointer.and_then(|at| Some((at, self.document.pointer(at)?)))
            else {
                break;
            };
            is_reference = true;
            self = Self::new(self.document, target, pointer);
        }
        (self, is_nullable, is_reference)
    }

    fn child(&self, name: &str) -> Self {
        Self {
            document: self.document,
            value: self.value.and_then(|value| match value {
                Value::Array(items) => items.get(name.parse::<usize>().ok()?),
                value => value.get(name),
            }),
            at: child(&self.at, name),
        }
    }

    fn found(self) -> (String, String) {
        let text = self.value.map_or_else(|| "nothing".to_owned(), short);
        (self.at, text)
    }
}

/// Where two documents differ: both pointers, and what stands there.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) first: (String, String),
    pub(crate) second: (String, String),
}

impl Difference {
    /// In words, at the second place; `first` is where the first is from.
    pub(crate) fn message(&self, (file, at): &(String, String)) -> String {
        format!(
            "{} differs from {} at {at} of {file}",
            self.second.1, self.first.1
        )
    }

    /// Where the second and the first place are from, in one effective document.
    pub(crate) fn places(&self, origins: &Origins) -> ((String, String), (String, String)) {
        (origins.of(&self.second.0), origins.of(&self.first.0))
    }
}

/// The first place where two values differ in more than their documentation. References
/// stand for what they refer to; `seen` holds those that were compared.
pub(crate) fn difference(
    first: Side<'_>,
    second: Side<'_>,
    compare: Compare,
    seen: &mut BTreeSet<(String, String)>,
) -> Option<Difference> {
    walk(first, second, false, compare, seen)
}

fn walk(
    first: Side<'_>,
    second: Side<'_>,
    are_names: bool,
    compare: Compare,
    seen: &mut BTreeSet<(String, String)>,
) -> Option<Difference> {
    let ((first, first_null, left), (second, second_null, right)) = match are_names {
        true => ((first, false, false), (second, false, false)),
        false => (first.meant(), second.meant()),
    };
    let is_component =
        |side: &Side<'_>| side.at.starts_with("/components/") && side.at.matches('/').count() == 3;
    let is_known = left || right || (is_component(&first) && is_component(&second));
    if is_known && !seen.insert((first.at.clone(), second.at.clone())) {
        return None;
    }
    let differs = |first: Side<'_>, second: Side<'_>| {
        Some(Difference {
            first: first.found(),
            second: second.found(),
        })
    };
    match (first.value, second.value) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            if first_null != second_null {
                return differs(first, second);
            }
            let is_signed = |members: &Map<String, Value>| {
                let minimum = members.get("minimum").and_then(Value::as_f64);
                !minimum.is_some_and(|minimum| minimum >= 0.0)
            };
            let is_integer =
                |members: &Map<String, Value>| members.get("type") == Some(&json!("integer"));
            if compare == Compare::Types
                && is_integer(one)
                && is_integer(other)
                && is_signed(one) != is_signed(other)
            {
                return differs(first, second);
            }
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let mut names = names.into_iter().filter(|name| {
                let is_ignored = is_documentation(name)
                    || name.as_str() == "nullable"
                    || (compare == Compare::Types && LIMITS.contains(&name.as_str()));
                are_names || !is_ignored
            });
            names.find_map(|name| {
                let (first, second) = (first.child(name), second.child(name));
                let is_set = !are_names && ["required", "enum"].contains(&name.as_str());
                match (first.value, second.value) {
                    (Some(Value::Array(one)), Some(Value::Array(other))) if is_set => {
                        let all_in = |one: &[Value], other: &[Value]| {
                            one.iter()
                                .all(|value| other.iter().any(|one| same(one, value)))
                        };
                        let is_same = all_in(one, other) && all_in(other, one);
                        (!is_same).then(|| differs(first, second)).flatten()
                    }
                    _ => walk(
                        first,
                        second,
                        !are_names && name == "properties",
                        compare,
                        seen,
                    ),
                }
            })
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) if one.len() == other.len() => {
            (0..one.len()).find_map(|index| {
                let index = index.to_string();
                walk(
                    first.child(&index),
                    second.child(&index),
                    false,
                    compare,
                    seen,
                )
            })
        }
        (Some(one), Some(other)) if same(one, other) => None,
        (None, None) => None,
        _ => differs(first, second),
    }
}

/// Whether a member says nothing of what travels.
fn is_documentation(name: &str) -> bool {
    match name {
        "title" | "summary" | "description" | "example" | "examples" | "externalDocs"
        | "deprecated" | "tags" => true,
        "x-open-map" | "x-enum-names" => false,
        name => name.starts_with("x-"),
    }
}
