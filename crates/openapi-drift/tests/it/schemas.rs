//! Random schemas, and small changes to them.

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{select, subsequence},
};
use serde_json::{Map, Value, json};

use crate::edit::{escaped, take};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
pub(crate) const PATTERNS: [&str; 5] = ["^a+$", "^[a-z]*$", "^[0-9]{2}$", "b", "^(a|bb)$"];
pub(crate) const FORMATS: [&str; 6] = ["uri", "date", "uuid", "email", "ipv4", "date-time"];

/// A schema with the component that it may refer to, as `{"schema", "components"}`.
pub(crate) fn root() -> impl Strategy<Value = Value> {
    (schema(), leaf(), option::of(leaf())).prop_map(|(schema, value, more)| {
        let mut node = json!({"type": "object", "required": ["value"], "properties": {
            "value": value, "next": {"$ref": "#/components/schemas/Node"}
        }});
        if let Some(more) = more {
            node["properties"]["more"] = more;
        }
        json!({"schema": schema, "components": {"Node": node}})
    })
}

fn schema() -> BoxedStrategy<Value> {
    leaf()
        .prop_recursive(3, 20, 3, |inner| {
            prop_oneof![
                4 => object(inner.clone(), true),
                2 => (inner.clone(), option::of(0..3_u64), option::of(3..5_u64), any::<bool>()).prop_map(
                    |(items, least, most, unique)| {
                        let mut array = json!({"type": "array", "items": items});
                        set(&mut array, "minItems", least);
                        set(&mut array, "maxItems", most);
                        set(&mut array, "uniqueItems", unique.then_some(true));
                        array
                    }
                ),
                1 => inner.clone().prop_map(|values| json!({"type": "object", "additionalProperties": values})),
                2 => (select(&["anyOf", "oneOf"][..]), vec(inner.clone(), 1..4))
                    .prop_map(|(name, branches)| json!({name: branches})),
                1 => vec(object(inner, false), 1..3).prop_map(|parts| json!({"allOf": parts})),
                1 => Just(json!({"$ref": "#/components/schemas/Node"})),
            ]
        })
        .prop_flat_map(|schema| (Just(schema), prop::bool::weighted(0.15)))
        .prop_map(|(schema, nullable)| if nullable { with_null(schema) } else { schema })
        .boxed()
}

fn object(inner: BoxedStrategy<Value>, may_say_more: bool) -> BoxedStrategy<Value> {
    let more = if may_say_more {
        prop_oneof![
            5 => Just(None),
            1 => Just(Some(json!(false))),
            1 => Just(Some(json!(true))),
            1 => inner.clone().prop_map(Some),
        ]
        .boxed()
    } else {
        Just(None).boxed()
    };
    (
        subsequence(&NAMES[..], 1..4),
        vec(inner, 3),
        subsequence(&[0_usize, 1, 2][..], 0..3),
        more,
    )
        .prop_map(|(names, schemas, required, more)| {
            let required: Vec<&str> = required
                .iter()
                .filter_map(|at| names.get(*at).copied())
                .collect();
            let properties: Map<String, Value> = names
                .iter()
                .map(|name| (*name).to_owned())
                .zip(schemas)
                .collect();
            let mut object = json!({"type": "object", "properties": properties});
            set(
                &mut object,
                "required",
                (!required.is_empty()).then_some(required),
            );
            set(&mut object, "additionalProperties", more);
            object
        })
        .boxed()
}

