#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use serde_json::json;

use super::*;

const ANY_STRING: StringLimits = StringLimits {
    min_length: None,
    max_length: None,
    format: None,
    values: &[],
};

/// One limit of each sort.
static ALL: Limits = Limits::Object(&[
    Field {
        name: "any",
        required: false,
        limits: Limits::Any,
    },
    Field {
        name: "flag",
        required: false,
        limits: Limits::Boolean,
    },
    Field {
        name: "text",
        required: true,
        limits: Limits::String(StringLimits {
            min_length: Some(2),
            max_length: Some(4),
            ..ANY_STRING
        }),
    },
    Field {
        name: "word",
        required: false,
        limits: Limits::String(StringLimits {
            values: &["jpeg", "png"],
            ..ANY_STRING
        }),
    },
    Field {
        name: "count",
        required: false,
        limits: Limits::Integer(IntegerLimits {
            minimum: Some(1),
            maximum: Some(4),
        }),
    },
    Field {
        name: "share",
        required: false,
        limits: Limits::Number(NumberLimits {
            minimum: Some(0.0),
            maximum: Some(1.0),
            exclusive_minimum: true,
            exclusive_maximum: false,
        }),
    },
    Field {
        name: "url",
        required: true,
        limits: Limits::AnyOf(&[
            Limits::String(StringLimits {
                format: Some(Format::Uri),
                ..ANY_STRING
            }),
            Limits::Array(ArrayLimits {
                min_items: Some(1),
                max_items: Some(2),
                items: &Limits::String(StringLimits {
                    format: Some(Format::Uri),
                    ..ANY_STRING
                }),
            }),
        ]),
    },
    Field {
        name: "known_or_other",
        required: false,
        limits: Limits::AnyOf(&[
            Limits::String(StringLimits {
                values: &["a"],
                ..ANY_STRING
            }),
            Limits::String(StringLimits {
                max_length: Some(1),
                ..ANY_STRING
            }),
        ]),
    },
    Field {
        name: "inner",
        required: false,
        limits: Limits::Object(&[Field {
            name: "deep",
            required: true,
            limits: Limits::Boolean,
        }]),
    },
]);

/// The violations of an otherwise valid request with this field in it.
fn with(name: &str, value: serde_json::Value) -> Vec<String> {
    let mut request = json!({ "text": "abc", "url": "https://example.com/" });
    request[name] = value;
    violations(&request)
}

fn violations(request: &impl serde::Serialize) -> Vec<String> {
    match check(request, &ALL) {
        Ok(()) => Vec::new(),
        Err(error) => error.violations().iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_is_within_the_limits_passes() {
    for (name, value) in [
        ("any", json!({ "a": [1, null] })),
        ("unknown", json!("x")),
        ("flag", json!(true)),
        ("flag", json!(null)),
        ("text", json!("ab")),
        // Four characters outside the basic plane, sixteen bytes.
        ("text", json!("𝄞𝄞𝄞𝄞")),
        ("word", json!("png")),
        ("count", json!(1)),
        ("count", json!(4)),
        ("count", json!(4.0)),
        ("share", json!(0.001)),
        ("share", json!(1)),
        ("url", json!("data:image/png;base64,iVBORw0KGgo=")),
        ("url", json!(["https://example.com/", "http://[::1]/"])),
        ("known_or_other", json!("a")),
        ("known_or_other", json!("b")),
        ("inner", json!({ "deep": false, "more": 1 })),
    ] {
        assert_eq!(with(name, value.clone()), [""; 0], "{name}: {value}");
    }
}

#[test]
fn each_violation_names_field_limit_and_value() {
    for (name, value, expected) in [
        ("flag", json!("x"), "flag: must be a boolean, got \"x\""),
        (
            "text",
            json!("a"),
            "text: must have at least 2 characters, got 1 characters",
        ),
        (
            "text",
            json!("äöüßé"),
            "text: must have at most 4 characters, got 5 characters",
        ),
        ("text", json!(7), "text: must be a string, got 7"),
        (
            "word",
            json!("gif"),
            "word: must be one of \"jpeg\", \"png\", got \"gif\"",
        ),
        ("count", json!(0), "count: must be at least 1, got 0"),
        ("count", json!(5), "count: must be at most 4, got 5"),
        (
            "count",
            json!(u64::MAX),
            "count: must be at most 4, got 18446744073709551615",
        ),
        (
            "count",
            json!(1.5),
            "count: must be a whole number, got 1.5",
        ),
        ("share", json!(0), "share: must be more than 0, got 0"),
        ("share", json!(1.5), "share: must be at most 1, got 1.5"),
        ("url", json!(7), "url: must be a string or a list, got 7"),
        (
            "url",
            json!({}),
            "url: must be a string or a list, got an object",
        ),
        (
            "url",
            json!([]),
            "url: must have at least 1 item, got 0 items",
        ),
        (
            "url",
            json!("cat"),
            "url: must be an http, https or data URI, got \"cat\"",
        ),
        (
            "url",
            json!(["https://example.com/", "cat"]),
            "url[1]: must be an http, https or data URI, got \"cat\"",
        ),
        (
            "known_or_other",
            json!("bb"),
            "known_or_other: must be one of \"a\", got \"bb\"",
        ),
        ("inner", json!({}), "inner.deep: is required"),
        (
            "inner",
            json!({ "deep": 1 }),
            "inner.deep: must be a boolean, got 1",
        ),
    ] {
        assert_eq!(with(name, value.clone()), [expected], "{name}: {value}");
    }
}

#[test]
fn floats_that_json_cannot_write_are_seen() {
    for (number, expected) in [
        (f64::NAN, "share: must be a finite number, got NaN"),
        (f64::INFINITY, "share: must be a finite number, got inf"),
    ] {
        let request = BTreeMap::from([("share", number)]);
        assert_eq!(violations(&request)[0], expected);
    }
    let request = BTreeMap::from([("count", f64::NAN)]);
    assert_eq!(
        violations(&request)[0],
        "count: must be a whole number, got NaN"
    );
}

#[test]
fn all_violations_come_at_once() {
    let request = json!({ "url": ["a", "b", "c"], "count": 9 });
    assert_eq!(violations(&request).len(), 6, "{:?}", violations(&request));
    let error = check(&request, &ALL).unwrap_err().to_string();
    assert!(
        error.starts_with("the request is not valid: ") && !error.contains('\n'),
        "{error}"
    );
    assert!(error.contains("text: is required"), "{error}");
}

#[test]
fn a_long_value_is_shortened() {
    let text = format!("data:\n{}", "ä".repeat(5_000_000));
    let violations = with("url", json!(text));
    assert!(violations[0].len() < 300, "{violations:?}");
    assert!(
        violations[0].ends_with("(10000006 bytes)"),
        "{violations:?}"
    );
    assert!(!violations[0].contains('\n'), "{violations:?}");
}

#[test]
fn a_value_that_cannot_be_compared_is_not_let_through() {
    #[derive(serde::Serialize)]
    enum Tagged {
        Variant(u8),
    }
    let violations = violations(&Tagged::Variant(1));
    assert_eq!(
        violations,
        ["the request: must be a value that can be checked (Tagged is a tagged enum)"]
    );
}
