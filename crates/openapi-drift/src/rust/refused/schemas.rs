//! Schemas that codegen takes not.

use std::collections::{BTreeSet, HashSet};

use crate::{
    document::resolve,
    document::{Id, Kind, Tree},
    rust::{
        client::{json_schema, operations},
        conforms::conforms,
        names::snake_case,
    },
    schema::is_annotation,
};

/// Why codegen refuses one of the schemas, if it does.
pub(super) fn refused(tree: &Tree, roots: &[Id]) -> Option<&'static str> {
    let mut seen = HashSet::new();
    let mut waiting = roots.to_vec();
    while let Some(node) = waiting.pop() {
        if seen.insert(node) {
            if let Some(why) = one(tree, node) {
                return Some(why);
            }
            waiting.extend(children(tree, node));
        }
    }
    requests(tree)
}

/// The schemas that a schema holds.
fn children(tree: &Tree, node: Id) -> Vec<Id> {
    let mut children = Vec::new();
    for keyword in ["items", "not", "additionalProperties"] {
        children.extend(
            tree.get(node, keyword)
                .filter(|id| tree.object(*id).is_some()),
        );
    }
    for keyword in ["allOf", "anyOf", "oneOf"] {
        children.extend(list(tree, node, keyword));
    }
    let properties = tree
        .get(node, "properties")
        .and_then(|all| tree.object(all));
    children.extend(
        properties
            .into_iter()
            .flatten()
            .map(|(_, property)| *property),
    );
    children
}

fn list<'a>(tree: &'a Tree, node: Id, keyword: &str) -> &'a [Id] {
    let list = tree.get(node, keyword).and_then(|list| tree.array(list));
    list.unwrap_or_default()
}

fn one(tree: &Tree, node: Id) -> Option<&'static str> {
    let Some(members) = tree.object(node) else {
        return Some("a schema that is no object");
    };
    if !members
        .iter()
        .all(|(name, value)| is_fine(tree, name, *value))
    {
        return Some("a keyword that OpenAPI 3.0 has not, or a value that it can't have");
    }
    if members.contains_key("anyOf") && members.contains_key("oneOf") {
        return Some("anyOf beside oneOf");
    }
    let properties = tree
        .get(node, "properties")
        .and_then(|all| tree.object(all));
    let is_branch = members.keys().all(|key| &**key == "required");
    for name in list(tree, node, "required")
        .iter()
        .filter_map(|name| tree.string(*name))
    {
        if !is_branch && !properties.is_some_and(|all| all.contains_key(name)) {
            return Some("a required member that is no property");
        }
    }
    let mut fields = BTreeSet::new();
    for name in properties
        .into_iter()
        .flatten()
        .map(|(name, _)| snake_case(name))
    {
        if name.is_empty() || !fields.insert(name) {
            return Some("two properties of one field, or one without a name");
        }
    }
    let kind = kind(tree, node);
    if kind.as_deref() == Some("array") && !members.contains_key("items") {
        return Some("a list without items");
    }
    let is_nullable = flag(tree, node, "nullable") || null_type(tree, node);
    for value in list(tree, node, "enum") {
        let is_null = matches!(tree.kind(*value), Kind::Null) && is_nullable;
        if !is_null && !kind.as_deref().is_none_or(|kind| is_of(tree, *value, kind)) {
            return Some("a value of an enum that is not of its type");
        }
    }
    let default = tree.get(node, "default");
    if default.is_some_and(|default| !conforms(tree, node, default)) {
        return Some("a default that does not conform");
    }
    None
}

/// Whether a keyword may stand in a schema with this value.
fn is_fine(tree: &Tree, name: &str, value: Id) -> bool {
    let kind = tree.kind(value);
    match name {
        "type" => match kind {
            Kind::String(name) => is_type(name),
            // A list of one type, and of null, is taken as what it means.
            Kind::Array(_) => list_of_one(tree, value).is_some_and(is_type),
            _ => false,
        },
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
            tree.number(value)
                .is_some_and(|number| number.to_i128().is_some_and(|whole| whole >= 0))
        }
        "minimum" | "maximum" => matches!(kind, Kind::Number(_)),
        "multipleOf" => tree
            .number(value)
            .is_some_and(|number| number.to_f64() > 0.0),
        "nullable" | "uniqueItems" | "deprecated" | "readOnly" | "writeOnly"
        | "exclusiveMinimum" | "exclusiveMaximum" => matches!(kind, Kind::Boolean(_)),
        "title" | "description" | "format" | "pattern" | "$ref" => matches!(kind, Kind::String(_)),
        "properties" | "items" => matches!(kind, Kind::Object(_)),
        "additionalProperties" => matches!(kind, Kind::Object(_) | Kind::Boolean(_)),
        // A flag on a property is moved to its owner.
        "required" => match kind {
            Kind::Array(names) => names.iter().all(|name| tree.string(*name).is_some()),
            Kind::Boolean(_) => true,
            _ => false,
        },
        "enum" | "allOf" | "anyOf" | "oneOf" => {
            tree.array(value).is_some_and(|all| !all.is_empty())
        }
        "default" | "example" | "discriminator" | "xml" | "externalDocs" => true,
        _ => name.starts_with("x-"),
    }
}

