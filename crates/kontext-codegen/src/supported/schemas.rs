//! Schemas that the generators can't take.

use std::collections::{BTreeMap, BTreeSet};

use heck::ToSnakeCase as _;
use serde_json::{Map, Value, json};

use super::Found;
use crate::{
    contract,
    json::{
        array, child, component_name, each_child, each_operation, each_schema_mut, same, short,
    },
};

/// What says nothing of which values are allowed.
const ANNOTATIONS: [&str; 9] = [
    "title",
    "description",
    "default",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    "externalDocs",
    "xml",
];

const TYPES: [&str; 6] = ["string", "number", "integer", "boolean", "array", "object"];

/// Finds what is wrong with the schemas of a document.
pub(super) fn check(document: &Value, found: &mut Found<'_>) {
    // The one walker over all schemas changes in place; this is a look only.
    let mut copy = document.clone();
    let mut schemas = Vec::new();
    each_schema_mut(&mut copy, &mut |schema, at| {
        schemas.push((at.to_owned(), schema.clone()));
    });
    for (at, schema) in &schemas {
        let Some(members) = schema.as_object() else {
            found.add(
                at,
                format!(
                    "expected a schema, which is an object, found {}",
                    short(schema)
                ),
                "correct it with an overlay",
            );
            continue;
        };
        keywords(members, at, found);
        properties(members, at, found);
        enumeration(members, at, found);
        default(document, schema, members, at, found);
    }
    each_operation(document, &mut |_, _, operation, at| {
        let at = child(&at, "requestBody");
        Requests {
            document,
            found,
            seen: BTreeSet::new(),
        }
        .body(&operation["requestBody"], &at);
    });
}

/// Keywords of other dialects, and values of the wrong type.
fn keywords(members: &Map<String, Value>, at: &str, found: &mut Found<'_>) {
    for (name, value) in members {
        let at = child(at, name);
        let expected = match name.as_str() {
            "type" => match value {
                Value::String(name) if TYPES.contains(&name.as_str()) => None,
                Value::Array(_) => Some("one type; several are a union, which is anyOf"),
                _ => Some("one of string, number, integer, boolean, array, object"),
            },
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties" => (!value.is_u64()).then_some("a whole number from 0"),
            "minimum" | "maximum" => (!value.is_number()).then_some("a number"),
            "multipleOf" => {
                (!value.as_f64().is_some_and(|v| v > 0.0)).then_some("a number above 0")
            }
            "nullable" | "uniqueItems" | "deprecated" | "readOnly" | "writeOnly" => {
                (!value.is_boolean()).then_some("true or false")
            }
            "exclusiveMinimum" | "exclusiveMaximum" => {
                (!value.is_boolean()).then_some("true or false, as in OpenAPI 3.0")
            }
            "title" | "description" | "format" | "pattern" | "$ref" => {
                (!value.is_string()).then_some("a string")
            }
            "properties" => (!value.is_object()).then_some("an object"),
            "items" => (!value.is_object()).then_some("one schema for all items"),
            "additionalProperties" => {
                (!(value.is_object() || value.is_boolean())).then_some("a schema, true or false")
            }
            "required" => {
                let is_list = value
                    .as_array()
                    .is_some_and(|names| names.iter().all(Value::is_string));
                (!is_list).then_some("a list of names")
            }
            "enum" => value
                .as_array()
                .is_none_or(Vec::is_empty)
                .then_some("a list that is not empty"),
            "allOf" | "anyOf" | "oneOf" => value
                .as_array()
                .is_none_or(Vec::is_empty)
                .then_some("a list of schemas that is not empty"),
            "default" | "example" | "discriminator" | "xml" | "externalDocs" => None,
            "not" => Some("nothing: no Rust type can leave values out"),
            name if name.starts_with("x-") => None,
            _ => Some("nothing: OpenAPI 3.0 has no such keyword"),
        };
        if let Some(expected) = expected {
            found.add(
                &at,
                format!("expected {expected}, found {}", short(value)),
                "correct it with an overlay",
            );
        }
    }
    if members.contains_key("anyOf") && members.contains_key("oneOf") {
        found.add(
            at,
            "anyOf beside oneOf, which no generator takes",
            "keep one of the two with an overlay",
        );
    }
    let properties = members.get("properties").and_then(Value::as_object);
    for name in array(members, "required") {
        let is_property = name
            .as_str()
            .is_some_and(|name| properties.is_some_and(|all| all.contains_key(name)));
        // Branches of a union may only say which of the properties beside it
        // are required.
        let is_branch = members.keys().all(|key| key == "required");
        if !is_property && !is_branch {
            found.add(
                &child(at, "required"),
                format!("requires {}, which is no property", short(name)),
                "correct the list or add the property with an overlay",
            );
        }
    }
    if members.get("type") == Some(&json!("array")) && !members.contains_key("items") {
        found.add(
            at,
            "a list without items, so there is no type for its items",
            "add items with an overlay",
        );
    }
}

