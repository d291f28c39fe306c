//! The contract: the wire format, as JSON Schema 2020-12 per operation and status.
//!
//! It is generated from the effective document for `kontext-mock` and other tools that
//! support JSON Schema. `nullable` and OpenAPI 3.0's boolean exclusive bounds are
//! translated; `x-open-map` is kept.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    json::{child, component_name, each_operation, items, members, resolved},
    names,
    pages::{self, Page},
    prune,
};

/// The version of the contract format, which readers check.
pub(crate) const FORMAT: u64 = 1;

/// Generates the contract of an effective document.
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
    let bodies = Bodies::new(&entry["$defs"]);
    let (body, _) = resolved(effective, &operation["requestBody"], "");
    if body.is_object() {
        entry["request"] = json!({
            "required": body["required"] == json!(true),
            "content": content(&body["content"]),
        });
        let schema = &body["content"]["application/json"]["schema"];
        if let Some((property, pages)) = pages::pages(effective, schema) {
            add_pages(&mut entry, &bodies, property, &pages);
        }
    }
    entry.sort_all_objects();
    entry["sha256"] = json!(hash(&entry, &bodies, &entry["request"]["content"]));
    entry
}

/// Adds the pages of a request, each with the hash of the wire format for its models alone,
/// excluding properties that only other pages have.
fn add_pages(entry: &mut Value, bodies: &Bodies, property: &str, pages: &[Page<'_>]) {
    let names = |page: &Page<'_>| -> BTreeSet<String> {
        members(&page.schema["properties"])
            .map(|(name, _)| name.clone())
            .collect()
    };
    let all: BTreeSet<String> = pages.iter().flat_map(names).collect();
    let (mut mapping, mut hashes) = (Map::new(), Map::new());
    for page in pages {
        for name in all.difference(&names(page)) {
            entry["$defs"][page.component]["properties"][name] = json!(false);
        }
        let reference = child("#/$defs", page.component);
        let sha256 = hash(
            entry,
            bodies,
            &json!({"application/json": {"$ref": reference}}),
        );
        for model in &page.models {
            mapping.insert((*model).to_owned(), json!(reference));
            hashes.insert((*model).to_owned(), json!(sha256));
        }
    }
    entry["request"]["sha256"] = Value::Object(hashes);
    entry["request"]["content"]["application/json"]["discriminator"] =
        json!({"propertyName": property, "mapping": mapping});
}

/// Hashes the wire format: method, path, security and the schemas of the bodies;
/// `request_content` is that of the request. Documentation, our own names, other pages, and
/// whether a schema is inline or a component don't affect the hash.
fn hash(entry: &Value, bodies: &Bodies, request_content: &Value) -> String {
    let content = |content: &Value| -> Value {
        members(content)
            .map(|(media_type, schema)| (media_type.clone(), json!(bodies.of(schema))))
            .collect()
    };
    let responses: Value = members(&entry["responses"])
        .map(|(status, response)| (status.clone(), content(&response["content"])))
        .collect();
    let mut travels = json!({
        "method": entry["method"],
        "path": entry["path"],
        "security": schemes(&entry["security"]),
        "responses": responses,
    });
    if let Some(request) = entry.get("request") {
        travels["request"] = json!({
            "required": request["required"],
            "content": content(request_content),
        });
    }
    digest(travels)
}

/// Hashes of schemas that cover only the wire format.
#[derive(Default)]
struct Bodies {
    /// The hashes of definitions, by reference.
    definitions: BTreeMap<String, String>,
}

impl Bodies {
    fn new(definitions: &Value) -> Self {
        let mut bodies = Self::default();
        // Each round resolves one more level of references. Without cycles, this reaches a
        // fixed point.
        for _ in members(definitions) {
            let next: BTreeMap<String, String> = members(definitions)
                .map(|(name, schema)| (child("#/$defs", name), bodies.of(schema)))
                .collect();
            if next == bodies.definitions {
                break;
            }
            bodies.definitions = next;
        }
        bodies
    }

