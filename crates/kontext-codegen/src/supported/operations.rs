//! Operations, bodies and responses that the generators can't take.

use std::collections::BTreeMap;

use heck::ToSnakeCase as _;
use serde_json::{Value, json};

use super::Found;
use crate::json::{child, each_operation, short};

/// Finds what is wrong with the operations of a document.
pub(super) fn check(document: &Value, found: &mut Found<'_>) {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    each_operation(document, &mut |_, _, operation, at| {
        identifier(operation, &at, &mut names, found);
        if !operation["requestBody"].is_null() {
            body(
                document,
                &operation["requestBody"],
                &child(&at, "requestBody"),
                found,
            );
        }
        responses(document, operation, &at, found);
        for (index, parameter) in operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            let at = child(&child(&at, "parameters"), &index.to_string());
            self::parameter(document, parameter, &at, found);
        }
    });
}

fn identifier(
    operation: &Value,
    at: &str,
    names: &mut BTreeMap<String, String>,
    found: &mut Found<'_>,
) {
    let at = child(at, "operationId");
    let Some(id) = operation["operationId"].as_str() else {
        found.add(
            &at,
            "no operationId, which names the method of the client",
            "add one with an overlay",
        );
        return;
    };
    let name = id.to_snake_case();
    if syn::parse_str::<syn::Ident>(&name).is_err() {
        found.add(
            &at,
            format!("{id:?} gives the method name {name:?}, which is no Rust identifier"),
            "give it another operationId with an overlay",
        );
    } else if let Some(other) = names.insert(name.clone(), at.clone()) {
        found.add(
            &at,
            format!("{id:?} gives the method name {name}, as {other} does"),
            "give one of them another operationId with an overlay",
        );
    }
}

/// A value, or what it refers to, with the pointer of whichever it is.
fn resolved<'a>(document: &'a Value, value: &'a Value, at: &str) -> (&'a Value, String) {
    let pointer = value["$ref"]
        .as_str()
        .and_then(|text| text.strip_prefix('#'));
    match pointer.and_then(|pointer| Some((document.pointer(pointer)?, pointer.to_owned()))) {
        Some(target) => target,
        None => (value, at.to_owned()),
    }
}

/// One media type, JSON, with a schema: more than one makes the generator
/// panic, and for another there is no type.
fn json_only(body: &Value, at: &str, found: &mut Found<'_>) {
    let at = child(at, "content");
    let content = body["content"].as_object();
    let types: Vec<&str> = content
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    match types[..] {
        ["application/json"] => {
            let at = child(&at, "application/json");
            if !body["content"]["application/json"]["schema"].is_object() {
                found.add(
                    &child(&at, "schema"),
                    "no schema, so there is no type for this body",
                    "add the schema with an overlay",
                );
            }
        }
        [] => found.add(
            &at,
            "no media type, expected application/json",
            "add the body's schema with an overlay",
        ),
        _ => found.add(
            &at,
            format!(
                "the media types are {}, expected application/json alone",
                types.join(" and ")
            ),
            "remove the others with an overlay",
        ),
    }
}

fn body(document: &Value, body: &Value, at: &str, found: &mut Found<'_>) {
    let (body, at) = resolved(document, body, at);
    json_only(body, &at, found);
}

fn responses(document: &Value, operation: &Value, at: &str, found: &mut Found<'_>) {
    let at = child(at, "responses");
    let mut successes = Vec::new();
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let at = child(&at, status);
        let is_code = status.len() == 3 && status.parse::<u16>().is_ok_and(|s| s >= 100);
        if !is_code && status != "default" {
            found.add(
                &at,
                format!("{status:?} is neither a status code nor \"default\""),
                "ranges such as 2XX hide which statuses there are: name them with an overlay",
            );
        } else if status.starts_with('2') {
            let (response, at) = resolved(document, response, &at);
            json_only(response, &at, found);
            successes.push(status.as_str());
        }
    }
    match successes[..] {
        [_] => {}
        [] => found.add(
            &at,
            "no 2xx response; \"default\" alone does not tell success from failure",
            "add the success with an overlay",
        ),
        _ => found.add(
            &at,
            format!("several successes: {}", successes.join(", ")),
            "a client reads one type: remove the others with an overlay",
        ),
    }
}

fn parameter(document: &Value, parameter: &Value, at: &str, found: &mut Found<'_>) {
    let (parameter, at) = resolved(document, parameter, at);
    if !["query", "path", "header"].contains(&parameter["in"].as_str().unwrap_or_default()) {
        found.add(
            &child(&at, "in"),
            format!(
                "{} parameters are not supported",
                short(parameter.get("in").unwrap_or(&json!(null)))
            ),
            "remove the parameter with an overlay",
        );
    }
    if !parameter["schema"].is_object() {
        found.add(
            &child(&at, "schema"),
            "no schema, so there is no type for this parameter",
            "add the schema with an overlay",
        );
    }
}
