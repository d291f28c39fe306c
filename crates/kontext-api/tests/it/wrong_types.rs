//! Values of an unexpected type neither hide images nor get lost.

use kontext_api::GeneratedImages;
use serde_json::{Value, json};

/// A body with every field that the client reads.
fn whole() -> Value {
    json!({
        "images": [{
            "url": "https://e.com/1", "b64_json": "iVBORw0KGgo=", "content_type": "image/png",
            "file_name": "1.png", "file_size": 1, "width": 2, "height": 3,
        }],
        "data": [{ "url": "https://e.com/2" }],
        "seed": 4,
        "prompt": "p",
        "model": "m",
        "has_nsfw_concepts": [false],
        "timings": { "a": 1 },
        "meta": { "usage": { "credits_used": 5, "tokens_used": 6, "usd_spent": 7 } },
    })
}

/// Collects the JSON pointers of everything inside `value`.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| (index.to_string(), item))
            .collect(),
        Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), v)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in inner {
        let at = format!("{at}/{name}");
        places(value, &at, into);
        into.push(at);
    }
}

#[test]
fn wrong_types_neither_hide_images_nor_get_lost() {
    let mut all = Vec::new();
    places(&whole(), "", &mut all);
    assert!(all.len() > 20, "{all:?}");
    for at in &all {
        for wrong in [
            json!("x"),
            json!("-7"),
            json!(-7),
            json!(0.5),
            json!(1e300),
            json!(true),
            json!([]),
            json!(["x"]),
            json!({}),
            json!({ "x": "y" }),
        ] {
            let mut body = whole();
            let is_of_the_type = match (body.pointer(at).unwrap(), &wrong) {
                (Value::String(_), wrong) => wrong.is_string(),
                // Costs may be any number, or a string that contains one.
                (Value::Number(_), wrong) if at.contains("usage") => {
                    wrong.is_number() || wrong == "-7"
                }
                (Value::Bool(_), wrong) => wrong.is_boolean(),
                (Value::Object(_), Value::Object(_)) | (Value::Array(_), Value::Array(_)) => {
                    continue;
                }
                _ => at.starts_with("/timings/"),
            };
            *body.pointer_mut(at).unwrap() = wrong.clone();
            let text = body.to_string();
            let answer = GeneratedImages::from_json(text.as_str()).unwrap();
            assert!(!answer.images().is_empty(), "{text}");
            if is_of_the_type {
                continue;
            }
            // An entry that is not an image is reported as a whole.
            let noted = answer.unknown_fields().any(|(pointer, raw)| {
                let raw: Value = serde_json::from_str(raw).unwrap();
                let rest = at.strip_prefix(pointer);
                rest.and_then(|rest| raw.pointer(rest)) == Some(&wrong)
            });
            assert!(noted, "{at} in {text}: {answer:?}");
        }
    }
}

#[test]
fn numeric_string_is_read_as_cost() {
    let usage = |value: &str| {
        let body = format!("{{\"meta\": {{\"usage\": {{\"credits_used\": {value}}}}}}}");
        let answer = GeneratedImages::from_json(body).unwrap();
        let unknown = answer.unknown_fields().count();
        let credits = answer.usage().unwrap().credits_used.clone();
        (credits.map(|number| number.to_string()), unknown)
    };
    for (value, number) in [
        ("\"91000\"", "91000"),
        ("\" 91000.5 \"", "91000.5"),
        ("\"9.1e4\"", "9.1e4"),
        ("91000", "91000"),
    ] {
        assert_eq!(usage(value), (Some(number.to_owned()), 0), "{value}");
    }
    for value in [
        "\"\"",
        "\"91,000\"",
        "\"$7\"",
        "\"null\"",
        "\"[7]\"",
        "\"0x7\"",
        "[7]",
    ] {
        assert_eq!(usage(value), (None, 1), "{value}");
    }
}

