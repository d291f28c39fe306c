//! Any body either fails to decode or loses no value.

use kontext_api::{GeneratedImages, Image};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Arbitrary small JSON.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("[a-c~/é\"]{0,2}", inner), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("u")),
        Just(json!("v")),
        prop_oneof![Just(json!("")), Just(json!(" \n"))],
        Just(json!("é\"\n/")),
        Just(Value::Null)
    ]
}

fn count() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(7)),
        Just(json!(8.0)),
        Just(json!(u64::MAX)),
        Just(Value::Null)
    ]
}

/// An object with some of these fields, and sometimes an unknown or invalid one.
fn object(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| prop::option::of(value).prop_map(move |value| (name, value)))
        .collect();
    let extra = prop::option::weighted(0.3, ("[a-z~/]{1,3}|url|seed|data", any_value()));
    (members, extra)
        .prop_map(|(members, extra)| {
            let mut object = Map::new();
            object.extend(
                members
                    .into_iter()
                    .filter_map(|(name, value)| Some((name.to_owned(), value?))),
            );
            object.extend(extra);
            Value::Object(object)
        })
        .boxed()
}

fn list(item: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop::collection::vec(item, 0..4)
        .prop_map(Value::from)
        .boxed()
}

fn entry() -> BoxedStrategy<Value> {
    object(vec![
        ("url", text().boxed()),
        ("b64_json", text().boxed()),
        ("content_type", text().boxed()),
        ("file_name", text().boxed()),
        ("file_size", count().boxed()),
        ("width", count().boxed()),
        ("height", count().boxed()),
    ])
}

/// A body that nearly always has one or more of the documented formats.
fn body() -> impl Strategy<Value = Value> {
    let number = || prop_oneof![count(), Just(json!(0.5))].boxed();
    let usage = object(vec![
        ("credits_used", number()),
        ("tokens_used", number()),
        ("usd_spent", number()),
    ]);
    let flag = prop_oneof![any::<bool>().prop_map(Value::from), Just(Value::Null)];
    object(vec![
        (
            "images",
            list(prop_oneof![5 => entry(), 1 => Just(Value::Null)].boxed()),
        ),
        ("data", list(entry())),
        ("seed", count().boxed()),
        ("prompt", text().boxed()),
        ("model", text().boxed()),
        ("has_nsfw_concepts", list(flag.boxed())),
        ("timings", object(vec![("inference", number())])),
        ("meta", object(vec![("usage", usage)])),
    ])
}

/// Collects the JSON pointers of all leaves that are not null.
fn leaves(value: &Value, pointer: &str, into: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                leaves(
                    value,
                    &format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")),
                    into,
                );
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                leaves(value, &format!("{pointer}/{index}"), into);
            }
        }
        _ => into.push(pointer.to_owned()),
    }
}

/// Whether the image's accessor for a field returns `value`.
fn gives(image: &Image, name: &str, value: &Value) -> bool {
    let text = |text: Option<&str>| text.map(Value::from);
    let count = |count: Option<u64>| count.map(|count| count as f64);
    match name {
        "url" => text(image.url()).as_ref() == Some(value),
        "b64_json" => text(image.base64().as_deref()).as_ref() == Some(value),
        "content_type" => text(image.content_type()).as_ref() == Some(value),
        "file_name" => text(image.file_name()).as_ref() == Some(value),
        "file_size" => count(image.file_size()) == value.as_f64(),
        "width" => count(image.width()) == value.as_f64(),
        "height" => count(image.height()) == value.as_f64(),
        _ => false,
    }
}

/// Whether an accessor returns the value at `pointer`.
fn is_read(answer: &GeneratedImages, body: &Value, pointer: &str) -> bool {
    let value = body.pointer(pointer).unwrap();
    let number = |number: Option<&kontext_api::Number>| {
        number
            .is_some_and(|number| serde_json::from_str::<Value>(number.as_str()).unwrap() == *value)
    };
    let parts: Vec<_> = pointer.split('/').skip(1).collect();
    match parts.as_slice() {
        ["seed"] => answer.seed().map(|seed| seed as f64) == value.as_f64(),
        ["prompt"] => answer.prompt() == value.as_str(),
        ["model"] => answer.model() == value.as_str(),
        ["has_nsfw_concepts", index] => {
            answer.has_nsfw_concepts().unwrap()[index.parse::<usize>().unwrap()] == value.as_bool()
        }
        ["timings", name, ..] => {
            let name = name.replace("~1", "/").replace("~0", "~");
            let timings = answer.timings().unwrap();
            let (_, raw) = timings.iter().find(|(entry, _)| *entry == name).unwrap();
            serde_json::from_str::<Value>(raw).unwrap() == body["timings"][name]
        }
        ["meta", "usage", name] => {
            let usage = answer.usage().unwrap();
            match *name {
                "credits_used" => number(usage.credits_used.as_ref()),
                "tokens_used" => number(usage.tokens_used.as_ref()),
                "usd_spent" => number(usage.usd_spent.as_ref()),
                _ => false,
            }
        }
        // An image with this entry's URL or base64 also has this field.
        ["images" | "data", index, name] => {
            let entry = &body[parts[0]][index.parse::<usize>().unwrap()];
            let identity = ["url", "b64_json"].into_iter().find(|name| {
                entry[name]
                    .as_str()
                    .is_some_and(|text| !text.trim().is_empty())
            });
            identity.is_some_and(|identity| {
                answer.images().iter().any(|image| {
                    gives(image, identity, &entry[identity]) && gives(image, name, value)
                })
            })
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn random_body_loses_no_value(body in body(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&body) } else { serde_json::to_string(&body) }.unwrap();
        // Compare with a value parsed from the same text: a float may not survive the
        // round trip.
        let body: Value = serde_json::from_str(&text).unwrap();
        let Ok(answer) = GeneratedImages::from_json(text.as_str()) else {
            return Ok(());
        };
        let unknown: Vec<_> = answer.unknown_fields().collect();
        for (pointer, raw) in &unknown {
            prop_assert_eq!(&serde_json::from_str::<Value>(raw).unwrap(), body.pointer(pointer).unwrap(), "{}", pointer);
        }
        let mut all = Vec::new();
        leaves(&body, "", &mut all);
        for leaf in all {
            let is_kept = unknown.iter().any(|(pointer, _)| {
                leaf.strip_prefix(pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
            prop_assert!(is_kept || is_read(&answer, &body, &leaf), "{} is lost in {}", leaf, text);
        }
    }

    #[test]
    fn random_body_never_panics(body: Vec<u8>, value in any_value()) {
        let _ = GeneratedImages::from_json(body);
        let _ = GeneratedImages::from_json(value.to_string());
    }
}

/// Shows that the test above can fail: enough of its bodies decode and have images.
#[test]
fn most_random_bodies_decode() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let decoded = (0..200).filter(|_| {
        let body = body().new_tree(&mut runner).unwrap().current();
        GeneratedImages::from_json(body.to_string()).is_ok_and(|answer| !answer.images().is_empty())
    });
    assert!(decoded.count() > 60);
}
