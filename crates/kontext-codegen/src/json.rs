//! JSON helpers shared by several steps.

use serde_json::{Map, Value, json};

/// Extends a JSON pointer by one key or index, escaped per RFC 6901.
#[must_use]
pub fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The value as one line for messages, truncated.
#[must_use]
pub(crate) fn short(value: &Value) -> String {
    const LIMIT: usize = 120;
    let text = value.to_string();
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// Whether two JSON values are equal, with numbers compared by value: `1` equals `1.0`.
#[must_use]
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}

/// The HTTP methods of OpenAPI 3.0 path items, in the specification's order.
pub(crate) const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// Visits every operation of a document with its path, method and pointer.
pub fn each_operation<'a>(
    document: &'a Value,
    visit: &mut dyn FnMut(&'a str, &'a str, &'a Value, String),
) {
    for (path, item) in members(&document["paths"]) {
        let at = child("/paths", path);
        for (method, operation) in members(item) {
            let is_operation = METHODS.contains(&method.as_str());
            // Extensions hold no operations, even if a member is named after a method.
            if is_operation && !path.starts_with("x-") {
                visit(path, method, operation, child(&at, method));
            }
        }
    }
}

/// What a member holds when a document is walked from its root.
enum Member {
    Schema,
    /// The schemas under `components`.
    Schemas,
    /// Plain values that contain no schemas.
    Values,
    Other,
}

impl Member {
    fn of(parent: &str, name: &str) -> Self {
        match name {
            "schema" => Self::Schema,
            // Examples hold values, not schemas.
            "example" | "examples" => Self::Values,
            _ if name.starts_with("x-") => Self::Values,
            "schemas" if parent == "/components" => Self::Schemas,
            _ => Self::Other,
        }
    }
}

/// Defines the walks over schemas, shared and mutable, from one list of the places that
/// hold schemas.
macro_rules! walks {
    ($each_child:ident, $each_root_schema:ident, $each_schema:ident $(, $mut:tt)?) => {
        /// Visits the schemas in a schema, each with the JSON pointer to it.
        pub(crate) fn $each_child<'a>(
            schema: &'a $($mut)? Value,
            pointer: &str,
            visit: &mut dyn FnMut(&'a $($mut)? Value, String),
        ) {
            let Value::Object(members) = schema else {
                return;
            };
            for (name, inner) in members {
                let at = child(pointer, name);
                match (name.as_str(), inner) {
                    ("items" | "not" | "additionalProperties", inner @ Value::Object(_)) => {
                        visit(inner, at);
                    }
                    ("allOf" | "anyOf" | "oneOf", Value::Array(branches)) => {
                        for (index, inner) in branches.into_iter().enumerate() {
                            visit(inner, child(&at, &index.to_string()));
                        }
                    }
                    ("properties", Value::Object(properties)) => {
                        for (name, inner) in properties {
                            visit(inner, child(&at, name));
                        }
                    }
                    _ => {}
                }
            }
        }

        /// Visits the outermost schemas below a value of a document: those of components,
        /// parameters, headers, bodies and responses.
        pub(crate) fn $each_root_schema(
            value: &$($mut)? Value,
            pointer: &str,
            visit: &mut dyn FnMut(&$($mut)? Value, String),
        ) {
            match value {
                Value::Object(members) => {
                    for (name, member) in members {
                        let at = child(pointer, name);
                        match (Member::of(pointer, name), member) {
                            (Member::Schema, schema) => visit(schema, at),
                            (Member::Schemas, Value::Object(schemas)) => {
                                for (name, schema) in schemas {
                                    visit(schema, child(&at, name));
                                }
                            }
                            (Member::Other, member) => $each_root_schema(member, &at, visit),
                            (Member::Schemas | Member::Values, _) => {}
                        }
                    }
                }
                Value::Array(items) => {
                    for (index, item) in items.into_iter().enumerate() {
                        $each_root_schema(item, &child(pointer, &index.to_string()), visit);
                    }
                }
                _ => {}
            }
        }

        /// Visits every schema of a document, parents before children.
        pub(crate) fn $each_schema(
            document: &$($mut)? Value,
            visit: &mut dyn FnMut(&$($mut)? Value, &str),
        ) {
            fn descend(
                schema: &$($mut)? Value,
                at: &str,
                visit: &mut dyn FnMut(&$($mut)? Value, &str),
            ) {
                visit(schema, at);
                $each_child(schema, at, &mut |inner, at| descend(inner, &at, visit));
            }
            $each_root_schema(document, "", &mut |schema, at| descend(schema, &at, visit));
        }
    };
}

