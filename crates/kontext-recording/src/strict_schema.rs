//! The schemas that recordings are validated against: a key that they do not name
//! disagrees.

use serde_json::{Map, Value};

/// Marks an object schema whose keys are data, not names.
pub const OPEN_MAP: &str = "x-open-map";

/// Keywords whose value is one schema, of the value at the same place. `not`
/// and `if` are left alone: closing them would turn their meaning around.
const SAME_PLACE: &[&str] = &["then", "else"];

/// Keywords whose value is a list of schemas, of the value at the same place.
const SAME_PLACE_LISTS: &[&str] = &["allOf", "anyOf", "oneOf"];

/// Keywords whose value is one schema, of the keys that nothing else names.
const FURTHER_KEYS: &[&str] = &["additionalProperties", "unevaluatedProperties"];

/// Keywords whose value is one schema, of a value inside.
const INSIDE: &[&str] = &["items", "unevaluatedItems", "contains"];

/// Keywords whose value is a map of schemas, of values inside.
const INSIDE_MAPS: &[&str] = &["properties", "patternProperties"];

/// Closes a complete schema: at every place of a document, a key that no
/// schema for that place names is refused.
///
/// `unevaluatedProperties` stands once per place, outside of unions, `allOf`
/// and references: it sees the keys that all of them together name, where
/// `additionalProperties` would refuse what a sibling names. Definitions and
/// the parts of unions are therefore not closed themselves, only what is
/// inside them. A schema with `x-open-map: true` names every key.
#[must_use]
pub fn strict_schema(schema: &Value) -> Value {
    let mut closed = match close_inside(schema) {
        Value::Object(keywords) => keywords,
        Value::Bool(true) => Map::new(),
        other => return other,
    };
    closed
        .entry("unevaluatedProperties")
        .or_insert(Value::Bool(false));
    Value::Object(closed)
}

/// Closes what is inside a place, but not the place itself.
fn close_inside(schema: &Value) -> Value {
    let Value::Object(keywords) = schema else {
        return schema.clone();
    };
    let open = keywords.get(OPEN_MAP) == Some(&Value::Bool(true));
    let mut closed = Map::new();
    for (keyword, value) in keywords {
        let name = keyword.as_str();
        let value = if FURTHER_KEYS.contains(&name) && says_nothing(value) {
            // "Any further key" is what a schema says by default: only the
            // mark opens it.
            continue;
        } else if FURTHER_KEYS.contains(&name) || INSIDE.contains(&name) {
            strict_schema(value)
        } else if INSIDE_MAPS.contains(&name) {
            each_member(value, strict_schema)
        } else if name == "prefixItems" {
            each_entry(value, strict_schema)
        } else if SAME_PLACE.contains(&name) {
            close_inside(value)
        } else if SAME_PLACE_LISTS.contains(&name) {
            each_entry(value, close_inside)
        } else if name == "$defs" || name == "dependentSchemas" {
            each_member(value, close_inside)
        } else {
            value.clone()
        };
        closed.insert(keyword.clone(), value);
    }
    if open {
        closed
            .entry("additionalProperties")
            .or_insert(Value::Bool(true));
    }
    Value::Object(closed)
}

/// Whether a schema allows everything.
fn says_nothing(schema: &Value) -> bool {
    schema == &Value::Bool(true) || schema.as_object().is_some_and(Map::is_empty)
}

fn each_member(value: &Value, close: fn(&Value) -> Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, schema)| (name.clone(), close(schema)))
            .collect(),
        other => other.clone(),
    }
}

fn each_entry(value: &Value, close: fn(&Value) -> Value) -> Value {
    match value {
        Value::Array(entries) => entries.iter().map(close).collect(),
        other => other.clone(),
    }
}
