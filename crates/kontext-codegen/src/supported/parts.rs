//! Schemas with an `allOf`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    json::{self, array, child, items, referenced, same},
    limits::contradiction,
    problem::Found,
};

pub(super) const TYPES: [&str; 6] = ["string", "number", "integer", "boolean", "array", "object"];

/// Rejects an `allOf` that no value satisfies: every answer would contradict the contract.
pub(super) fn check(document: &Value, schema: &Value, at: &str, found: &mut Found<'_>) {
    // Bounds the work: recursive parts repeat their properties without end.
    const MOST: u32 = 1_000;
    if items(&schema["allOf"]).is_empty() {
        return;
    }
    let mut all = AllOf::default();
    all.add(document, schema);
    if let Some(problem) = all.problem(document, 0, &mut { MOST }) {
        found.add(
            &child(at, "allOf"),
            format!("{problem}, so no value is allowed"),
            "correct the parts with an overlay; for a value of one of several types, write anyOf",
        );
    }
}

/// What all parts of a schema allow together.
#[derive(Default)]
struct AllOf<'a> {
    /// The common types; none if no part has any.
    types: Option<Vec<&'static str>>,
    /// The values of enums in common.
    values: Option<Vec<Value>>,
    /// The strictest limits.
    limits: Map<String, Value>,
    /// The schemas of each property.
    properties: BTreeMap<&'a str, Vec<&'a Value>>,
}

impl<'a> AllOf<'a> {
    /// Why no value satisfies all parts.
    fn problem(&self, document: &'a Value, depth: usize, left: &mut u32) -> Option<String> {
        // Bounds the recursion, as objects may be recursive.
        const DEEPEST: usize = 8;
        if self.types.as_ref().is_some_and(Vec::is_empty) {
            return Some("the parts have different types".to_owned());
        }
        if self.values.as_ref().is_some_and(Vec::is_empty) {
            return Some("the parts have no value of an enum in common".to_owned());
        }
        if let Some((_, message)) = contradiction(&self.limits) {
            return Some(message);
        }
        self.properties.iter().find_map(|(name, schemas)| {
            if schemas.len() < 2 || depth == DEEPEST {
                return None;
            }
            *left = left.checked_sub(1)?;
            let mut all = AllOf::default();
            for schema in schemas {
                all.add(document, schema);
            }
            let problem = all.problem(document, depth + 1, left)?;
            Some(format!("property {name}: {problem}"))
        })
    }

    fn add(&mut self, document: &'a Value, schema: &'a Value) {
        if let Some(target) = referenced(document, schema) {
            return self.add(document, target);
        }
        let Some(members) = schema.as_object() else {
            return;
        };
        if let Some(types) = types(document, schema) {
            match &mut self.types {
                Some(known) => known.retain(|name| types.contains(name)),
                None => self.types = Some(types),
            }
        }
        let values = array(members, "enum");
        if !values.is_empty() {
            match &mut self.values {
                Some(known) => known.retain(|value| values.iter().any(|one| same(one, value))),
                None => self.values = Some(values.to_vec()),
            }
        }
        if let Some(name) = members.get("type") {
            // `integer` is stricter than `number`.
            if self.limits.get("type") != Some(&json!("integer")) {
                self.limits.insert("type".to_owned(), name.clone());
            }
        }
        for (name, is_minimum) in [
            ("minLength", true),
            ("minItems", true),
            ("minProperties", true),
            ("minimum", true),
            ("maxLength", false),
            ("maxItems", false),
            ("maxProperties", false),
            ("maximum", false),
        ] {
            let Some(bound) = members.get(name).filter(|bound| bound.is_number()) else {
                continue;
            };
            let known = self.limits.get(name).and_then(Value::as_f64);
            let is_tighter = match (known, bound.as_f64()) {
                (Some(known), Some(bound)) if is_minimum => bound > known,
                (Some(known), Some(bound)) => bound < known,
                _ => true,
            };
            if is_tighter {
                self.limits.insert(name.to_owned(), bound.clone());
                let exclusive = match name {
                    "minimum" => "exclusiveMinimum",
                    "maximum" => "exclusiveMaximum",
                    _ => continue,
                };
                let flag = members.get(exclusive).cloned();
                self.limits
                    .insert(exclusive.to_owned(), flag.unwrap_or(json!(false)));
            }
        }
        for (name, property) in json::members(&schema["properties"]) {
            let property = referenced(document, property).unwrap_or(property);
            let known = self.properties.entry(name).or_default();
            if !known.iter().any(|one| std::ptr::eq(*one, property)) {
                known.push(property);
            }
        }
        for part in array(members, "allOf") {
            self.add(document, part);
        }
    }
}

/// The types that a schema allows, by its type and unions; none if it has neither.
fn types(document: &Value, schema: &Value) -> Option<Vec<&'static str>> {
    if let Some(target) = referenced(document, schema) {
        return types(document, target);
    }
    if let Some(name) = schema["type"].as_str() {
        let known = TYPES.into_iter().find(|known| *known == name)?;
        return Some(match known {
            "number" => vec!["number", "integer"],
            known => vec![known],
        });
    }
    for union in ["anyOf", "oneOf"] {
        let branches = items(&schema[union]);
        if !branches.is_empty() {
            let types: Option<Vec<_>> = branches
                .iter()
                .map(|branch| types(document, branch))
                .collect();
            return types.map(|types| types.concat());
        }
    }
    None
}
