//! The third step, first part: removes what no operation reaches.
//!
//! Components are reached by `$ref`, security schemes by name. An older version of the
//! provider's page had 257 unused schemas.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    json::{child, each_operation, items, members},
    problem::{Found, Problems},
};

/// Removes the components that no operation reaches, and returns their number.
///
/// # Errors
///
/// A reachable reference is dangling, or points outside the document.
pub(crate) fn prune(file: &str, document: &mut Value) -> Result<usize, Problems> {
    let mut reached = BTreeSet::new();
    let mut found = Found::new(file);
    let mut waiting = vec!["/paths".to_owned()];
    while let Some(pointer) = waiting.pop() {
        let Some(value) = document.pointer(&pointer) else {
            continue;
        };
        references(value, &pointer, &mut |at, reference| {
            let Some(target) = reference.strip_prefix('#') else {
                found.add(
                    at,
                    format!("$ref {reference:?} points out of the document"),
                    "bundle the documents into one before importing them",
                );
                return;
            };
            let is_component =
                target.starts_with("/components/") && target.matches('/').count() == 3;
            if document.pointer(target).is_none() || !is_component {
                found.add(
                    at,
                    format!("$ref {reference:?} points to no component"),
                    "correct the reference or add the component with an overlay",
                );
            } else if reached.insert(target.to_owned()) {
                waiting.push(target.to_owned());
            }
        });
    }
    for (at, name) in security_schemes(document) {
        let component = child("/components/securitySchemes", &name);
        if document.pointer(&component).is_none() {
            found.add(
                &at,
                format!("security scheme {name:?} is not defined"),
                "add it to /components/securitySchemes with an overlay",
            );
        }
        reached.insert(component);
    }
    Problems::none_or(found.problems)?;
    Ok(keep(document, &reached))
}

/// Visits every `$ref` below a value, with the pointer to the object that holds it.
pub(crate) fn references(value: &Value, pointer: &str, visit: &mut dyn FnMut(&str, &str)) {
    // Members of `properties` are property names, so one may be called `example`.
    fn walk(value: &Value, at: &str, are_names: bool, visit: &mut dyn FnMut(&str, &str)) {
        match value {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    visit(at, reference);
                }
                for (key, inner) in members {
                    // Examples and extensions hold values, not references.
                    let holds_values =
                        matches!(key.as_str(), "example" | "examples") || key.starts_with("x-");
                    if are_names || !holds_values {
                        let are_names = !are_names && key == "properties";
                        walk(inner, &child(at, key), are_names, visit);
                    }
                }
            }
            Value::Array(items) => {
                for (index, inner) in items.iter().enumerate() {
                    walk(inner, &child(at, &index.to_string()), false, visit);
                }
            }
            _ => {}
        }
    }
    walk(value, pointer, false, visit);
}

/// The schemes named in the security requirements of the document and its operations, each
/// with the pointer to its requirement.
fn security_schemes(document: &Value) -> Vec<(String, String)> {
    let mut places = vec!["/security".to_owned()];
    each_operation(document, &mut |_, _, _, at| {
        places.push(child(&at, "security"));
    });
    let mut names = Vec::new();
    for at in places {
        for requirement in document.pointer(&at).map_or(&[][..], items) {
            names.extend(members(requirement).map(|(name, _)| (at.clone(), name.clone())));
        }
    }
    names
}

/// Keeps the reached components, drops empty sections, and returns the number removed.
fn keep(document: &mut Value, reached: &BTreeSet<String>) -> usize {
    let mut removed = 0;
    let Some(components) = document
        .get_mut("components")
        .and_then(Value::as_object_mut)
    else {
        return 0;
    };
    for (section, members) in components.iter_mut() {
        if let Some(members) = members.as_object_mut() {
            let before = members.len();
            let at = child("/components", section);
            members.retain(|name, _| reached.contains(&child(&at, name)));
            removed += before - members.len();
        }
    }
    components.retain(|_, members| members.as_object().is_some_and(|all| !all.is_empty()));
    if components.is_empty()
        && let Some(document) = document.as_object_mut()
    {
        document.remove("components");
    }
    removed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_reachable_components_despite_cycles() {
        let mut document = json!({
            "paths": {"/x": {"get": {"security": [{"key": []}], "responses": {"$ref": "#/components/responses/R"}}}},
            "components": {
                "responses": {"R": {"schema": {"$ref": "#/components/schemas/A"}}},
                "schemas": {
                    "A": {"items": {"$ref": "#/components/schemas/B"}},
                    "B": {"properties": {"example": {"$ref": "#/components/schemas/A"}}},
                    "C": {"items": {"$ref": "#/components/schemas/D"}}, "D": {}
                },
                "securitySchemes": {"key": {}, "other": {}},
                "headers": {"H": {}}
            }
        });
        assert_eq!(prune("p.json", &mut document).unwrap(), 4);
        let components = &document["components"];
        assert_eq!(
            components.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["responses", "schemas", "securitySchemes"]
        );
        assert_eq!(
            components["schemas"]
                .as_object()
                .unwrap()
                .keys()
                .collect::<Vec<_>>(),
            ["A", "B"]
        );
    }

    #[test]
    fn reports_all_dangling_references_at_once() {
        let mut document = json!({
            "security": [{"key": []}],
            "paths": {"/x": {"get": {"a": {"$ref": "#/components/schemas/A"}, "b": {"$ref": "b.json#/B"}}}}
        });
        assert_eq!(
            prune("p.json", &mut document).unwrap_err().to_string(),
            "p.json: /paths/~1x/get/a: $ref \"#/components/schemas/A\" points to no component\n  \
             help: correct the reference or add the component with an overlay\n\
             p.json: /paths/~1x/get/b: $ref \"b.json#/B\" points out of the document\n  \
             help: bundle the documents into one before importing them\n\
             p.json: /security: security scheme \"key\" is not defined\n  \
             help: add it to /components/securitySchemes with an overlay"
        );
    }
}