/// Two properties must not become one Rust field.
fn properties(members: &Map<String, Value>, at: &str, found: &mut Found<'_>) {
    let properties = members.get("properties").and_then(Value::as_object);
    let mut fields: BTreeMap<String, &str> = BTreeMap::new();
    for name in properties.into_iter().flatten().map(|(name, _)| name) {
        let field = name.to_snake_case();
        if field.is_empty() {
            found.add(
                &child(&child(at, "properties"), name),
                format!("{name:?} gives no name for a Rust field"),
                "remove the property with an overlay, if it is optional",
            );
        } else if let Some(other) = fields.insert(field.clone(), name) {
            found.add(
                &child(&child(at, "properties"), name),
                format!("{name:?} and {other:?} both give the Rust field {field}"),
                "remove one of them with an overlay",
            );
        }
    }
}

fn enumeration(members: &Map<String, Value>, at: &str, found: &mut Found<'_>) {
    let Some(kind) = members.get("type").and_then(Value::as_str) else {
        return;
    };
    for (index, value) in array(members, "enum").iter().enumerate() {
        let fits = match kind {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            _ => true,
        };
        let is_null = value.is_null() && members.get("nullable") == Some(&json!(true));
        if !fits && !is_null {
            found.add(
                &child(&child(at, "enum"), &index.to_string()),
                format!("{} is no {kind}", short(value)),
                "correct the values or the type with an overlay",
            );
        }
    }
}

/// A default must be a value that the schema allows.
fn default(
    document: &Value,
    schema: &Value,
    members: &Map<String, Value>,
    at: &str,
    found: &mut Found<'_>,
) {
    let Some(default) = members.get("default") else {
        return;
    };
    let mut translated = contract::schema(schema);
    if translated.to_string().contains("\"$ref\"") {
        let components = document["components"]["schemas"].as_object();
        translated["$defs"] = components
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.clone(), contract::schema(schema)))
            .collect();
    }
    let at = child(at, "default");
    match jsonschema::draft202012::new(&translated) {
        Ok(validator) => {
            if let Err(error) = validator.validate(default) {
                found.add(
                    &at,
                    format!("the default does not conform to its own schema: {error}"),
                    "remove the default with an overlay, or correct the schema",
                );
            }
        }
        Err(error) => found.add(
            &at,
            format!("the default cannot be checked: {error}"),
            "correct the schema with an overlay",
        ),
    }
}

/// What can't be taken in a request, where every limit has to be checked.
struct Requests<'a, 'f, 'p> {
    document: &'a Value,
    found: &'f mut Found<'p>,
    seen: BTreeSet<String>,
}

