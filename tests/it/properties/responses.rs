//! Every response that the contract allows decodes without loss, however it is formatted.

use contract_tests::{Spelled, kept, lost_paths, spell};
use kontext_api::GeneratedImages;
use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use super::{contract, schema};
use crate::published_client::Published;

/// The schema of a successful response.
fn success(operation: &Value) -> &Value {
    &operation["responses"]["200"]["content"]["application/json"]
}

/// Bodies that the contract allows.
///
/// The contract's `ImageFile` and `ImageData` name different members, but the client reads
/// all of them in both. So each also gets the members of the other, with the declared type
/// or any type.
fn bodies() -> BoxedStrategy<Value> {
    let operation = contract::operation();
    let mut definitions = operation["$defs"].clone();
    for (to, from) in [("ImageFile", "ImageData"), ("ImageData", "ImageFile")] {
        let borrowed = operation["$defs"][from]["properties"].as_object().unwrap();
        let properties = definitions[to]["properties"].as_object_mut().unwrap();
        for (name, schema) in borrowed {
            properties
                .entry(name.clone())
                .or_insert_with(|| json!({ "anyOf": [schema, {}] }));
        }
    }
    schema::instances(success(&operation), &definitions)
}

fn lost(sent: &Value, spelled: &Spelled, answer: &GeneratedImages) -> Vec<String> {
    lost_paths(sent, &kept(sent, &spelled.parts, answer))
}

/// What the client decodes, without the values it passes through as raw text.
fn read(answer: &GeneratedImages) -> Value {
    let images = answer.images().iter().map(|image| {
        json!([
            image.url(),
            image.base64(),
            image.content_type(),
            image.file_name(),
            image.file_size(),
            image.width(),
            image.height(),
            image.is_nsfw(),
        ])
    });
    json!({
        "images": images.collect::<Vec<_>>(),
        "seed": answer.seed(),
        "prompt": answer.prompt(),
        "model": answer.model(),
        "has_nsfw_concepts": answer.has_nsfw_concepts(),
    })
}

#[test]
fn any_valid_body_decodes_without_loss() {
    let operation = contract::operation();
    let validator = contract::validator(&operation, success(&operation));
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(1_000)
    };
    TestRunner::new(config)
        .run(&(bodies(), vec(any::<u8>(), 1..40)), |(sent, choices)| {
            prop_assert!(validator.is_valid(&sent), "the strategy made {sent}");
            let usual = spell(&sent, &[]);
            let odd = spell(&sent, &choices);
            let mut answers = Vec::new();
            for spelled in [&usual, &odd] {
                let value: Value = serde_json::from_str(&spelled.text).unwrap();
                prop_assert!(validator.is_valid(&value), "spelled as {}", spelled.text);
                let answer = match GeneratedImages::from_json(spelled.text.as_str()) {
                    Ok(answer) => answer,
                    Err(error) => {
                        return Err(TestCaseError::fail(format!("{error} in {}", spelled.text)));
                    }
                };
                let lost = lost(&sent, spelled, &answer);
                prop_assert!(lost.is_empty(), "{lost:?} of {}", spelled.text);
                answers.push(answer);
            }
            prop_assert_eq!(read(&answers[0]), read(&answers[1]), "{}", odd.text);
            Ok(())
        })
        .unwrap();
}

/// Bodies from the strategy `bodies`, the same in every run.
fn some_bodies(count: usize) -> Vec<Value> {
    let mut runner = TestRunner::deterministic();
    let bodies = bodies();
    (0..count)
        .map(|_| bodies.new_tree(&mut runner).unwrap().current())
        .collect()
}