#[test]
fn finds_images_in_every_known_place() {
    for (body, images) in [
        (r#"{"images": ["https://e.com/1", "https://e.com/2"]}"#, 2),
        (r#"{"data": ["https:\/\/e.com\/1"]}"#, 1),
        (
            r#"{"images": ["https://e.com/1"], "data": [{"url": "https://e.com/1"}]}"#,
            1,
        ),
        (r#"{"images": "https://e.com/1"}"#, 1),
        (r#"{"images": {"url": "https://e.com/1"}}"#, 1),
        (r#"{"data": {"b64_json": "iVBORw0KGgo="}}"#, 1),
        (r#"{"images": ["iVBORw0KGgoAAAANSUhEUg=="]}"#, 1),
        (r#"{"images": ["data:image/png;base64,iVBORw0KGgo="]}"#, 1),
        (r#"[{"url": "https://e.com/1"}, "https://e.com/2"]"#, 2),
        (
            r#"{"images": "none", "data": [{"url": "https://e.com/1"}]}"#,
            1,
        ),
        (
            r#"{"images": [7, {"url": 7}, {"url": "https://e.com/1"}]}"#,
            1,
        ),
        (
            r#"{"images": [{"url": {}, "b64_json": "iVBORw0KGgo="}]}"#,
            1,
        ),
    ] {
        let answer = GeneratedImages::from_json(body).unwrap();
        assert_eq!(answer.images().len(), images, "{body}");
        for image in answer.images() {
            assert!(image.url().is_some() || image.decode_base64().unwrap().is_some());
        }
    }
    let answer = GeneratedImages::from_json(
        r#"{"images": "none", "data": [{"url": "https://e.com/1"}, 7, {"url": 8, "b64_json": "aGk="}]}"#,
    );
    assert_eq!(
        answer.unwrap().unknown_fields().collect::<Vec<_>>(),
        [
            ("/images", "\"none\""),
            ("/data/1", "7"),
            ("/data/2/url", "8")
        ]
    );
}

#[test]
fn unreadable_images_error_names_the_first() {
    for (body, pointer, message) in [
        ("7", "", "at its top level: expected an object, found 7"),
        ("[7]", "", "at its top level: expected an object, found [7]"),
        (r#"{"images": 7}"#, "/images", "expected an image, found 7"),
        (
            r#"{"data": "none"}"#,
            "/data",
            "expected an image, found \"none\"",
        ),
        (
            r#"{"images": [null, 7]}"#,
            "/images/1",
            "expected an image, found 7",
        ),
        (
            r#"{"data": [[]]}"#,
            "/data/0",
            "expected an image, found []",
        ),
        (
            r#"{"images": [{"width": 7, "url": 7}, {"url": 8}]}"#,
            "/images/0/url",
            "expected a string, found 7",
        ),
        (
            r#"{"data": [{"b64_json": {"a": 1}}], "seed": "x"}"#,
            "/data/0/b64_json",
            "expected a string, found {\"a\": 1}",
        ),
        (
            r#"{"images": {"url": []}}"#,
            "/images/url",
            "expected a string, found []",
        ),
    ] {
        let error = GeneratedImages::from_json(body).unwrap_err();
        assert_eq!(error.pointer(), Some(pointer), "{body}");
        let text = error.to_string();
        assert!(text.contains(message), "{body}: {text}");
        assert_eq!(error.reply().body(), body.as_bytes());
        assert_eq!(error.reply().status().as_u16(), 200);
    }
    // A body without anything that may be an image is not an error.
    for body in [
        "{}",
        r#"{"images": [], "seed": "x", "prompt": 7}"#,
        r#"{"images": null, "data": [null]}"#,
        r#"{"images": [{"b64_json": 7}]}"#,
        r#"{"images": [{"width": "wide"}, {"url": ""}, {"url": null}, " "]}"#,
    ] {
        let answer = GeneratedImages::from_json(body).unwrap();
        assert!(answer.images().is_empty(), "{body}");
    }
}

#[test]
fn found_value_is_shortened() {
    let body = format!(
        "{{\"data\": [{{\"url\": [\"{}\\nforged\"]}}]}}",
        "ä".repeat(10_000)
    );
    let text = GeneratedImages::from_json(body).unwrap_err().to_string();
    assert!(text.len() < 300, "{text}");
}

#[test]
fn invalid_json_after_the_images_hides_none() {
    let images = r#""images": [{"url": "https://e.com/1"}]"#;
    for rest in [
        ", \"timings\": {\"a\": NaN}, \"seed\": 7}",
        ", \"prompt\": \"one\ntwo\"}",
        ", \"seed\": 007}",
        ", seed: 7}",
        ",}",
    ] {
        let body = format!("{{\"new\": 1, {images}{rest}");
        let answer = GeneratedImages::from_json(body.as_str()).unwrap();
        assert_eq!(answer.images()[0].url(), Some("https://e.com/1"));
        assert_eq!(answer.raw(), body);
        let unknown: Vec<_> = answer.unknown_fields().collect();
        assert_eq!(unknown, [("/new", "1"), ("", rest)], "{body}");
    }
    for body in [
        // No image, an image after the invalid part, a truncated body or trailing data.
        "{\"images\": [], \"seed\": NaN}".to_owned(),
        "{\"images\": [{\"url\": NaN}]}".to_owned(),
        format!("{{\"seed\": NaN, {images}}}"),
        format!("{{{images}, \"seed\": "),
        format!("{{{images}"),
        format!("{{{images}}} and more"),
    ] {
        let error = GeneratedImages::from_json(body.as_str()).unwrap_err();
        assert!(
            error.to_string().contains("is not JSON at line 1"),
            "{error}"
        );
        assert_eq!(error.reply().body(), body.as_bytes());
    }
}