fn leaf() -> BoxedStrategy<Value> {
    let text = |(least, most): (Option<u64>, Option<u64>)| {
        let mut text = json!({"type": "string"});
        set(&mut text, "minLength", least);
        set(&mut text, "maxLength", most);
        text
    };
    let number = |(kind, least, most, exclusive, step): (
        &str,
        Option<i64>,
        Option<i64>,
        bool,
        Option<i64>,
    )| {
        let mut number = json!({"type": kind});
        set(&mut number, "minimum", least);
        set(
            &mut number,
            "exclusiveMinimum",
            (exclusive && least.is_some()).then_some(true),
        );
        set(&mut number, "maximum", most);
        set(&mut number, "multipleOf", step);
        number
    };
    prop_oneof![
        3 => (option::of(0..4_u64), option::of(4..7_u64)).prop_map(text),
        2 => subsequence(&NAMES[..], 1..4).prop_map(|values| json!({"type": "string", "enum": values})),
        1 => select(&PATTERNS[..]).prop_map(|pattern| json!({"type": "string", "pattern": pattern})),
        1 => select(&FORMATS[..]).prop_map(|format| json!({"type": "string", "format": format})),
        3 => (select(&["integer", "number"][..]), option::of(-3..3_i64), option::of(3..9_i64), any::<bool>(), option::of(1..4_i64))
            .prop_map(number),
        1 => subsequence(&[1, 2, 3, 4][..], 1..4).prop_map(|values| json!({"type": "integer", "enum": values})),
        1 => Just(json!({"type": "boolean"})),
        1 => Just(json!({})),
        1 => Just(json!({"type": "integer", "format": "int32"})),
    ]
    .boxed()
}

fn set(schema: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        schema[name] = value.into();
    }
}

/// Allows null, wherever the schema restricts its values.
fn with_null(mut schema: Value) -> Value {
    if schema.get("$ref").is_some() {
        return json!({"allOf": [schema], "nullable": true});
    }
    schema["nullable"] = json!(true);
    if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        values.push(Value::Null);
    }
    schema
}

/// The pointers of all schemas in a root.
pub(crate) fn positions(root: &Value) -> Vec<String> {
    let mut found = Vec::new();
    below(&root["schema"], "/schema", &mut found);
    for (name, component) in root["components"].as_object().unwrap() {
        below(
            component,
            &format!("/components/{}", escaped(name)),
            &mut found,
        );
    }
    found
}

fn below(schema: &Value, pointer: &str, found: &mut Vec<String>) {
    found.push(pointer.to_owned());
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        below(
            property,
            &format!("{pointer}/properties/{}", escaped(name)),
            found,
        );
    }
    for name in ["items", "additionalProperties"] {
        if schema[name].is_object() {
            below(&schema[name], &format!("{pointer}/{name}"), found);
        }
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        for (index, branch) in schema[name].as_array().into_iter().flatten().enumerate() {
            below(branch, &format!("{pointer}/{name}/{index}"), found);
        }
    }
}

/// All roots that differ from the given one by one change.
pub(crate) fn mutations(root: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for pointer in positions(root) {
        for changed in variants(root.pointer(&pointer).unwrap()) {
            let mut other = root.clone();
            *other.pointer_mut(&pointer).unwrap() = changed;
            all.push(other);
        }
    }
    all
}