fn is_type(name: &str) -> bool {
    matches!(
        name,
        "string" | "number" | "integer" | "boolean" | "array" | "object"
    )
}

/// The one type of a list, `null` left out.
fn list_of_one(tree: &Tree, value: Id) -> Option<&str> {
    let kinds = tree.array(value)?.iter().map(|kind| tree.string(*kind));
    let mut kinds = kinds.filter(|kind| *kind != Some("null"));
    match (kinds.next(), kinds.next()) {
        (Some(only), None) => only,
        _ => None,
    }
}

fn null_type(tree: &Tree, node: Id) -> bool {
    list(tree, node, "type")
        .iter()
        .any(|kind| tree.string(*kind) == Some("null"))
}

fn flag(tree: &Tree, node: Id, name: &str) -> bool {
    tree.get(node, name)
        .is_some_and(|flag| tree.boolean(flag) == Some(true))
}

fn kind(tree: &Tree, node: Id) -> Option<String> {
    let kind = tree.get(node, "type")?;
    let name = tree.string(kind).or_else(|| list_of_one(tree, kind));
    name.map(str::to_owned)
}

fn is_of(tree: &Tree, value: Id, kind: &str) -> bool {
    match (tree.kind(value), kind) {
        (Kind::String(_), "string")
        | (Kind::Number(_), "number")
        | (Kind::Boolean(_), "boolean") => true,
        (Kind::Number(number), "integer") => number.is_integer(),
        (_, kind) => matches!(kind, "array" | "object"),
    }
}

/// What can't be taken in a request, where every limit has to be checked.
fn requests(tree: &Tree) -> Option<&'static str> {
    let mut seen = HashSet::new();
    for operation in operations(tree) {
        let body = tree
            .get(operation, "requestBody")
            .and_then(|body| resolve(tree, body).ok());
        let Some(schema) = body.and_then(|body| json_schema(tree, body)) else {
            continue;
        };
        let meant = resolve(tree, schema).unwrap_or(schema);
        if kind(tree, meant).as_deref() != Some("object")
            || flag(tree, meant, "nullable")
            || null_type(tree, meant)
        {
            return Some("the body of a request that is no object");
        }
        let mut waiting = vec![schema];
        while let Some(node) = waiting.pop() {
            let node = resolve(tree, node).unwrap_or(node);
            if seen.insert(node) {
                if let Some(why) = sent(tree, node) {
                    return Some(why);
                }
                waiting.extend(children(tree, node));
            }
        }
    }
    None
}

fn sent(tree: &Tree, node: Id) -> Option<&'static str> {
    for union in ["anyOf", "oneOf"] {
        let mut kinds = BTreeSet::new();
        for branch in list(tree, node, union) {
            let branch = resolve(tree, *branch).unwrap_or(*branch);
            match kind(tree, branch) {
                Some(kind) if kinds.insert(kind.clone()) => {}
                _ => return Some("branches of one type in a request"),
            }
        }
    }
    let members = tree.object(node)?;
    let says_more = |allowed: &[&str]| {
        members.keys().any(|key| {
            let is_said = allowed.contains(&&**key) || is_annotation(key);
            !is_said && !matches!(&**key, "readOnly" | "writeOnly")
        })
    };
    if members.contains_key("allOf") {
        let is_reference = match list(tree, node, "allOf") {
            [only] => tree.get(*only, "$ref").is_some(),
            _ => false,
        };
        if !is_reference || says_more(&["allOf", "nullable"]) {
            return Some("a request of several parts");
        }
    } else if members.contains_key("anyOf") || members.contains_key("oneOf") {
        if says_more(&["anyOf", "oneOf", "nullable"]) {
            return Some("limits beside a union in a request");
        }
    } else if !members.contains_key("type") && says_more(&["nullable"]) {
        return Some("limits without a type in a request");
    }
    let values = list(tree, node, "enum");
    let is_null = |value: &Id| matches!(tree.kind(*value), Kind::Null);
    if !values.is_empty() && values.iter().all(is_null) {
        return Some("an enum of null alone in a request");
    }
    let is_text = kind(tree, node).as_deref() == Some("string");
    (members.contains_key("enum") && !is_text)
        .then_some("an enum in a request that is not of strings")
}
