//! Schemas that the generators don't support.

use serde_json::{Map, Value, json};

use super::parts::{self, TYPES};
use crate::{
    contract,
    json::{array, child, each_schema, short},
    limits::contradiction,
    names,
    problem::Found,
};

/// Checks the schemas of a document.
pub(super) fn check(document: &Value, found: &mut Found<'_>) {
    each_schema(document, &mut |schema, at| {
        let Some(members) = schema.as_object() else {
            found.add(
                at,
                format!(
                    "expected a schema, which is an object, found {}",
                    short(schema)
                ),
                "correct it with an overlay",
            );
            return;
        };
        keywords(members, at, found);
        enumeration(members, at, found);
        enum_names(schema, at, found);
        if let Some((keyword, message)) = contradiction(members) {
            found.add(
                &child(at, keyword),
                format!("{message}, so no value is allowed"),
                "correct the limits with an overlay",
            );
        }
        parts::check(document, schema, at, found);
        values(document, schema, members, at, found);
    });
}

/// Rejects keywords of other dialects, and values of the wrong type.
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
            "not" => Some("nothing: no Rust type can exclude values"),
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
        // A branch of a union may only list which properties of its parent are required.
        let is_branch = members.keys().all(|key| key == "required");
        if !is_property && !is_branch {
            found.add(
                &child(at, "required"),
                format!("requires {}, which is not a property", short(name)),
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
                format!("expected a value of type {kind}, found {}", short(value)),
                "correct the values or the type with an overlay",
            );
        }
    }
}

/// Our names for enum values must be valid, and the values must exist.
fn enum_names(schema: &Value, at: &str, found: &mut Found<'_>) {
    let Some(ours) = schema.get(names::ENUM_NAMES) else {
        return;
    };
    let at = child(at, names::ENUM_NAMES);
    let values = schema["enum"].as_array();
    let (Some(ours), Some(values)) = (ours.as_object(), values) else {
        found.add(
            &at,
            format!(
                "expected an object with a name for each of some values of the enum beside it, \
                 found {}",
                short(ours)
            ),
            "write it as {\"16:9\": \"Landscape16x9\"}, beside the enum",
        );
        return;
    };
    for (value, name) in ours {
        let at = child(&at, value);
        if !values.iter().any(|other| other == value.as_str()) {
            found.add(
                &at,
                format!("names {value:?}, which is not a value of the enum"),
                "the provider has changed the values: adapt the overlay",
            );
        } else if !name.as_str().is_some_and(names::is_variant_name) {
            found.add(
                &at,
                format!("{} is not a name that a Rust variant may have", short(name)),
                "write an upper camel case name such as Landscape16x9",
            );
        }
    }
}

/// Rejects defaults and enum values that the rest of the schema does not allow.
fn values(
    document: &Value,
    schema: &Value,
    members: &Map<String, Value>,
    at: &str,
    found: &mut Found<'_>,
) {
    const LIMITS: [&str; 7] = [
        "minLength",
        "maxLength",
        "pattern",
        "minimum",
        "maximum",
        "multipleOf",
        "allOf",
    ];
    let default = members.get("default");
    let values = array(members, "enum");
    let is_limited = LIMITS.iter().any(|limit| members.contains_key(*limit));
    let has_limited_enum = !values.is_empty() && is_limited;
    // Most defaults have a plain type, which can be checked without a validator.
    let is_plain = default.is_none_or(|default| {
        let is_value = values.is_empty() || values.contains(default);
        let of_type = match members.get("type").and_then(Value::as_str) {
            Some("string") => default.is_string(),
            Some("boolean") => default.is_boolean(),
            _ => false,
        };
        is_value && of_type && !is_limited
    });
    if is_plain && !has_limited_enum {
        return;
    }
    let mut translated = contract::schema(schema);
    if let Some(members) = translated.as_object_mut() {
        members.remove("default");
        if has_limited_enum && is_plain {
            members.remove("enum");
        }
    }
    let definitions = contract::definitions(document, schema, at);
    if definitions.as_object().is_some_and(|all| !all.is_empty()) {
        translated["$defs"] = definitions;
    }
    let validator = match jsonschema::draft202012::new(&translated) {
        Ok(validator) => validator,
        Err(error) => {
            found.add(
                at,
                format!("the schema cannot be compiled: {error}"),
                "correct the schema with an overlay",
            );
            return;
        }
    };
    if let Some(default) = default
        && let Err(error) = validator.validate(default)
    {
        found.add(
            &child(at, "default"),
            format!("the default does not conform to its own schema: {error}"),
            "remove the default with an overlay, or correct the schema",
        );
    }
    let values = if has_limited_enum { values } else { &[] };
    for (index, value) in values.iter().enumerate() {
        if let Err(error) = validator.validate(value) {
            found.add(
                &child(&child(at, "enum"), &index.to_string()),
                format!("the value does not conform to the schema beside it: {error}"),
                "correct the values or the limits with an overlay",
            );
        }
    }
}
