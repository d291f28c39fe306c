//! Values at the limits of a schema: just allowed, or just refused.

use serde_json::{Map, Value, json};

/// The maximum number of values to make for a part of a schema.
const SOME: usize = 30;

/// Values for a schema of a document, the most likely first, without duplicates.
pub(crate) fn samples(document: &Value, schema: &Value, depth: usize) -> Vec<Value> {
    let schema = merged(document, schema, 8);
    let mut found = vec![typical(document, &schema, depth + 2)];
    for value in schema["enum"].as_array().into_iter().flatten() {
        found.push(value.clone());
    }
    let kind = schema["type"].as_str();
    let may_be = |name: &str| kind.is_none_or(|kind| kind == name);
    if may_be("string") {
        found.extend(texts(&schema));
    }
    if kind == Some("integer") || may_be("number") {
        found.extend(numbers(&schema));
    }
    if depth > 0 && may_be("array") {
        found.extend(arrays(document, &schema, depth));
    }
    if depth > 0 && may_be("object") {
        found.extend(objects(document, &schema, depth));
    }
    for name in ["anyOf", "oneOf"] {
        for branch in schema[name].as_array().into_iter().flatten() {
            let mut all = samples(document, branch, depth);
            all.truncate(SOME);
            found.extend(all);
        }
    }
    found.extend([
        json!(null),
        json!(true),
        json!(1.5),
        json!(""),
        json!([]),
        json!({}),
    ]);
    let mut unique: Vec<Value> = Vec::new();
    for value in found {
        if !unique.contains(&value) {
            unique.push(value);
        }
    }
    unique
}

/// A schema with top-level references and `allOf` merged.
fn merged(document: &Value, schema: &Value, depth: usize) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document
            .pointer(&reference[1..])
            .cloned()
            .unwrap_or_default();
        return if depth == 0 {
            json!({})
        } else {
            merged(document, &target, depth - 1)
        };
    }
    let mut whole = schema.clone();
    let Some(parts) = schema["allOf"].as_array() else {
        return whole;
    };
    for part in parts {
        let part = if depth == 0 {
            json!({})
        } else {
            merged(document, part, depth - 1)
        };
        for (name, value) in part.as_object().into_iter().flatten() {
            match (name.as_str(), whole.get_mut(name)) {
                ("properties", Some(Value::Object(known))) => {
                    known.extend(value.as_object().cloned().unwrap_or_default());
                }
                ("required", Some(Value::Array(known))) => {
                    known.extend(value.as_array().cloned().unwrap_or_default());
                }
                ("allOf", _) | (_, Some(_)) => {}
                (_, None) => whole[name] = value.clone(),
            }
        }
    }
    whole
}

/// A value that the schema allows, if one is easy to find.
pub(crate) fn typical(document: &Value, schema: &Value, depth: usize) -> Value {
    let schema = merged(document, schema, 8);
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    for name in ["anyOf", "oneOf"] {
        if let Some(branch) = schema[name].get(0) {
            return if depth == 0 {
                json!("")
            } else {
                typical(document, branch, depth - 1)
            };
        }
    }
    match schema["type"].as_str() {
        // A schema that requires itself allows no value.
        Some("array") if depth == 0 => json!([]),
        Some("object") if depth == 0 => json!({}),
        Some("string") => texts(&schema).swap_remove(0),
        Some("integer" | "number") => numbers(&schema).swap_remove(0),
        Some("boolean") => json!(true),
        Some("array") => {
            let least = schema["minItems"].as_u64().unwrap_or(0).clamp(0, 6);
            let count = usize::try_from(least).unwrap();
            several(document, &schema["items"], count, depth)
        }
        Some("object") => {
            let properties = schema["properties"].as_object();
            let required = schema["required"].as_array();
            let mut object: Map<String, Value> = properties
                .into_iter()
                .flatten()
                .filter(|(name, _)| {
                    depth > 1 || required.is_some_and(|required| required.contains(&json!(name)))
                })
                .map(|(name, property)| {
                    (
                        name.clone(),
                        typical(document, property, depth.saturating_sub(1)),
                    )
                })
                .collect();
            let least = schema["minProperties"].as_u64().unwrap_or(0).clamp(0, 6);
            let mut at = 0;
            while (object.len() as u64) < least {
                let more = typical(
                    document,
                    &schema["additionalProperties"],
                    depth.saturating_sub(1),
                );
                object.insert(format!("k{at}"), more);
                at += 1;
            }
            object.into()
        }
        _ => json!("a"),
    }
}

/// An array of `count` items, distinct if possible.
fn several(document: &Value, items: &Value, count: usize, depth: usize) -> Value {
    if count == 0 {
        return json!([]);
    }
    let first = typical(document, items, depth.saturating_sub(1));
    let mut all = vec![first.clone()];
    if depth > 0 && count > 1 {
        let kind = |value: &Value| std::mem::discriminant(value);
        all.extend(
            samples(document, items, depth - 1)
                .into_iter()
                .filter(|value| *value != first && kind(value) == kind(&first)),
        );
    }
    (0..count)
        .map(|at| all.get(at).unwrap_or(&first).clone())
        .collect()
}