    fn of(&self, schema: &Value) -> String {
        if !schema.is_object() {
            return digest(schema.clone());
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            return self.definitions.get(reference).cloned().unwrap_or_default();
        }
        let mut travels = Map::new();
        let mut is_nullable = false;
        for (name, value) in members(schema) {
            let value = match name.as_str() {
                "title" | "description" | "default" | "example" | "examples" | "deprecated"
                | "readOnly" | "writeOnly" | "discriminator" => continue,
                name if name.starts_with("x-") => continue,
                "additionalProperties" if matches!(value, Value::Bool(true)) => continue,
                "additionalProperties" if value == &json!({}) => continue,
                "uniqueItems" if value == &json!(false) => continue,
                "required" if value == &json!([]) => continue,
                "items" | "not" | "additionalProperties" => json!(self.of(value)),
                "allOf" | "anyOf" | "oneOf" => {
                    let mut branches = items(value).to_vec();
                    if name == "anyOf" {
                        let before = branches.len();
                        branches.retain(|branch| *branch != json!({"type": "null"}));
                        is_nullable |= branches.len() < before;
                    }
                    sorted(branches.iter().map(|branch| json!(self.of(branch))))
                }
                // `false` marks a property that only other pages have.
                "properties" => members(value)
                    .filter(|(_, inner)| **inner != json!(false))
                    .map(|(name, inner)| (name.clone(), json!(self.of(inner))))
                    .collect(),
                "type" => match value.as_array() {
                    Some(types) => {
                        is_nullable |= types.contains(&json!("null"));
                        let mut others = types.iter().filter(|name| **name != json!("null"));
                        others.next().cloned().unwrap_or_default()
                    }
                    None => value.clone(),
                },
                "enum" | "required" => sorted(items(value).iter().map(one_spelling)),
                _ => one_spelling(value),
            };
            travels.insert(name.clone(), value);
        }
        // A single part is equivalent to the schema itself.
        let only = match (travels.len(), travels.iter().next()) {
            (1, Some((name, Value::Array(parts)))) if name.ends_with("Of") => match &parts[..] {
                [Value::String(only)] => Some(only.clone()),
                _ => None,
            },
            _ => None,
        };
        let hash = only.unwrap_or_else(|| digest(Value::Object(travels)));
        if is_nullable {
            digest(json!({"nullable": hash}))
        } else {
            hash
        }
    }
}

/// Security as it affects requests: each alternative is a set of schemes.
fn schemes(security: &Value) -> Value {
    sorted(items(security).iter().map(|requirement| {
        sorted(members(requirement).map(|(_, scheme)| {
            members(scheme)
                .filter(|(name, _)| ["type", "scheme", "in", "name"].contains(&name.as_str()))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        }))
    }))
}

/// Sorts a list whose order has no meaning.
fn sorted(values: impl Iterator<Item = Value>) -> Value {
    let mut values: Vec<Value> = values.collect();
    values.sort_by_cached_key(Value::to_string);
    Value::Array(values)
}

/// A canonical form of a number: `1.0` becomes `1`.
fn one_spelling(value: &Value) -> Value {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "only what the cast keeps is taken"
    )]
    match value.as_f64() {
        Some(number) if value.is_f64() && (number as i64) as f64 == number => {
            json!(number as i64)
        }
        _ => value.clone(),
    }
}

fn digest(mut value: Value) -> String {
    value.sort_all_objects();
    format!("{:x}", Sha256::digest(value.to_string().as_bytes()))
}

fn security(effective: &Value, operation: &Value) -> Value {
    let requirements = match &operation["security"] {
        Value::Null => &effective["security"],
        own => own,
    };
    let schemes = &effective["components"]["securitySchemes"];
    items(requirements)
        .iter()
        .map(|requirement| {
            members(requirement)
                .map(|(name, _)| (name.clone(), schemes[name].clone()))
                .collect::<Value>()
        })
        .collect()
}

