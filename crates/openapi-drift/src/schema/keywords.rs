//! The keywords of OpenAPI 3.0 schemas, and their valid values.

use crate::document::{Id, Kind, Tree};

/// Whether a keyword constrains values; `None` if it is not supported.
fn constrains(keyword: &str) -> Option<bool> {
    Some(match keyword {
        "title" | "description" | "default" | "example" | "deprecated" | "externalDocs"
        | "discriminator" | "xml" => false,
        // JSON Schema keywords that have no effect here.
        "$schema" | "$id" | "$comment" | "$defs" | "definitions" | "examples"
        | "contentEncoding" | "contentMediaType" => false,
        "$ref" | "type" | "nullable" | "enum" | "format" | "pattern" | "minLength"
        | "maxLength" | "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum"
        | "multipleOf" | "minItems" | "maxItems" | "uniqueItems" | "items" | "minProperties"
        | "maxProperties" | "properties" | "required" | "allOf" | "anyOf" | "oneOf"
        | "readOnly" | "writeOnly" => true,
        "additionalProperties" => true,
        // Not a keyword of 3.0, but universally read as an enum of one value.
        "const" => true,
        _ if keyword.starts_with("x-") => false,
        _ => return None,
    })
}

/// Whether a keyword does not constrain values.
pub(crate) fn is_annotation(keyword: &str) -> bool {
    constrains(keyword) == Some(false)
}

/// Whether a keyword constrains values and is supported.
pub(crate) fn is_known(keyword: &str) -> bool {
    constrains(keyword) == Some(true)
}

/// Whether the value of a known keyword is valid. Invalid ones are ignored, and
/// changes to them can't be decided.
pub(crate) fn is_well_formed(tree: &Tree, keyword: &str, value: Id) -> bool {
    let kind = tree.kind(value);
    match keyword {
        "$ref" | "format" | "pattern" => matches!(kind, Kind::String(_)),
        "type" => match kind {
            Kind::String(_) => is_type(tree, value),
            Kind::Array(items) => {
                !items.is_empty() && items.iter().all(|item| is_type(tree, *item))
            }
            _ => false,
        },
        "nullable" | "uniqueItems" | "readOnly" | "writeOnly" => matches!(kind, Kind::Boolean(_)),
        // Numbers, as in current JSON Schema, are accepted too.
        "exclusiveMinimum" | "exclusiveMaximum" => {
            matches!(kind, Kind::Boolean(_) | Kind::Number(_))
        }
        "minimum" | "maximum" => matches!(kind, Kind::Number(_)),
        "multipleOf" => tree
            .number(value)
            .is_some_and(|number| *number > crate::document::Decimal::from_i128(0)),
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
            tree.number(value)
                .is_some_and(|number| number.to_i128().is_some_and(|whole| whole >= 0))
        }
        "items" | "properties" => matches!(kind, Kind::Object(_)),
        "additionalProperties" => matches!(kind, Kind::Boolean(_) | Kind::Object(_)),
        "required" => matches!(kind, Kind::Array(items)
            if items.iter().all(|item| tree.string(*item).is_some())),
        "enum" => matches!(kind, Kind::Array(_)),
        "allOf" | "anyOf" | "oneOf" => matches!(kind, Kind::Array(items) if !items.is_empty()),
        _ => true,
    }
}

fn is_type(tree: &Tree, value: Id) -> bool {
    matches!(
        tree.string(value),
        Some("null" | "boolean" | "integer" | "number" | "string" | "array" | "object")
    )
}

/// The value of a keyword that is present and valid.
pub(crate) fn keyword(tree: &Tree, schema: Id, name: &str) -> Option<Id> {
    tree.get(schema, name)
        .filter(|value| is_well_formed(tree, name, *value))
}
