//! Every kind of value for every keyword.

use openapi_drift::Wire;

use super::*;

const KINDS: [&str; 7] = ["null", "true", "0", "\"\"", "[]", "{}", "\"x\""];

/// Each schema keyword with a valid value, the members beside it, and its valid
/// kinds of value.
const KEYWORDS: &[(&str, &str, &str, &[&str])] = &[
    ("type", "\"string\"", "", &["string", "array"]),
    ("nullable", "true", "\"type\":\"string\"", &["boolean"]),
    ("enum", "[\"a\",\"b\"]", "\"type\":\"string\"", &["array"]),
    ("format", "\"uri\"", "\"type\":\"string\"", &["string"]),
    ("pattern", "\"^a\"", "\"type\":\"string\"", &["string"]),
    ("minLength", "5", "\"type\":\"string\"", &["number"]),
    ("maxLength", "5", "\"type\":\"string\"", &["number"]),
    ("minimum", "5", "\"type\":\"number\"", &["number"]),
    ("maximum", "5", "\"type\":\"number\"", &["number"]),
    (
        "exclusiveMinimum",
        "true",
        "\"type\":\"number\",\"minimum\":5",
        &["boolean", "number"],
    ),
    (
        "exclusiveMaximum",
        "true",
        "\"type\":\"number\",\"maximum\":5",
        &["boolean", "number"],
    ),
    ("multipleOf", "5", "\"type\":\"number\"", &[]),
    (
        "minItems",
        "5",
        "\"type\":\"array\",\"items\":{}",
        &["number"],
    ),
    (
        "maxItems",
        "5",
        "\"type\":\"array\",\"items\":{}",
        &["number"],
    ),
    (
        "uniqueItems",
        "true",
        "\"type\":\"array\",\"items\":{}",
        &["boolean"],
    ),
    (
        "items",
        "{\"type\":\"string\"}",
        "\"type\":\"array\"",
        &["object"],
    ),
    ("minProperties", "5", "\"type\":\"object\"", &["number"]),
    ("maxProperties", "5", "\"type\":\"object\"", &["number"]),
    (
        "properties",
        "{\"a\":{\"type\":\"string\"}}",
        "\"type\":\"object\"",
        &["object"],
    ),
    (
        "required",
        "[\"a\"]",
        "\"type\":\"object\",\"properties\":{\"a\":{}}",
        &["array"],
    ),
    (
        "additionalProperties",
        "{\"type\":\"string\"}",
        "\"type\":\"object\"",
        &["object", "boolean"],
    ),
    ("allOf", "[{\"type\":\"string\"}]", "", &[]),
    ("anyOf", "[{\"type\":\"string\"}]", "", &[]),
    ("oneOf", "[{\"type\":\"string\"}]", "", &[]),
    ("not", "{\"type\":\"string\"}", "", &[]),
    ("$ref", "\"#/components/schemas/A\"", "", &[]),
    ("readOnly", "true", "\"type\":\"string\"", &["boolean"]),
    ("writeOnly", "true", "\"type\":\"string\"", &["boolean"]),
    ("title", "\"A title\"", "", &["any"]),
    ("description", "\"A description\"", "", &["any"]),
    ("default", "\"d\"", "", &["any"]),
    ("example", "\"e\"", "", &["any"]),
    ("deprecated", "true", "", &["any"]),
    (
        "externalDocs",
        "{\"url\":\"https://docs.example.com\"}",
        "",
        &["any"],
    ),
    ("discriminator", "{\"propertyName\":\"a\"}", "", &["any"]),
    ("xml", "{\"name\":\"a\"}", "", &["any"]),
    ("x-own", "{\"a\":1}", "", &["any"]),
];