fn texts(schema: &Value) -> Vec<Value> {
    let mut found: Vec<String> = Vec::new();
    let mut known = ["a", "bb", "abc", "12", "aaaaaaa", "z"]
        .map(str::to_owned)
        .to_vec();
    match schema["pattern"].as_str() {
        Some("^[0-9]{2}$") => found.push("12".to_owned()),
        Some("b") => found.push("abc".to_owned()),
        _ => {}
    }
    let of_format = |name: &str| {
        Some(match name {
            "uri" => "https://a.example",
            "date" => "2024-02-29",
            "uuid" => "123e4567-e89b-12d3-a456-426614174000",
            "email" => "a@example.com",
            "ipv4" => "127.0.0.1",
            "date-time" => "2024-02-29T12:00:00Z",
            _ => return None,
        })
    };
    if let Some(text) = schema["format"].as_str().and_then(of_format) {
        found.push(text.to_owned());
    }
    for name in ["minLength", "maxLength"] {
        if let Some(limit) = schema[name].as_u64() {
            for length in [limit, limit + 1, limit.saturating_sub(1)] {
                found.push("a".repeat(usize::try_from(length.min(60)).unwrap()));
            }
        }
    }
    for name in ["uri", "date", "uuid", "email", "ipv4", "date-time"] {
        known.extend(of_format(name).map(str::to_owned));
    }
    found.extend(known);
    found.into_iter().map(Value::from).collect()
}

fn numbers(schema: &Value) -> Vec<Value> {
    let limit = |name: &str| schema[name].as_i64();
    let (least, most) = (limit("minimum"), limit("maximum"));
    let step = limit("multipleOf").unwrap_or(1).max(1);
    let exclusive = i64::from(schema["exclusiveMinimum"] == json!(true));
    let from = least.map_or(0, |least| least + exclusive);
    let first = (from..from + step)
        .find(|number| number % step == 0)
        .unwrap_or(from);
    let mut found = vec![json!(first)];
    for edge in least.into_iter().chain(most) {
        found.extend([
            json!(edge),
            json!(edge - 1),
            json!(edge + 1),
            json!(edge as f64 + 0.5),
            json!(edge as f64 - 0.5),
        ]);
    }
    found.extend((0..7).map(|number| json!(number)));
    found.extend([
        json!(0.5),
        json!(2.5),
        json!(-1),
        json!(12),
        json!(99),
        json!(-1000),
        json!(3_000_000_000_i64),
    ]);
    found
}

fn arrays(document: &Value, schema: &Value, depth: usize) -> Vec<Value> {
    let items = &schema["items"];
    let limit = |name: &str| {
        schema[name]
            .as_u64()
            .map(|limit| usize::try_from(limit.min(6)).unwrap())
    };
    let least = limit("minItems").unwrap_or(0);
    let mut found = Vec::new();
    let whole = several(document, items, least.max(1), depth);
    let mut of_items = samples(document, items, depth - 1);
    of_items.truncate(SOME);
    for item in &of_items {
        let mut array = whole.clone();
        array[0] = item.clone();
        found.push(array);
    }
    let mut counts = vec![0, 1, 2, 3];
    for count in [limit("minItems"), limit("maxItems")].into_iter().flatten() {
        counts.extend([count, count + 1, count.saturating_sub(1)]);
    }
    for count in counts {
        found.push(several(document, items, count, depth));
        let same = typical(document, items, depth - 1);
        found.push(vec![same; count].into());
    }
    found
}

fn objects(document: &Value, schema: &Value, depth: usize) -> Vec<Value> {
    let mut found = Vec::new();
    let whole = typical(
        document,
        &json!({"type": "object", "properties": schema["properties"], "required": schema["required"], "minProperties": schema["minProperties"], "additionalProperties": schema["additionalProperties"]}),
        depth + 2,
    );
    let with = |name: &str, value: Value| {
        let mut object = whole.clone();
        object[name] = value;
        object
    };
    let properties = schema["properties"].as_object();
    let needed = schema["required"].as_array().cloned().unwrap_or_default();
    let only: Map<String, Value> = whole
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| needed.contains(&json!(name)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, property) in properties.into_iter().flatten() {
        let mut object = whole.clone();
        object.as_object_mut().unwrap().remove(name);
        found.push(object);
        // The property with only the required ones.
        let mut small = only.clone();
        small.insert(name.clone(), typical(document, property, depth - 1));
        found.push(small.into());
        let mut all = samples(document, property, depth - 1);
        all.truncate(SOME);
        found.extend(all.into_iter().map(|value| with(name, value)));
    }
    found.push(only.into());
    let mut more = vec![json!(1), json!("a"), json!(null), json!({}), json!([])];
    if schema["additionalProperties"].is_object() {
        let mut all = samples(document, &schema["additionalProperties"], depth - 1);
        all.truncate(SOME);
        more.extend(all);
    }
    found.extend(more.into_iter().map(|value| with("zz", value)));
    let mut growing = whole.clone();
    for at in 0..4 {
        growing[format!("y{at}")] = typical(document, &schema["additionalProperties"], depth - 1);
        found.push(growing.clone());
    }
    found
}
