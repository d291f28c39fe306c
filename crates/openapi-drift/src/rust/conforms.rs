//! Whether a default is a value of its schema.

use crate::{
    document::resolve,
    document::{Id, Kind, Tree},
    schema::keyword,
};

/// How deep a schema is followed; what is deeper is taken to conform.
const DEEPEST: usize = 64;

/// Whether a value is one that a schema allows. Patterns and formats are not
/// looked at, nor whether items are unique.
pub(super) fn conforms(tree: &Tree, schema: Id, value: Id) -> bool {
    within(tree, schema, value, 0)
}

fn within(tree: &Tree, schema: Id, value: Id, depth: usize) -> bool {
    let Ok(schema) = resolve(tree, schema) else {
        return false;
    };
    if depth > DEEPEST {
        return true;
    }
    let flag = |name: &str| {
        keyword(tree, schema, name).is_some_and(|flag| tree.boolean(flag) == Some(true))
    };
    let kind = tree.get(schema, "type");
    let is_typed = match kind.map(|kind| tree.kind(kind)) {
        Some(Kind::String(name)) => is_of(tree, value, name),
        Some(Kind::Array(names)) => names.iter().any(|name| {
            tree.string(*name)
                .is_some_and(|name| is_of(tree, value, name))
        }),
        _ => true,
    };
    if matches!(tree.kind(value), Kind::Null) && flag("nullable") {
        return true;
    }
    let inner = |schema: Id, value: Id| within(tree, schema, value, depth + 1);
    let list = |name: &str| keyword(tree, schema, name).and_then(|list| tree.array(list));
    let count = |name: &str, keep: &dyn Fn(&Id) -> bool| {
        list(name).map(|all| all.iter().filter(|one| keep(one)).count())
    };
    let text = |id: Id| tree.canonical_text(id);
    let is_listed = list("enum").is_none_or(|values| {
        let wanted = text(value);
        values.iter().any(|one| text(*one) == wanted)
    });
    let fits = |one: &Id| inner(*one, value);
    let is_united = list("allOf").is_none_or(|all| all.iter().all(fits))
        && count("anyOf", &fits).is_none_or(|count| count > 0)
        && count("oneOf", &fits).is_none_or(|count| count == 1);
    let is_not = keyword(tree, schema, "not").is_some_and(|not| inner(not, value));
    is_typed
        && is_listed
        && is_united
        && !is_not
        && limits(tree, schema, value)
        && members(tree, schema, value, &inner)
}

fn is_of(tree: &Tree, value: Id, kind: &str) -> bool {
    match tree.kind(value) {
        Kind::Null => kind == "null",
        Kind::Boolean(_) => kind == "boolean",
        Kind::Number(number) => kind == "number" || (kind == "integer" && number.is_integer()),
        Kind::String(_) => kind == "string",
        Kind::Array(_) => kind == "array",
        Kind::Object(_) => kind == "object",
    }
}

fn limits(tree: &Tree, schema: Id, value: Id) -> bool {
    let limit = |name: &str| keyword(tree, schema, name).and_then(|limit| tree.number(limit));
    let flag = |name: &str| {
        keyword(tree, schema, name).is_some_and(|flag| tree.boolean(flag) == Some(true))
    };
    let is_between = |length: usize, least: &str, most: &str| {
        let length = length as f64;
        limit(least).is_none_or(|least| length >= least.to_f64())
            && limit(most).is_none_or(|most| length <= most.to_f64())
    };
    match tree.kind(value) {
        Kind::Number(number) => {
            let is_above = limit("minimum").is_none_or(|least| {
                number > least || (number == least && !flag("exclusiveMinimum"))
            });
            let is_below = limit("maximum")
                .is_none_or(|most| number < most || (number == most && !flag("exclusiveMaximum")));
            is_above
                && is_below
                && limit("multipleOf").is_none_or(|step| number.is_multiple_of(step))
        }
        Kind::String(text) => is_between(text.chars().count(), "minLength", "maxLength"),
        Kind::Array(items) => is_between(items.len(), "minItems", "maxItems"),
        Kind::Object(members) => is_between(members.len(), "minProperties", "maxProperties"),
        _ => true,
    }
}

/// Items and members.
fn members(tree: &Tree, schema: Id, value: Id, inner: &dyn Fn(Id, Id) -> bool) -> bool {
    match tree.kind(value) {
        Kind::Array(items) => match keyword(tree, schema, "items") {
            Some(schema) => items.iter().all(|item| inner(schema, *item)),
            None => true,
        },
        Kind::Object(members) => {
            let required = keyword(tree, schema, "required").and_then(|names| tree.array(names));
            let mut required = required
                .into_iter()
                .flatten()
                .filter_map(|name| tree.string(*name));
            let properties = keyword(tree, schema, "properties");
            let others = keyword(tree, schema, "additionalProperties");
            required.all(|name| members.contains_key(name))
                && members.iter().all(|(name, member)| {
                    let property = properties.and_then(|all| tree.get(all, name));
                    match (property, others) {
                        (Some(property), _) => inner(property, *member),
                        (None, Some(others)) => match tree.boolean(others) {
                            Some(is_allowed) => is_allowed,
                            None => inner(others, *member),
                        },
                        (None, None) => true,
                    }
                })
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_judged_as_json_schema_does() {
        for (schema, value, expected) in [
            (
                r#"{"type": "integer", "minimum": 1, "maximum": 4}"#,
                "4",
                true,
            ),
            (
                r#"{"type": "integer", "minimum": 1, "maximum": 4}"#,
                "5",
                false,
            ),
            (r#"{"maximum": 4, "exclusiveMaximum": true}"#, "4.0", false),
            (r#"{"type": "integer"}"#, "1.5", false),
            (r#"{"type": "string", "nullable": true}"#, "null", true),
            (r#"{"type": "string"}"#, "null", false),
            (r#"{"type": ["string", "null"]}"#, "null", true),
            (r#"{"enum": ["a", 1]}"#, "1.0", true),
            (r#"{"enum": ["a"]}"#, "\"b\"", false),
            (r#"{"maxLength": 1}"#, "\"é\"", true),
            (r#"{"maxLength": 1}"#, "\"ab\"", false),
            (
                r#"{"items": {"type": "string"}, "minItems": 1}"#,
                "[]",
                false,
            ),
            (r#"{"items": {"type": "string"}}"#, "[1]", false),
            (r#"{"required": ["a"]}"#, "{}", false),
            (
                r#"{"properties": {"a": {"type": "string"}}}"#,
                "{\"a\": 1}",
                false,
            ),
            (r#"{"additionalProperties": false}"#, "{\"a\": 1}", false),
            (r#"{"oneOf": [{"type": "string"}, {}]}"#, "\"a\"", false),
            (r#"{"anyOf": [{"type": "string"}, {}]}"#, "\"a\"", true),
            (r#"{"not": {}}"#, "1", false),
            (r##"{"$ref": "#/value"}"##, "{}", true),
            (r##"{"$ref": "#/none"}"##, "1", false),
        ] {
            let text = format!("{{\"schema\": {schema}, \"value\": {value}}}");
            let tree = Tree::parse(&text).unwrap();
            let at = |pointer: &str| tree.at(pointer).unwrap();
            assert_eq!(
                conforms(&tree, at("/schema"), at("/value")),
                expected,
                "{text}"
            );
        }
    }
}