fn kind_of(text: &str) -> &'static str {
    match serde_json::from_str(text).unwrap() {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// An invalid keyword value makes the change undecided or breaking, never less.
#[test]
fn invalid_schema_keyword_values_are_never_ignored() {
    let mut wrong = Vec::new();
    for (keyword, good, beside, kinds) in KEYWORDS {
        for value in KINDS {
            if value == *good {
                continue;
            }
            let schema = |value: &str| {
                let comma = if beside.is_empty() { "" } else { "," };
                format!("{{{beside}{comma}\"{keyword}\":{value}}}")
            };
            let text = |value: &str, way: usize| {
                let mut schemas = [json!({"type": "boolean"}), json!({"type": "boolean"})];
                schemas[way] = json!({"type": "object", "properties": {"it": "@"}});
                let [request, response] = &schemas;
                let document = document(request, response, &json!({"A": {"type": "string"}}));
                document.to_string().replace("\"@\"", &schema(value))
            };
            let is_well_formed = kinds.contains(&"any") || kinds.contains(&kind_of(value));
            for way in [0, 1] {
                let (old, new) = (text(good, way), text(value, way));
                let itself = compared(keyword, &new, &new);
                if itself.verdict() != Some(Verdict::None) {
                    let text = format!("{} with itself: {}", schema(value), itself.shown());
                    wrong.push(((*keyword).to_owned(), text));
                }
                for (time, old, new) in [("to", &old, &new), ("from", &new, &old)] {
                    let outcome = compared(keyword, old, new);
                    let verdict = outcome.verdict().unwrap();
                    let gates = verdict <= Verdict::Undecided;
                    if verdict == Verdict::None || (!is_well_formed && !gates) {
                        let text = format!(
                            "{} {time} {} in {}: {}",
                            schema(good),
                            schema(value),
                            ["a request", "a response"][way],
                            outcome.shown()
                        );
                        wrong.push(((*keyword).to_owned(), text));
                    }
                }
            }
        }
    }
    settle(&["readOnly", "writeOnly"], &wrong);
}

/// A small document with every non-schema feature, once.
fn everything() -> Value {
    json!({
        "openapi": "3.0.3",
        "info": {"title": "All", "version": "1", "description": "d"},
        "servers": [{"url": "https://{a}.example.com", "description": "d", "variables": {"a": {"default": "x", "enum": ["x", "z"]}}}],
        "tags": [{"name": "t"}],
        "externalDocs": {"url": "https://docs.example.com"},
        "security": [{"key": ["s"]}],
        "paths": {"/a/{id}": {
            "summary": "s",
            "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
            "post": {
                "operationId": "a", "summary": "s", "tags": ["t"], "deprecated": true,
                "parameters": [
                    {"name": "q", "in": "query", "description": "d", "required": true, "deprecated": true,
                     "style": "pipeDelimited", "explode": false, "allowReserved": true, "allowEmptyValue": true,
                     "schema": {"type": "array", "items": {"type": "string"}}, "example": ["e"]},
                    {"name": "c", "in": "query", "content": {"application/json": {"schema": {"type": "string"}}}}
                ],
                "requestBody": {"description": "d", "required": true, "content": {"multipart/form-data": {
                    "schema": {"type": "object", "properties": {"f": {"type": "string"}}},
                    "example": {"f": "e"},
                    "encoding": {"f": {"contentType": "text/plain", "headers": {"X-A": {"schema": {"type": "string"}}}}}
                }}},
                "responses": {"200": {
                    "description": "d",
                    "headers": {"X-A": {"description": "d", "required": true, "schema": {"type": "string"}}},
                    "content": {"application/json": {"schema": {"type": "string"}, "examples": {"e": {"value": "v"}}}},
                    "links": {"l": {"operationId": "a", "parameters": {"id": "1"}}}
                }, "default": {"$ref": "#/components/responses/R"}},
                "callbacks": {"c": {"{$url}": {"post": {"responses": {"200": {"description": "d"}}}}}},
                "security": [{"key": ["s"]}, {"open": []}],
                "servers": [{"url": "/v1"}],
                "externalDocs": {"url": "https://docs.example.com"},
                "x-own": {"a": 1}
            },
            "get": {"operationId": "b", "responses": {"204": {"description": "d"}}}
        }},
        "components": {
            "responses": {"R": {"description": "d", "content": {"text/plain": {"schema": {"type": "string"}}}}},
            "securitySchemes": {
                "key": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://a.example.com", "scopes": {"s": "d"}}}},
                "open": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            }
        }
    })
}

fn pointers(value: &Value, pointer: &str, found: &mut Vec<String>) {
    let mut visit = |name: &str, value: &Value| {
        let pointer = format!("{pointer}/{}", edit::escaped(name));
        found.push(pointer.clone());
        pointers(value, &pointer, found);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| visit(name, value)),
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                visit(&index.to_string(), value);
            }
        }
        _ => {}
    }
}

