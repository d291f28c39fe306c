//! The contract: what travels, as JSON Schema 2020-12 per operation and status.
//!
//! It is made from the effective document for `kontext-mock` and for every
//! other tool that knows JSON Schema. `nullable` and the boolean exclusive
//! bounds of OpenAPI 3.0 are translated; `x-open-map` stays.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    json::{child, component_name, each_operation},
    names, prune,
};

/// The version of the contract's format, which readers check.
pub const FORMAT: u64 = 1;

/// Makes the contract of an effective document.
#[must_use]
pub fn contract(effective: &Value) -> Value {
    let mut operations = Vec::new();
    each_operation(effective, &mut |path, method, operation, at| {
        operations.push(one(effective, path, method, operation, &at));
    });
    json!({"format": FORMAT, "operations": operations})
}

fn one(effective: &Value, path: &str, method: &str, operation: &Value, at: &str) -> Value {
    let id = operation["operationId"].as_str().unwrap_or_default();
    let mut entry = json!({
        "name": names::kebab(id),
        "operation_id": id,
        "method": method.to_ascii_uppercase(),
        "path": path,
        "security": security(effective, operation),
        "responses": responses(effective, operation),
        "$defs": definitions(effective, operation, at),
    });
    if let Some(body) = resolved(effective, &operation["requestBody"]).as_object() {
        entry["request"] = json!({
            "required": body.get("required") == Some(&json!(true)),
            "content": content(body.get("content")),
        });
    }
    entry.sort_all_objects();
    let digest = Sha256::digest(entry.to_string().as_bytes());
    entry["sha256"] = json!(format!("{digest:x}"));
    entry
}

/// A value, or what it refers to.
fn resolved<'a>(effective: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"]
        .as_str()
        .and_then(|text| text.strip_prefix('#'))
    {
        Some(pointer) => effective.pointer(pointer).unwrap_or(value),
        None => value,
    }
}

fn security(effective: &Value, operation: &Value) -> Value {
    let requirements = match &operation["security"] {
        Value::Null => &effective["security"],
        own => own,
    };
    let schemes = &effective["components"]["securitySchemes"];
    requirements
        .as_array()
        .into_iter()
        .flatten()
        .map(|requirement| {
            let names = requirement.as_object().into_iter().flatten();
            names
                .map(|(name, _)| (name.clone(), schemes[name].clone()))
                .collect::<Value>()
        })
        .collect()
}

fn responses(effective: &Value, operation: &Value) -> Value {
    operation["responses"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(status, response)| {
            let response = resolved(effective, response);
            (
                status.clone(),
                json!({"content": content(response.get("content"))}),
            )
        })
        .collect()
}

fn content(content: Option<&Value>) -> Value {
    content
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(media_type, body)| (media_type.clone(), schema(&body["schema"])))
        .collect()
}

/// The schemas that an operation reaches, translated.
fn definitions(effective: &Value, operation: &Value, at: &str) -> Value {
    let mut found = BTreeMap::new();
    let mut waiting = vec![(operation, at.to_owned())];
    while let Some((value, at)) = waiting.pop() {
        prune::references(value, &at, &mut |_, reference| {
            let Some(pointer) = reference.strip_prefix('#') else {
                return;
            };
            let Some(target) = effective.pointer(pointer) else {
                return;
            };
            if found.insert(reference.to_owned(), target).is_none() {
                waiting.push((target, pointer.to_owned()));
            }
        });
    }
    found
        .into_iter()
        .filter_map(|(reference, target)| {
            Some((component_name(&reference)?.to_owned(), schema(target)))
        })
        .collect()
}

/// Translates a schema of OpenAPI 3.0 to JSON Schema 2020-12.
#[must_use]
pub fn schema(openapi: &Value) -> Value {
    let Some(members) = openapi.as_object() else {
        // A missing schema says nothing, so anything goes.
        return json!({});
    };
    let mut translated = Map::new();
    for (name, value) in members {
        let value = match name.as_str() {
            "$ref" => {
                let name = value.as_str().and_then(component_name).unwrap_or_default();
                json!(child("#/$defs", name))
            }
            "items" | "not" => schema(value),
            "additionalProperties" if value.is_object() => schema(value),
            "allOf" | "anyOf" | "oneOf" => {
                value.as_array().into_iter().flatten().map(schema).collect()
            }
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                let properties = properties.map(|(name, inner)| (name.clone(), schema(inner)));
                properties.collect()
            }
            "x-open-map" => value.clone(),
            "nullable" | "exclusiveMinimum" | "exclusiveMaximum" | "discriminator" | "xml"
            | "externalDocs" | "example" => continue,
            name if name.starts_with("x-") => continue,
            _ => value.clone(),
        };
        translated.insert(name.clone(), value);
    }
    for (flag, bound) in [
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ] {
        if members.get(flag) == Some(&json!(true))
            && let Some(value) = translated.remove(bound)
        {
            translated.insert(flag.to_owned(), value);
        }
    }
    if members.get("nullable") == Some(&json!(true)) {
        return nullable(translated);
    }
    Value::Object(translated)
}

/// Allows null. Beside a `type`, as OpenAPI 3.0.3 says, an `enum` still has to
/// list it.
fn nullable(mut schema: Map<String, Value>) -> Value {
    match schema.remove("type") {
        Some(name) => {
            schema.insert("type".to_owned(), json!([name, "null"]));
            Value::Object(schema)
        }
        None => json!({"anyOf": [schema, {"type": "null"}]}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_translation() {
        for (openapi, expected) in [
            (
                json!({"type": "string", "nullable": true}),
                json!({"type": ["string", "null"]}),
            ),
            (
                json!({"allOf": [{"$ref": "#/components/schemas/A"}], "nullable": true}),
                json!({"anyOf": [{"allOf": [{"$ref": "#/$defs/A"}]}, {"type": "null"}]}),
            ),
            (
                json!({"minimum": 1, "exclusiveMinimum": true, "maximum": 2, "exclusiveMaximum": false}),
                json!({"exclusiveMinimum": 1, "maximum": 2}),
            ),
            (
                json!({"items": {"nullable": true, "type": "integer"}, "x-open-map": true, "x-other": 1, "example": 1}),
                json!({"items": {"type": ["integer", "null"]}, "x-open-map": true}),
            ),
            (
                // A property may be named like a keyword.
                json!({"properties": {"nullable": {"type": "string"}, "example": {}}}),
                json!({"properties": {"nullable": {"type": "string"}, "example": {}}}),
            ),
        ] {
            assert_eq!(schema(&openapi), expected);
        }
    }
}