#[test]
fn generated_bodies_cover_every_shape() {
    let operation = contract::operation();
    let bodies = some_bodies(600);
    let count = |is_one: &dyn Fn(&Value) -> bool| bodies.iter().filter(|body| is_one(body)).count();
    let has_images = |list: &Value| list.as_array().is_some_and(|items| !items.is_empty());
    for (sort, is_one) in [
        (
            "both lists",
            &(|body: &Value| has_images(&body["images"]) && has_images(&body["data"]))
                as &dyn Fn(&Value) -> bool,
        ),
        ("images alone", &|body| {
            has_images(&body["images"]) && body.get("data").is_none()
        }),
        ("data alone", &|body| {
            has_images(&body["data"]) && body.get("images").is_none()
        }),
        ("an empty list", &|body| body["images"] == json!([])),
        ("data is null", &|body| {
            body.get("data") == Some(&Value::Null)
        }),
        ("meta is null", &|body| {
            body.get("meta") == Some(&Value::Null)
        }),
        ("a usage", &|body| body["meta"]["usage"].is_object()),
        ("the largest seed", &|body| body["seed"] == json!(u64::MAX)),
        ("one image in both", &|body| {
            let urls = |list: &str| -> Vec<_> {
                let entries = body[list].as_array().into_iter().flatten();
                entries
                    .filter_map(|entry| entry["url"].as_str().filter(|url| url.len() > 9))
                    .collect()
            };
            let data = urls("data");
            urls("images").iter().any(|url| data.contains(url))
        }),
        ("an unknown member", &|body| {
            let known = operation["$defs"]["GenerateImageResponse"]["properties"]
                .as_object()
                .unwrap();
            body.as_object()
                .unwrap()
                .keys()
                .any(|name| !known.contains_key(name))
        }),
    ] {
        let found = count(is_one);
        assert!(found >= 3, "{sort}: {found} of {}", bodies.len());
    }
}

/// A body with every property that the contract and the client know, no value twice, and
/// unknown members at every level.
fn whole_body() -> Value {
    json!({
        "images": [
            {
                "url": "https://cdn.example/1.png", "content_type": "image/png",
                "file_name": "1.png", "file_size": 101, "width": 102, "height": 103, "x": ["y"],
            },
            { "url": "https://cdn.example/2.png", "b64_json": "AAAA" },
        ],
        "data": [
            { "url": "https://cdn.example/3.png", "b64_json": "BBBB", "revised_prompt": "three" },
            { "url": null, "b64_json": "CCCC", "width": 104 },
            { "note": "no image" },
        ],
        "seed": 105,
        "prompt": "a cat",
        "model": "some model",
        "has_nsfw_concepts": [true, false],
        "timings": { "inference": 0.5, "steps": { "first": [106] } },
        "meta": {
            "usage": { "credits_used": 107, "tokens_used": 108, "usd_spent": 0.25, "y": 109 },
            "z": {},
        },
        "created": 110,
    })
}

/// The pointers of all leaves except nulls. Empty containers count as leaves.
fn leaves(value: &Value, at: &str, into: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{at}/{index}"), into);
            }
        }
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                leaves(member, &format!("{at}/{name}"), into);
            }
        }
        _ => into.push(at.to_owned()),
    }
}

#[test]
fn whole_body_has_every_contract_property() {
    let body = whole_body();
    let operation = contract::operation();
    assert!(contract::validator(&operation, success(&operation)).is_valid(&body));
    let definitions = &operation["$defs"];
    for (definition, at) in [
        ("GenerateImageResponse", ""),
        ("ImageFile", "/images/0"),
        ("ImageData", "/data/0"),
        ("Meta", "/meta"),
        ("Usage", "/meta/usage"),
    ] {
        for name in definitions[definition]["properties"]
            .as_object()
            .unwrap()
            .keys()
        {
            assert!(
                body.pointer(&format!("{at}/{name}")).is_some(),
                "{definition} has {name}, which whole_body() has to have"
            );
        }
    }
}

/// Any value of a body that is lost or changed is noticed.
#[test]
fn lost_or_changed_value_is_detected() {
    let sent = whole_body();
    let spelled = spell(&sent, &[]);
    let lost_of = |body: &Value| {
        let answer = GeneratedImages::from_json(body.to_string()).unwrap();
        lost(&sent, &spelled, &answer)
    };
    assert_eq!(lost_of(&sent), [""; 0]);
    let mut all = Vec::new();
    leaves(&sent, "", &mut all);
    assert!(all.len() > 25, "{all:?}");
    for leaf in all {
        let without = Value::Null;
        let changed = match sent.pointer(&leaf).unwrap() {
            Value::Bool(flag) => json!(!flag),
            Value::Number(_) => json!(7),
            Value::String(text) => json!(format!("{text}A")),
            _ => json!({ "other": 7 }),
        };
        for value in [without, changed] {
            let mut body = sent.clone();
            *body.pointer_mut(&leaf).unwrap() = value;
            let lost = lost_of(&body);
            assert!(
                lost.contains(&leaf),
                "{leaf} became {body}, and only {lost:?} is lost"
            );
        }
    }
}