/// Places where a change is rated too low, or not reported at all, each with the
/// reason why it matters.
const DISPUTED: &[(&str, &str)] = &[
    (
        "readOnly",
        "what is no boolean is not understood, so the change is undecided",
    ),
    (
        "writeOnly",
        "what is no boolean is not understood, so the change is undecided",
    ),
    (
        "/components/responses",
        "a reference of the default response leads nowhere now",
    ),
    (
        "/paths/~1a~1{id}/parameters/0/required",
        "a path parameter that is not required is a defect that came or went",
    ),
    (
        "/paths/~1a~1{id}/post/parameters/0/explode",
        "what is no boolean is not understood; only its absence says the same as `false`",
    ),
    (
        "/paths/~1a~1{id}/post/security/1/open",
        "scopes that are no list are not understood",
    ),
];

/// Fails with all undisputed errors, and with all disputes that no longer apply.
fn settle(disputed: &[&str], wrong: &[(String, String)]) {
    let mut failed: Vec<String> = wrong
        .iter()
        .filter(|(place, _)| !disputed.contains(&place.as_str()))
        .map(|(_, text)| text.clone())
        .collect();
    for known in disputed {
        assert!(
            DISPUTED
                .iter()
                .any(|(place, why)| place == known && !why.is_empty())
        );
        if !wrong.iter().any(|(place, _)| place == known) {
            failed.push(format!(
                "{known} is no longer disputed: remove it from the list"
            ));
        }
    }
    assert!(
        failed.is_empty(),
        "{} wrong\n{}",
        failed.len(),
        failed.join("\n")
    );
}

/// Any value anywhere ends in a report or an error, and is never reported as
/// unchanged.
#[test]
fn invalid_document_values_are_never_ignored() {
    let whole = everything();
    let old = whole.to_string();
    let mut all = Vec::new();
    pointers(&whole, "", &mut all);
    assert!(all.len() > 120, "{}", all.len());
    let mut wrong = Vec::new();
    for pointer in &all {
        for value in KINDS {
            let mut new = whole.clone();
            *new.pointer_mut(pointer).unwrap() = serde_json::from_str(value).unwrap();
            if new == whole {
                continue;
            }
            let new = new.to_string();
            let name = format!("{pointer} is {value}");
            let itself = compared(&name, &new, &new);
            if itself
                .verdict()
                .is_some_and(|verdict| verdict != Verdict::None)
            {
                wrong.push((
                    pointer.clone(),
                    format!("{name}, with itself: {}", itself.shown()),
                ));
            }
            for (time, old, new) in [("", &old, &new), (" backwards", &new, &old)] {
                let outcome = compared(&name, old, new);
                if outcome.verdict() == Some(Verdict::None) {
                    wrong.push((
                        pointer.clone(),
                        format!("{name}{time}: {}", outcome.shown()),
                    ));
                }
                if let Outcome::Compared(report) = &outcome {
                    let silent = report
                        .findings
                        .iter()
                        .any(|finding| finding.wire == Wire::Breaking && finding.reason.is_empty());
                    assert!(!silent, "{name}{time}");
                }
            }
        }
    }
    settle(
        &[
            "/components/responses",
            "/paths/~1a~1{id}/parameters/0/required",
            "/paths/~1a~1{id}/post/parameters/0/explode",
            "/paths/~1a~1{id}/post/security/1/open",
        ],
        &wrong,
    );
}

/// Removed members matter too.
#[test]
fn every_removed_member_is_noticed() {
    let whole = everything();
    let old = whole.to_string();
    let mut all = Vec::new();
    pointers(&whole, "", &mut all);
    let mut wrong = Vec::new();
    for pointer in &all {
        let mut new = whole.clone();
        edit::take(&mut new, pointer);
        let new = new.to_string();
        for (time, old, new) in [("removed", &old, &new), ("added", &new, &old)] {
            let outcome = compared(pointer, old, new);
            if outcome.verdict() == Some(Verdict::None) {
                wrong.push((pointer.clone(), format!("{pointer} {time}")));
            }
        }
    }
    // The specification's default.
    let explode = "/paths/~1a~1{id}/post/parameters/0/explode";
    wrong.retain(|(place, _)| place != explode);
    wrong.iter_mut().for_each(|(place, _)| {
        if place == "/components/responses/R" {
            *place = "/components/responses".to_owned();
        }
    });
    settle(
        &[
            "/components/responses",
            "/paths/~1a~1{id}/parameters/0/required",
        ],
        &wrong,
    );
}
