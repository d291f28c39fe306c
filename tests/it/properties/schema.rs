//! Generates JSON that a JSON Schema allows.
//!
//! Supports the keywords that the contract's responses use today and panics on any other:
//! ignoring a keyword would weaken the tests.

use proptest::{collection::vec, option, prelude::*, strategy::Union};
use serde_json::{Map, Value, json};

/// Keywords that don't constrain a value.
const ANNOTATIONS: [&str; 3] = ["description", "default", "x-open-map"];

/// Instances of a schema. Its references point into `definitions`.
///
/// Objects are open: they get members that no schema names.
pub(super) fn instances(schema: &Value, definitions: &Value) -> BoxedStrategy<Value> {
    let members = schema.as_object().unwrap();
    let only = |known: &[&str]| {
        for keyword in members.keys().map(String::as_str) {
            assert!(
                known.contains(&keyword) || ANNOTATIONS.contains(&keyword),
                "this strategy has to learn {keyword:?}, as in {schema}"
            );
        }
    };
    if members.is_empty() {
        return anything().boxed();
    }
    if let Some(reference) = members.get("$ref") {
        only(&["$ref"]);
        let name = reference.as_str().unwrap().strip_prefix("#/$defs/");
        return instances(&definitions[name.unwrap()], definitions);
    }
    if let Some([schema]) = members
        .get("allOf")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    {
        only(&["allOf"]);
        return instances(schema, definitions);
    }
    match &schema["type"] {
        Value::Array(types) => {
            let each = types.iter().map(|one| {
                let weight = if one == "null" { 1 } else { 3 };
                let mut schema = schema.clone();
                schema["type"] = one.clone();
                // Constraints of other types don't apply to null.
                if one == "null" {
                    schema = json!({ "type": "null" });
                }
                (weight, instances(&schema, definitions))
            });
            Union::new_weighted(each.collect()).boxed()
        }
        Value::Null => {
            only(&["anyOf"]);
            let branches = members["anyOf"].as_array().unwrap().iter();
            Union::new(branches.map(|branch| instances(branch, definitions))).boxed()
        }
        Value::String(name) => match name.as_str() {
            "null" => Just(Value::Null).boxed(),
            "boolean" => {
                only(&["type"]);
                any::<bool>().prop_map(Value::from).boxed()
            }
            "string" => {
                only(&["type"]);
                text().prop_map(Value::from).boxed()
            }
            "integer" => {
                only(&["type", "minimum"]);
                whole(schema["minimum"].as_u64().unwrap())
            }
            "number" => {
                only(&["type"]);
                prop_oneof![whole(0), any::<i64>().prop_map(Value::from), float()].boxed()
            }
            "array" => {
                only(&["type", "items"]);
                let items = instances(&schema["items"], definitions);
                vec(items, 0..4).prop_map(Value::from).boxed()
            }
            "object" => {
                only(&["type", "properties", "required", "anyOf"]);
                object(schema, definitions)
            }
            other => panic!("there is no type {other}"),
        },
        other => panic!("a type is a name or a list of names, not {other}"),
    }
}

/// An object with all required properties, some optional ones, and some unknown members.
fn object(schema: &Value, definitions: &Value) -> BoxedStrategy<Value> {
    let names = |required: &Value| -> Vec<String> {
        let names = required.as_array().into_iter().flatten();
        names
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    };
    let always = names(&schema["required"]);
    let branches: Vec<Vec<String>> = match schema["anyOf"].as_array() {
        None => vec![Vec::new()],
        Some(branches) => branches
            .iter()
            .map(|branch| {
                let is_required_alone = branch.as_object().unwrap().keys().eq(["required"]);
                assert!(is_required_alone, "this strategy has to learn {branch}");
                names(&branch["required"])
            })
            .collect(),
    };
    let no_properties = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&no_properties);
    let known: Vec<String> = properties.keys().cloned().collect();
    let members: Vec<_> = properties
        .iter()
        .map(|(name, inner)| {
            let name = name.clone();
            (prop::bool::weighted(0.7), instances(inner, definitions))
                .prop_map(move |(is_there, value)| (name.clone(), is_there, value))
        })
        .collect();
    (members, prop::sample::select(branches), extra())
        .prop_map(move |(members, branch, extra)| {
            let has_to_be = |name: &String| always.contains(name) || branch.contains(name);
            let mut object = Map::new();
            for (name, value) in extra {
                // A known name must match its schema.
                if !known.contains(&name) {
                    object.insert(name, value);
                }
            }
            for (name, is_there, value) in members {
                if is_there || has_to_be(&name) {
                    object.insert(name, value);
                }
            }
            Value::Object(object)
        })
        .boxed()
}

/// Members that no schema names.
fn extra() -> impl Strategy<Value = Vec<(String, Value)>> {
    let name = prop_oneof![
        3 => "[a-z~/é\"\\\\ ]{0,3}",
        1 => "meta|usage|seed|extra|prompt|timings|model|__proto__|images|data|0",
    ];
    let some = vec((name, anything()), 1..3);
    option::weighted(0.3, some).prop_map(Option::unwrap_or_default)
}

/// Any JSON value, small.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        whole(0),
        any::<i64>().prop_map(Value::from),
        float(),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec(("[a-c~/é\"]{0,2}", inner), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Strings: some frequently repeated, some empty, some unusual.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "https://cdn\\.example/[ab]\\.png",
        1 => prop::sample::select(vec![
            "",
            " \n",
            "null",
            "data:image/png;base64,iVBORw0KGgo=",
            "data:image/png;base64,",
            "iVBORw0KGgo=",
            "é\"\\/\u{8}\u{c}\n\r\t\u{1}\u{7f}\u{2028}\u{feff}🦖",
        ])
        .prop_map(str::to_owned),
        2 => "\\PC{0,8}",
        1 => vec(any::<char>(), 0..8).prop_map(String::from_iter),
    ]
}

/// Integers from `minimum` up, some beyond 64 bits.
fn whole(minimum: u64) -> BoxedStrategy<Value> {
    let fitting = prop_oneof![
        (minimum..minimum + 3),
        (minimum..=u64::MAX),
        prop::sample::select(vec![
            3_959_063_143,
            (1 << 53) + 1,
            i64::MAX as u64 + 1,
            u64::MAX,
        ]),
    ];
    let beyond = prop::sample::select(vec![1e20, 18_446_744_073_709_551_616.0, 1e300]);
    prop_oneof![
        9 => fitting.prop_map(Value::from),
        1 => beyond.prop_map(Value::from),
    ]
    .boxed()
}

fn float() -> BoxedStrategy<Value> {
    use prop::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    prop_oneof![-2.0..2.0, POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO]
        .prop_map(Value::from)
        .boxed()
}