#[test]
fn client_of_published_document_loses_values() {
    let (mut decoded, mut whole) = (0, 0);
    for body in some_bodies(200) {
        let spelled = spell(&body, &[]);
        let answer = GeneratedImages::from_json(spelled.text.as_str()).unwrap();
        if answer.images().is_empty() || body["images"] == Value::Null {
            continue;
        }
        if let Ok(published) = serde_json::from_str::<Published>(&spelled.text) {
            decoded += 1;
            let kept = serde_json::to_value(&published).unwrap();
            whole += usize::from(lost_paths(&body, &kept).is_empty());
        }
    }
    assert!(
        decoded > 40 && whole == 0,
        "{whole} of {decoded} came whole"
    );
}

/// A value of the wrong type neither hides an image nor is lost.
#[test]
fn wrong_types_withhold_no_image_and_are_kept() {
    let operation = contract::operation();
    let validator = contract::validator(&operation, success(&operation));
    let sent = whole_body();
    let mut all = vec![
        "/images",
        "/data",
        "/images/0",
        "/data/0",
        "/meta",
        "/meta/usage",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain(["/timings".to_owned(), "/has_nsfw_concepts".to_owned()])
    .collect();
    leaves(&sent, "", &mut all);
    let mut refused = 0;
    for leaf in all {
        for wrong in [
            json!("7"),
            json!(7),
            json!(-7),
            json!(0.5),
            json!(true),
            json!({}),
            json!([]),
        ] {
            let mut body = sent.clone();
            *body.pointer_mut(&leaf).unwrap() = wrong.clone();
            if validator.is_valid(&body) {
                continue;
            }
            refused += 1;
            let spelled = spell(&body, &[]);
            let answer = GeneratedImages::from_json(spelled.text.as_str()).unwrap();
            assert!(!answer.images().is_empty(), "{body}");
            // A cost may be a string.
            let is_cost = leaf.starts_with("/meta/usage/") && wrong == json!("7");
            if is_cost {
                let usage = answer.usage().unwrap();
                let costs = [&usage.credits_used, &usage.tokens_used, &usage.usd_spent];
                assert!(costs.iter().all(|cost| cost.is_some()), "{body}");
                continue;
            }
            assert_eq!(lost(&body, &spelled, &answer), [""; 0], "{body}");
        }
    }
    assert!(refused > 80, "{refused}");
}

/// A value that the contract allows but no accessor can return doesn't fail decoding.
#[test]
fn values_without_accessor_are_kept_verbatim() {
    let operation = contract::operation();
    let validator = contract::validator(&operation, success(&operation));
    for (body, place, kept) in [
        (
            r#"{"images":[],"seed":18446744073709551616}"#,
            "/seed",
            "18446744073709551616",
        ),
        (
            r#"{"images":[{"url":"u","file_size":18446744073709551616}]}"#,
            "/images/0/file_size",
            "18446744073709551616",
        ),
        (
            r#"{"images":[{"url":"u","width":1e300}]}"#,
            "/images/0/width",
            "1e300",
        ),
        (
            r#"{"images":[{"url":"u","height":1e20}]}"#,
            "/images/0/height",
            "1e20",
        ),
        (
            r#"{"images":[{"url":"u","b64_json":7}]}"#,
            "/images/0/b64_json",
            "7",
        ),
        (
            r#"{"data":[{"url":"u","content_type":7}]}"#,
            "/data/0/content_type",
            "7",
        ),
        (
            r#"{"data":[{"url":"u","file_name":7}]}"#,
            "/data/0/file_name",
            "7",
        ),
        (
            r#"{"data":[{"url":"u","file_size":"7"}]}"#,
            "/data/0/file_size",
            "\"7\"",
        ),
        (
            r#"{"data":[{"url":"u","width":-7}]}"#,
            "/data/0/width",
            "-7",
        ),
        (
            r#"{"data":[{"url":"u","height":[7]}]}"#,
            "/data/0/height",
            "[7]",
        ),
    ] {
        let value: Value = serde_json::from_str(body).unwrap();
        assert!(validator.is_valid(&value), "{body}");
        let answer = GeneratedImages::from_json(body).unwrap();
        let unknown: Vec<_> = answer.unknown_fields().collect();
        assert_eq!(unknown, [(place, kept)], "{body}");
    }
}