impl<'a> Requests<'a, '_, '_> {
    fn body(&mut self, body: &'a Value, at: &str) {
        let pointer = body["$ref"]
            .as_str()
            .and_then(|text| text.strip_prefix('#'));
        let (body, at) = match pointer.and_then(|at| Some((self.document.pointer(at)?, at))) {
            Some((body, at)) => (body, at.to_owned()),
            None => (body, at.to_owned()),
        };
        for (media_type, content) in body["content"].as_object().into_iter().flatten() {
            let at = child(&child(&child(&at, "content"), media_type), "schema");
            let schema = &content["schema"];
            if schema.is_null() {
                continue;
            }
            let meant = self.meant(schema);
            if meant["type"] != json!("object") || meant["nullable"] == json!(true) {
                self.found.add(
                    &at,
                    format!(
                        "the body of a request must be an object, found {}",
                        short(meant)
                    ),
                    "correct it with an overlay",
                );
            }
            self.schema(schema, &at);
        }
    }

    fn schema(&mut self, schema: &'a Value, at: &str) {
        if let Some(name) = schema["$ref"].as_str().and_then(component_name) {
            if self.seen.insert(name.to_owned()) {
                let target = &self.document["components"]["schemas"][name];
                self.schema(target, &child("/components/schemas", name));
            }
            return;
        }
        let Some(members) = schema.as_object() else {
            return;
        };
        for union in ["anyOf", "oneOf"] {
            self.union(array(members, union), &child(at, union));
        }
        self.limits_that_would_be_lost(members, at);
        let values = array(members, "enum");
        if !values.is_empty() && values.iter().all(Value::is_null) {
            self.found.add(
                &child(at, "enum"),
                "no value but null, which is not sent",
                "remove the property with an overlay",
            );
        }
        if members.contains_key("enum") && members.get("type") != Some(&json!("string")) {
            self.found.add(
                &child(at, "enum"),
                "only strings can be enumerated in a request",
                "write the values as minimum and maximum, or name their type, with an overlay",
            );
        }
        each_child(schema, at, &mut |inner, at| self.schema(inner, &at));
    }

    /// Limits are checked where a schema says its type and its limits in one
    /// place; whatever is said in another way would not be.
    fn limits_that_would_be_lost(&mut self, members: &Map<String, Value>, at: &str) {
        let says_more = |allowed: &[&str]| {
            members.keys().any(|key| {
                !allowed.contains(&key.as_str())
                    && !ANNOTATIONS.contains(&key.as_str())
                    && !key.starts_with("x-")
            })
        };
        if members.contains_key("allOf") {
            let is_reference = match array(members, "allOf") {
                [only] => only.get("$ref").is_some(),
                _ => false,
            };
            if !is_reference || says_more(&["allOf", "nullable"]) {
                self.found.add(
                    &child(at, "allOf"),
                    "a request of several parts, whose limits could not be checked before sending",
                    "write the parts as one schema with an overlay",
                );
            }
        } else if members.contains_key("anyOf") || members.contains_key("oneOf") {
            if says_more(&["anyOf", "oneOf", "nullable"]) {
                self.found.add(
                    at,
                    "limits beside a union, which could not be checked before sending",
                    "write them into the branches with an overlay",
                );
            }
        } else if !members.contains_key("type") && says_more(&["nullable"]) {
            self.found.add(
                at,
                "limits without a type, which could not be checked before sending",
                "add the type with an overlay",
            );
        }
    }

    /// The branches of a union must differ by type, or the check before
    /// sending and the person reading its message would have to guess.
    fn union(&mut self, branches: &'a [Value], at: &str) {
        let mut seen: Vec<&Value> = Vec::new();
        for (index, branch) in branches.iter().enumerate() {
            let kind = self.kind(branch);
            if kind.is_null() || seen.iter().any(|other| same(other, kind)) {
                self.found.add(
                    &child(at, &index.to_string()),
                    "the branches of a union in a request must have different types",
                    "keep one branch per type with an overlay",
                );
            }
            seen.push(kind);
        }
    }

    fn kind(&self, schema: &'a Value) -> &'a Value {
        &self.meant(schema)["type"]
    }

    /// What a reference means. There are no cycles: they were found first.
    fn meant(&self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str().and_then(component_name) {
            Some(name) => self.meant(&self.document["components"]["schemas"][name]),
            None => schema,
        }
    }
}
