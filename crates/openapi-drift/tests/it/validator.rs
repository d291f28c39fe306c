//! An independent validator for OpenAPI 3.0 schemas: translates them to JSON Schema
//! 2020-12, sharing no code with the crate.

use jsonschema::Validator;
use openapi_drift::{Finding, Side};
use serde_json::{Map, Value, json};

/// How to treat unnamed members of objects that name properties without specifying
/// others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Unnamed members are refused: requests.
    Closed,
    /// Unnamed members are allowed: responses.
    Open,
    /// As written: unnamed members are allowed unless something forbids them.
    Written,
}

/// The validator for a schema in a document.
pub(crate) fn validator(document: &Value, schema: &Value, reading: Reading) -> Validator {
    checked_validator(document, schema, reading).unwrap_or_else(|error| panic!("{error}"))
}

/// The same, or an error if a keyword has an invalid value.
fn checked_validator(
    document: &Value,
    schema: &Value,
    reading: Reading,
) -> Result<Validator, String> {
    let components = document.pointer("/components/schemas");
    let definitions: Map<String, Value> = components
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, component)| {
            let translated = in_place(document, component, reading, true);
            (name.clone(), translated)
        })
        .collect();
    let translated = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": definitions,
        "allOf": [position(document, schema, reading)]
    });
    jsonschema::options()
        .should_validate_formats(true)
        .build(&translated)
        .map_err(|error| format!("{error}\n{translated:#}"))
}

/// Translates the schema of a whole value: a body, a property or an item.
fn position(document: &Value, schema: &Value, reading: Reading) -> Value {
    let inner = in_place(document, schema, reading, false);
    if reading == Reading::Closed && names(document, schema, &mut Vec::new()) {
        json!({"allOf": [inner], "unevaluatedProperties": false})
    } else {
        inner
    }
}

/// Whether a schema, or a part that applies to the same value, names properties.
fn names(document: &Value, schema: &Value, seen: &mut Vec<String>) -> bool {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        if seen.iter().any(|known| known == reference) {
            return false;
        }
        seen.push(reference.to_owned());
        return document
            .pointer(&reference[1..])
            .is_some_and(|target| names(document, target, seen));
    }
    let own = schema["properties"].as_object();
    // An empty `properties` means that there are none; a missing one means nothing.
    own.is_some()
        || ["allOf", "anyOf", "oneOf"]
            .iter()
            .filter_map(|name| schema[*name].as_array())
            .flatten()
            .any(|part| names(document, part, seen))
}

/// Translates a schema that may be one of several for a value. `named` is whether
/// the others name properties.
fn in_place(document: &Value, schema: &Value, reading: Reading, named: bool) -> Value {
    let Some(members) = schema.as_object() else {
        return json!(true);
    };
    if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
        let name = reference.strip_prefix("#/components/schemas/");
        let target = name.filter(|_| document.pointer(&reference[1..]).is_some());
        // An unresolvable reference is no constraint here; the comparison reports it.
        return target.map_or(
            json!(true),
            |name| json!({"$ref": format!("#/$defs/{name}")}),
        );
    }
    let own = schema["properties"].as_object();
    let named = named || own.is_some();
    let mut translated = Map::new();
    for (keyword, value) in members {
        let value = match keyword.as_str() {
            "type" | "enum" | "const" | "pattern" | "minLength" | "maxLength" | "minimum"
            | "maximum" | "multipleOf" | "minItems" | "maxItems" | "uniqueItems"
            | "minProperties" | "maxProperties" | "required" => value.clone(),
            // Any of the formats that it combines.
            "format" if value == "ip" => {
                translated.insert(
                    "not".to_owned(),
                    json!({"not": {"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}}),
                );
                continue;
            }
            "format" => value.clone(),
            "items" => position(document, value, reading),
            "additionalProperties" if value.is_object() => position(document, value, reading),
            // Clients ignore additional members, even if the document forbids them.
            "additionalProperties" if reading == Reading::Open => continue,
            "additionalProperties" => value.clone(),
            "properties" => value
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, property)| (name.clone(), position(document, property, reading)))
                .collect(),
            "allOf" => value
                .as_array()
                .unwrap()
                .iter()
                .map(|part| in_place(document, part, reading, named))
                .collect(),
            "anyOf" | "oneOf" => value
                .as_array()
                .unwrap()
                .iter()
                .map(|branch| branch_of(document, branch, reading, named))
                .collect(),
            _ => continue,
        };
        translated.insert(keyword.clone(), value);
    }
    for (flag, limit) in [
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ] {
        if schema[flag] == json!(true)
            && let Some(value) = translated.remove(limit)
        {
            translated.insert(flag.to_owned(), value);
        }
    }
    let whole = match schema["format"].as_str() {
        Some("int32") => Some((json!(i32::MIN), json!(i32::MAX))),
        Some("int64") => Some((json!(i64::MIN), json!(i64::MAX))),
        Some("uint64") => Some((json!(0), json!(u64::MAX))),
        _ => None,
    };
    if let Some((low, high)) = whole {
        translated.insert(
            "allOf".to_owned(),
            json!([
                {"allOf": translated.get("allOf").cloned().unwrap_or_else(|| json!([true]))},
                {"minimum": low, "maximum": high}
            ]),
        );
    }
    if schema["nullable"] != json!(true) {
        return translated.into();
    }
    match translated.remove("type") {
        Some(kind) => {
            translated.insert("type".to_owned(), json!([kind, "null"]));
            translated.into()
        }
        // Beside a reference in `allOf`, the usual notation.
        None => json!({"anyOf": [{"type": "null"}, translated]}),
    }
}