fn variants(schema: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    if schema.get("$ref").is_some() {
        return vec![
            json!({}),
            json!({"type": "string"}),
            with_null(schema.clone()),
        ];
    }
    let mut push = |change: &dyn Fn(&mut Value)| {
        let mut changed = schema.clone();
        change(&mut changed);
        if changed != *schema {
            all.push(changed);
        }
    };
    let kind = schema["type"].as_str().unwrap_or_default();
    let remove = |schema: &mut Value, name: &str| {
        schema.as_object_mut().unwrap().remove(name);
    };
    for (of, least, most) in [
        ("string", "minLength", "maxLength"),
        ("array", "minItems", "maxItems"),
        ("object", "minProperties", "maxProperties"),
        ("number integer", "minimum", "maximum"),
    ] {
        for name in [least, most] {
            match schema[name].as_i64() {
                Some(limit) => {
                    push(&|schema| schema[name] = json!(limit + 1));
                    push(&|schema| schema[name] = json!((limit - 1).max(0)));
                    if name != "minimum" {
                        push(&|schema| remove(schema, name));
                    }
                }
                None if !kind.is_empty() && of.contains(kind) => {
                    push(&|schema| schema[name] = json!(2));
                }
                None => {}
            }
        }
    }
    match kind {
        "string" => {
            for pattern in &PATTERNS[..2] {
                push(&|schema| schema["pattern"] = json!(pattern));
            }
            for format in &FORMATS[..2] {
                push(&|schema| schema["format"] = json!(format));
            }
        }
        "integer" | "number" => {
            let other = if kind == "integer" {
                "number"
            } else {
                "integer"
            };
            push(&|schema| schema["type"] = json!(other));
            push(&|schema| schema["multipleOf"] = json!(2));
            push(&|schema| schema["multipleOf"] = json!(3));
            if schema["minimum"].is_number() {
                let exclusive = schema["exclusiveMinimum"] == json!(true);
                push(&|schema| schema["exclusiveMinimum"] = json!(!exclusive));
            }
        }
        "array" => {
            let unique = schema["uniqueItems"] == json!(true);
            push(&|schema| schema["uniqueItems"] = json!(!unique));
        }
        "object" if schema["properties"].is_object() => {
            for more in [json!(false), json!(true), json!({"type": "string"})] {
                push(&|schema| schema["additionalProperties"] = more.clone());
            }
            push(&|schema| schema["properties"]["e"] = json!({"type": "integer"}));
            push(&|schema| {
                schema["properties"]["e"] = json!({"type": "integer"});
                let required = schema
                    .as_object_mut()
                    .unwrap()
                    .entry("required")
                    .or_insert_with(|| json!([]));
                required.as_array_mut().unwrap().push(json!("e"));
            });
        }
        _ => {}
    }
    for name in [
        "pattern",
        "format",
        "multipleOf",
        "enum",
        "additionalProperties",
        "type",
    ] {
        if schema.get(name).is_some()
            && (name != "additionalProperties" || schema["properties"].is_object())
        {
            push(&|schema| remove(schema, name));
        }
    }
    for name in ["enum", "required"] {
        let values = schema[name].as_array().map_or(0, Vec::len);
        for at in 0..values {
            if values > 1 || name == "required" {
                push(&|schema| {
                    schema[name].as_array_mut().unwrap().remove(at);
                });
            }
        }
    }
    if schema["enum"].is_array() {
        let value = if kind == "string" {
            json!("z")
        } else {
            json!(9)
        };
        push(&|schema| schema["enum"].as_array_mut().unwrap().push(value.clone()));
    }
    let names: Vec<&String> = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .collect();
    for name in &names {
        let is_required = schema["required"]
            .as_array()
            .is_some_and(|names| names.contains(&json!(name)));
        let unneed = |schema: &mut Value| {
            if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
                required.retain(|known| known != *name);
            }
        };
        if !is_required {
            push(&|schema| {
                let required = schema
                    .as_object_mut()
                    .unwrap()
                    .entry("required")
                    .or_insert_with(|| json!([]));
                required.as_array_mut().unwrap().push(json!(name));
            });
        }
        if names.len() > 1 {
            push(&|schema| {
                take(schema, &format!("/properties/{name}"));
                unneed(schema);
            });
        }
        push(&|schema| {
            let property = take(schema, &format!("/properties/{name}"));
            unneed(schema);
            schema["properties"]["f"] = property;
        });
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        let Some(branches) = schema[name].as_array() else {
            continue;
        };
        for at in 0..branches.len() {
            if branches.len() > 1 {
                push(&|schema| {
                    schema[name].as_array_mut().unwrap().remove(at);
                });
            }
        }
        if name != "allOf" {
            let other = if name == "anyOf" { "oneOf" } else { "anyOf" };
            if std::env::var_os("NO_SWAP").is_none() {
                push(&|schema| {
                    let branches = schema.as_object_mut().unwrap().remove(name).unwrap();
                    schema[other] = branches;
                });
            }
            for more in [
                json!({"type": "boolean"}),
                json!({"type": "array", "items": {"type": "string"}}),
            ] {
                push(&|schema| schema[name].as_array_mut().unwrap().push(more.clone()));
            }
        }
    }
    if schema["nullable"] == json!(true) {
        push(&|schema| {
            remove(schema, "nullable");
            if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                values.retain(|value| !value.is_null());
            }
        });
    } else if schema != &json!({}) {
        push(&|schema| *schema = with_null(schema.take()));
    }
    for other in [
        json!({}),
        json!({"type": "string"}),
        json!({"type": "integer"}),
        json!({"type": "boolean"}),
    ] {
        push(&|schema| *schema = other.clone());
    }
    all
}