walks!(each_child, each_root_schema, each_schema);
walks!(each_child_mut, each_root_schema_mut, each_schema_mut, mut);

/// The array at a member, or an empty slice.
#[must_use]
pub fn array<'a>(object: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    object.get(name).map_or(&[], items)
}

/// The items of an array; none for any other value.
pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The members of an object; none for any other value.
pub(crate) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The target of a local reference.
#[must_use]
pub(crate) fn referenced<'a>(document: &'a Value, schema: &Value) -> Option<&'a Value> {
    Some(target(document, schema)?.0)
}

/// The target of a local reference, and its pointer.
fn target<'a>(document: &'a Value, value: &Value) -> Option<(&'a Value, String)> {
    let pointer = value.get("$ref")?.as_str()?.strip_prefix('#')?;
    Some((document.pointer(pointer)?, pointer.to_owned()))
}

/// A value, or the target if it is a reference, with its pointer.
pub(crate) fn resolved<'a>(document: &'a Value, value: &'a Value, at: &str) -> (&'a Value, String) {
    target(document, value).unwrap_or_else(|| (value, at.to_owned()))
}

/// The name of the component that a local reference points to.
#[must_use]
pub(crate) fn component_name(reference: &str) -> Option<&str> {
    reference.strip_prefix("#/components/schemas/")
}

/// A reference to a component. If `nullable`, it is wrapped in `allOf`, as OpenAPI 3.0
/// ignores siblings of `$ref`.
pub(crate) fn reference(name: &str, nullable: bool) -> Value {
    let reference = json!({"$ref": format!("#/components/schemas/{name}")});
    if nullable {
        json!({"allOf": [reference], "nullable": true})
    } else {
        reference
    }
}

/// The component that a schema refers to, directly or by a nullable reference.
pub(crate) fn component_of(schema: &Value) -> Option<&str> {
    let reference = match items(&schema["allOf"]) {
        [only] => only.get("$ref"),
        _ => schema.get("$ref"),
    };
    component_name(reference?.as_str()?)
}

/// Follows references, including nullable ones, to the schema they point to.
#[must_use]
pub fn follow<'a>(effective: &'a Value, schema: &'a Value) -> &'a Value {
    let target = |name| effective.pointer(&child("/components/schemas", name));
    match component_of(schema).and_then(target) {
        Some(target) => follow(effective, target),
        None => schema,
    }
}

/// Keywords that a Rust type does not express.
pub(crate) const LIMITS: [&str; 18] = [
    "default",
    "title",
    "example",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "readOnly",
    "writeOnly",
];

/// Whether a schema has named properties; an object without any is a map.
pub(crate) fn has_properties(schema: &Value) -> bool {
    let properties = schema["properties"].as_object();
    properties.is_some_and(|all| !all.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_escaped() {
        assert_eq!(child("/paths", "/v1/~x"), "/paths/~1v1~1~0x");
    }

    #[test]
    fn number_notation_is_no_difference() {
        assert!(same(&json!({"a": [1, 2]}), &json!({"a": [1.0, 2]})));
        assert!(!same(&json!({"a": 1}), &json!({"a": 2})));
        assert!(!same(&json!({"a": 1}), &json!({"a": 1, "b": 2})));
    }

    #[test]
    fn visits_every_schema_with_its_pointer() {
        let mut document = json!({
            "components": {"schemas": {"A": {"properties": {"schema": {"items": {"not": {}}}}}}},
            "paths": {"/x": {"get": {
                "parameters": [{"schema": {}, "example": {"schema": 1}}],
                "responses": {"200": {"content": {"a/b": {"schema": {"anyOf": [{}]}}}}}
            }}}
        });
        let mut seen = Vec::new();
        each_schema(&document, &mut |_, at| seen.push(at.to_owned()));
        seen.sort();
        let mut seen_mut = Vec::new();
        each_schema_mut(&mut document, &mut |_, at| seen_mut.push(at.to_owned()));
        seen_mut.sort();
        assert_eq!(seen, seen_mut);
        assert_eq!(
            seen,
            [
                "/components/schemas/A",
                "/components/schemas/A/properties/schema",
                "/components/schemas/A/properties/schema/items",
                "/components/schemas/A/properties/schema/items/not",
                "/paths/~1x/get/parameters/0/schema",
                "/paths/~1x/get/responses/200/content/a~1b/schema",
                "/paths/~1x/get/responses/200/content/a~1b/schema/anyOf/0",
            ]
        );
    }
}