/// A branch that names nothing allows any object, whatever its siblings name.
fn branch_of(document: &Value, branch: &Value, reading: Reading, named: bool) -> Value {
    let translated = in_place(document, branch, reading, named);
    if named || names(document, branch, &mut Vec::new()) {
        translated
    } else {
        json!({"allOf": [translated], "unevaluatedProperties": true})
    }
}

/// The error in a finding's witness, if any.
pub(crate) fn wrong_witness(old: &Value, new: &Value, finding: &Finding) -> Option<String> {
    let Some(witness) = &finding.witness else {
        let is_said = finding.reason.ends_with("(no example could be built)");
        return (!is_said).then(|| "a break without a witness".to_owned());
    };
    let exchange = &witness.exchange;
    // A removed server or path affects every method.
    let is_wide = finding.rule.id.starts_with("path-") || finding.rule.id.starts_with("server-");
    let name = |member: &str| exchange[member].as_str().unwrap_or_default();
    let (method, path) = (name("method"), name("path"));
    if !is_wide && (method.is_empty() || path.is_empty()) {
        return Some(format!("a witness without method and path: {exchange}"));
    }
    let side = |side: Side| if side == Side::Old { old } else { new };
    let (accepts, refuses) = (side(witness.accepted_by), side(witness.refused_by));
    if witness.accepted_by == witness.refused_by {
        return Some(format!("accepted and refused by the same side: {exchange}"));
    }
    let (part, is_request) = match (exchange.get("request"), exchange.get("response")) {
        (Some(request), None) => (request, true),
        (None, Some(response)) => (response, false),
        _ => {
            return Some(format!(
                "a witness of neither request nor response: {exchange}"
            ));
        }
    };
    // Only bodies that both sides describe are checked. Other witnesses are evident: one
    // document has something that the other lacks.
    let body = part.get("body")?;
    let media_type = part["media_type"].as_str().unwrap_or("application/json");
    let find = |document: &Value| -> Option<Value> {
        let operation = document["paths"][path].get(method.to_lowercase())?;
        let holder = if is_request {
            resolved(document, operation.get("requestBody")?)?
        } else {
            let status = &part["status"];
            let name = status.as_str().unwrap_or_default();
            resolved(document, operation["responses"].get(name)?)?
        };
        let entry = holder["content"].get(media_type)?;
        Some(entry.get("schema").cloned().unwrap_or_else(|| json!({})))
    };
    let of_accepts = find(accepts);
    if of_accepts.is_none() && !body.is_string() {
        return Some(format!(
            "the accepting document has no such body: {exchange}"
        ));
    }
    let (Some(of_accepts), Some(of_refuses)) = (of_accepts, find(refuses)) else {
        return None;
    };
    if [&of_accepts, &of_refuses]
        .iter()
        .any(|schema| schema.to_string().contains("Only\":true"))
    {
        // Properties that are only sent in one direction are not translated.
        return None;
    }
    let is_name = [
        "property-removed",
        "property-renamed",
        "additional-properties-removed",
    ]
    .iter()
    .any(|rule| finding.rule.id.ends_with(rule));
    let is_forbidden = ["properties-forbidden", "additional-properties-narrowed"]
        .iter()
        .any(|rule| finding.rule.id.ends_with(rule));
    let reading = if is_request && is_forbidden {
        Reading::Written
    } else if is_request || is_name {
        Reading::Closed
    } else {
        Reading::Open
    };
    let (Ok(of_accepts), Ok(of_refuses)) = (
        checked_validator(accepts, &of_accepts, reading),
        checked_validator(refuses, &of_refuses, reading),
    ) else {
        return None;
    };
    if !of_accepts.is_valid(body) {
        return Some(format!("{:?} does not accept {body}", witness.accepted_by));
    }
    if of_refuses.is_valid(body) {
        return Some(format!("{:?} does not refuse {body}", witness.refused_by));
    }
    None
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> Option<&'a Value> {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => document.pointer(&reference[1..]),
        None => Some(value),
    }
}

#[test]
fn openapi_schemas_translate_to_json_schema() {
    let document = json!({"components": {"schemas": {
        "Node": {"type": "object", "properties": {
            "value": {"type": "string", "nullable": true},
            "next": {"$ref": "#/components/schemas/Node"}
        }}
    }}});
    let check = |schema: Value, value: Value, closed: bool, open: bool| {
        for (reading, expected) in [(Reading::Closed, closed), (Reading::Open, open)] {
            let valid = validator(&document, &schema, reading).is_valid(&value);
            assert_eq!(valid, expected, "{schema} {value} {reading:?}");
        }
    };
    let node = json!({"$ref": "#/components/schemas/Node"});
    check(
        node.clone(),
        json!({"value": null, "next": {"next": {}}}),
        true,
        true,
    );
    check(
        node.clone(),
        json!({"next": {"next": {"more": 1}}}),
        false,
        true,
    );
    check(node.clone(), json!({"next": 1}), false, false);
    check(json!({"type": "object"}), json!({"a": 1}), true, true);
    let part = |name: &str| json!({"type": "object", "properties": {name: {"type": "string"}}});
    let both = json!({"allOf": [part("a"), part("b")]});
    check(both.clone(), json!({"a": "", "b": ""}), true, true);
    check(both, json!({"a": "", "c": ""}), false, true);
    let either = json!({"anyOf": [part("a"), {"type": "string"}]});
    check(either.clone(), json!(""), true, true);
    check(either, json!({"c": ""}), false, true);
    let free = json!({"anyOf": [part("a"), {"type": "object"}]});
    check(free, json!({"c": ""}), true, true);
    check(
        json!({"allOf": [node], "nullable": true}),
        json!(null),
        true,
        true,
    );
    let above = json!({"type": "number", "minimum": 1, "exclusiveMinimum": true});
    check(above.clone(), json!(1), false, false);
    check(above, json!(1.5), true, true);
}