fn responses(effective: &Value, operation: &Value) -> Value {
    members(&operation["responses"])
        .map(|(status, response)| {
            let (response, _) = resolved(effective, response, "");
            let content = content(&response["content"]);
            (status.clone(), json!({"content": content}))
        })
        .collect()
}

fn content(content: &Value) -> Value {
    members(content)
        .map(|(media_type, body)| (media_type.clone(), schema(&body["schema"])))
        .collect()
}

/// The translated schemas that an operation reaches.
pub(crate) fn definitions(effective: &Value, operation: &Value, at: &str) -> Value {
    let mut found = BTreeMap::new();
    let mut waiting = vec![(operation, at.to_owned())];
    while let Some((value, at)) = waiting.pop() {
        prune::references(value, &at, &mut |_, reference| {
            if let Some(pointer) = reference.strip_prefix('#')
                && let Some(target) = effective.pointer(pointer)
                && found.insert(reference.to_owned(), target).is_none()
            {
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

/// Translates an OpenAPI 3.0 schema to JSON Schema 2020-12.
#[must_use]
pub(crate) fn schema(openapi: &Value) -> Value {
    // A missing schema has no members and allows any value.
    let mut translated = Map::new();
    for (name, value) in members(openapi) {
        let value = match name.as_str() {
            "$ref" => {
                let name = value.as_str().and_then(component_name).unwrap_or_default();
                json!(child("#/$defs", name))
            }
            "items" | "not" => schema(value),
            "additionalProperties" if value.is_object() => schema(value),
            "allOf" | "anyOf" | "oneOf" => items(value).iter().map(schema).collect(),
            "properties" => members(value)
                .map(|(name, inner)| (name.clone(), schema(inner)))
                .collect(),
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
        if openapi[flag] == json!(true)
            && let Some(value) = translated.remove(bound)
        {
            translated.insert(flag.to_owned(), value);
        }
    }
    if openapi["nullable"] == json!(true) {
        return nullable(translated);
    }
    Value::Object(translated)
}

/// Allows null. As OpenAPI 3.0.3 says, an `enum` still has to list null explicitly if there
/// is a `type`.
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
    use crate::table::{self, pairs};

    /// The hash of an operation whose request has the property `p`.
    fn hash_of(property: Value) -> String {
        hash_with(property, &mut |_| {})
    }

    fn hash_with(property: Value, change: &mut dyn FnMut(&mut Value)) -> String {
        let request = json!({"type": "object", "required": ["p"], "properties": {"p": property}});
        let content = json!({"application/json": {"schema": request}});
        let mut document = json!({
            "paths": {"/x": {"post": {
                "operationId": "makeThing",
                "security": [{"key": []}],
                "requestBody": {"required": true, "content": content},
                "responses": {"200": {"description": "OK", "content": content}}
            }}},
            "components": {
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
                "schemas": {
                    "Word": {"type": "string", "maxLength": 9},
                    "Tree": {"type": "object", "properties": {
                        "branches": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
                        "word": {"$ref": "#/components/schemas/Word"}
                    }}
                }
            }
        });
        change(&mut document);
        contract(&document)["operations"][0]["sha256"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn hash_ignores_documentation_and_names() {
        let word = json!({"type": "string", "maxLength": 9});
        let same = hash_of(word);
        for property in [
            json!({
                "type": "string", "maxLength": 9.0, "title": "T", "description": "d",
                "default": "a", "example": "b", "deprecated": true, "x-note": 1
            }),
            // Whether a schema is a component doesn't affect the wire format.
            json!({"$ref": "#/components/schemas/Word"}),
            json!({"allOf": [{"$ref": "#/components/schemas/Word"}]}),
        ] {
            assert_eq!(hash_of(property.clone()), same, "{property}");
        }
        let nullable = json!({"type": "string", "maxLength": 9, "nullable": true});
        let component = json!({"allOf": [{"$ref": "#/components/schemas/Word"}], "nullable": true});
        assert_eq!(hash_of(nullable), hash_of(component));
        let order = |values: Value| hash_of(json!({"type": "string", "enum": values}));
        assert_eq!(order(json!(["a", "b"])), order(json!(["b", "a"])));
        let word = json!({"$ref": "#/components/schemas/Word"});
        let renamed = hash_with(word, &mut |document| {
            let post = &mut document["paths"]["/x"]["post"];
            post["operationId"] = json!("other");
            post["summary"] = json!("s");
            post["responses"]["200"]["description"] = json!("fine");
            document["components"]["securitySchemes"]["key"]["description"] = json!("d");
            document["info"] = json!({"title": "t"});
        });
        assert_eq!(renamed, same);
    }

    #[test]
    fn hash_covers_everything_on_the_wire() {
        let tree = || json!({"$ref": "#/components/schemas/Tree"});
        let mut hashes = vec![
            hash_of(json!({"type": "string", "maxLength": 9})),
            hash_of(json!({"type": "string", "maxLength": 8})),
            hash_of(json!({"type": "string", "maxLength": 9, "nullable": true})),
            hash_of(json!({"type": "string", "maxLength": 9, "format": "uri"})),
            hash_of(json!({"type": "string", "enum": ["a"]})),
            hash_of(json!({"type": "string", "enum": ["a", "b"]})),
            hash_of(json!({"type": "array", "items": {"type": "string"}})),
            hash_of(json!({"anyOf": [{"type": "string"}, {"type": "integer"}]})),
            hash_of(json!({"type": "object", "properties": {"title": {"type": "string"}}})),
            hash_of(json!({"type": "object", "properties": {"default": {"type": "string"}}})),
            hash_of(tree()),
        ];
        let word = || json!({"type": "string", "maxLength": 9});
        type Change = fn(&mut Value);
        let changes: [(Value, Change); 8] = [
            // Behind two references, one of them recursive.
            (tree(), |document| {
                document["components"]["schemas"]["Word"]["maxLength"] = json!(7);
            }),
            (word(), |document| {
                let scheme = &mut document["components"]["securitySchemes"]["key"];
                *scheme = json!({"type": "apiKey", "in": "header", "name": "k"});
            }),
            (word(), |document| {
                document["paths"]["/x"]["post"]["security"] = json!([]);
            }),
            (word(), |document| {
                document["paths"]["/x"]["post"]["requestBody"]["required"] = json!(false);
            }),
            (word(), |document| {
                let operation = document["paths"]["/x"]["post"].take();
                document["paths"] = json!({"/x": {"put": operation}});
            }),
            (word(), |document| {
                let item = document["paths"]["/x"].take();
                document["paths"] = json!({"/y": item});
            }),
            (word(), |document| {
                let responses = &mut document["paths"]["/x"]["post"]["responses"];
                responses["400"] = json!({"description": "wrong"});
            }),
            (word(), |document| {
                let post = &mut document["paths"]["/x"]["post"];
                post["requestBody"]["content"]["application/json"]["schema"]["required"] =
                    json!([]);
            }),
        ];
        for (property, mut change) in changes {
            hashes.push(hash_with(property, &mut change));
        }
        let count = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }

    #[test]
    fn translates_openapi_to_json_schema() {
        let cases = r##"
{"type": "string", "nullable": true}
    {"type": ["string", "null"]}
{"allOf": [{"$ref": "#/components/schemas/A"}], "nullable": true}
    {"anyOf": [{"allOf": [{"$ref": "#/$defs/A"}]}, {"type": "null"}]}
{"minimum": 1, "exclusiveMinimum": true, "maximum": 2, "exclusiveMaximum": false}
    {"exclusiveMinimum": 1, "maximum": 2}
{"items": {"nullable": true, "type": "integer"}, "x-open-map": true, "x-other": 1, "example": 1}
    {"items": {"type": ["integer", "null"]}, "x-open-map": true}
# A property may be named like a keyword.
{"properties": {"nullable": {"type": "string"}, "example": {}}}
    {"properties": {"nullable": {"type": "string"}, "example": {}}}
"##;
        for (openapi, expected) in pairs(cases) {
            assert_eq!(schema(&table::json(openapi)), table::json(expected));
        }
    }
}
