//! Documents that are too big for a file.

use super::*;

/// A named kind of schema, built around an inner one.
type Made<T> = (&'static str, fn(T) -> Value);

/// A document whose request and success response have a schema given as text.
fn of_text(schema: &str, components: &str) -> String {
    let document = document(&json!("@schema"), &json!("@schema"), &json!("@components"));
    document
        .to_string()
        .replace("\"@schema\"", schema)
        .replace("\"@components\"", components)
}

fn of(schema: &Value, components: &Value) -> String {
    document(schema, schema, components).to_string()
}

/// Wraps a text `depth` times.
fn nested(before: &str, inner: &str, after: &str, depth: usize) -> String {
    format!("{}{inner}{}", before.repeat(depth), after.repeat(depth))
}

/// Enough for anything quadratic to miss the deadline. The benchmarks have more.
const MANY: usize = 20_000;

const DEPTHS: [usize; 7] = [10, 60, 70, 240, 511, 600, 100_000];

#[test]
fn changes_in_deep_json_are_noticed() {
    for depth in DEPTHS {
        for (before, inner, after) in [("[", "1", "]"), ("{\"a\":", "1", "}")] {
            let old = nested(before, inner, after, depth);
            let new = nested(before, "2", after, depth);
            for keyword in ["x-deep", "example", "default", "deep"] {
                let schema = |value: &str| format!("{{\"type\":\"string\",\"{keyword}\":{value}}}");
                let (old, new) = (of_text(&schema(&old), "{}"), of_text(&schema(&new), "{}"));
                both_ways(&format!("{depth} times {before} in {keyword}"), &old, &new);
            }
        }
    }
}

#[test]
fn changes_in_deep_schemas_are_noticed() {
    for depth in DEPTHS {
        for (before, after) in [
            ("{\"type\":\"array\",\"items\":", "}"),
            ("{\"type\":\"object\",\"properties\":{\"a\":", "}}"),
            (
                "{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":",
                "}}",
            ),
            ("{\"type\":\"object\",\"additionalProperties\":", "}"),
            ("{\"allOf\":[", "]}"),
            ("{\"anyOf\":[", "]}"),
            ("{\"oneOf\":[{\"type\":\"boolean\"},", "]}"),
            (
                "{\"anyOf\":[{\"type\":\"object\"},{\"type\":\"array\",\"items\":",
                "}]}",
            ),
            ("{\"not\":", "}"),
        ] {
            let of = |inner: &str| of_text(&nested(before, inner, after, depth), "{}");
            let (old, new) = (of("{\"type\":\"integer\"}"), of("{\"type\":\"string\"}"));
            both_ways(&format!("{depth} times {before}"), &old, &new);
        }
    }
}

/// A chain of components, each referring to the next.
fn chain(length: usize, link: impl Fn(Value) -> Value, end: &Value) -> (Value, Value) {
    let reference = |index: usize| json!({"$ref": format!("#/components/schemas/S{index}")});
    let mut components: Map<String, Value> = (0..length)
        .map(|index| (format!("S{index}"), link(reference(index + 1))))
        .collect();
    components.insert(format!("S{length}"), end.clone());
    (reference(0), components.into())
}

#[test]
fn changes_behind_long_reference_chains_are_noticed() {
    for length in [10, 60, 70, 3_000] {
        let links: [Made<Value>; 8] = [
            ("alone", |next| next),
            (
                "property",
                |next| json!({"type": "object", "properties": {"a": next}}),
            ),
            ("items", |next| json!({"type": "array", "items": next})),
            (
                "map",
                |next| json!({"type": "object", "additionalProperties": next}),
            ),
            ("allOf", |next| json!({"allOf": [next]})),
            (
                "anyOf",
                |next| json!({"anyOf": [next, {"type": "boolean"}]}),
            ),
            (
                "required property",
                |next| json!({"type": "object", "required": ["a"], "properties": {"a": next}}),
            ),
            ("union of objects", |next| {
                json!({"oneOf": [
                    {"type": "object", "required": ["a"], "properties": {"a": next}},
                    {"type": "array", "items": next}
                ]})
            }),
        ];
        for (name, link) in links {
            let text = |end: Value| {
                let (schema, components) = chain(length, link, &end);
                of(&schema, &components)
            };
            let (old, new) = (
                text(json!({"type": "integer"})),
                text(json!({"type": "string"})),
            );
            both_ways(&format!("{length} references, {name}"), &old, &new);
        }
    }
}

/// 2^40 paths through 40 schemas.
#[test]
fn changes_behind_branching_references_are_noticed() {
    let forks: [Made<Value>; 6] = [
        (
            "properties",
            |next| json!({"type": "object", "properties": {"a": next, "b": next}}),
        ),
        (
            "required properties",
            |next| json!({"type": "object", "required": ["a", "b"], "properties": {"a": next, "b": next}}),
        ),
        ("allOf", |next| json!({"allOf": [next, next]})),
        ("anyOf", |next| json!({"anyOf": [next, next]})),
        (
            "oneOf",
            |next| json!({"oneOf": [next, {"type": "array", "items": next}]}),
        ),
        (
            "items",
            |next| json!({"type": "array", "minItems": 2, "items": next}),
        ),
    ];
    for (name, fork) in forks {
        let text = |end: Value| {
            let (schema, components) = chain(40, fork, &end);
            of(&schema, &components)
        };
        let (old, new) = (
            text(json!({"type": "integer"})),
            text(json!({"type": "string"})),
        );
        both_ways(&format!("40 forks, {name}"), &old, &new);
    }
}

/// Cycles with coprime lengths only align after all pairs.
#[test]
fn changes_in_cycles_of_different_lengths_are_noticed() {
    let cycle = |length: usize, limit: usize| {
        let components: Map<String, Value> = (0..length)
            .map(|index| {
                let next = format!("#/components/schemas/S{}", (index + 1) % length);
                let schema = json!({"type": "object", "properties": {
                    "a": {"$ref": next},
                    "b": {"type": "string", "maxLength": limit}
                }});
                (format!("S{index}"), schema)
            })
            .collect();
        of(
            &json!({"$ref": "#/components/schemas/S0"}),
            &components.into(),
        )
    };
    for (left, right) in [(1, 2), (2, 3), (41, 43)] {
        let (old, new) = (cycle(left, 5), cycle(right, 5));
        // The same values, written differently.
        for (old, new) in [(&old, &new), (&new, &old)] {
            let outcome = compared("cycles", old, new);
            assert!(
                outcome.verdict() >= Some(Verdict::DocsOnly) || left > 10,
                "cycles of {left} and {right}: {}",
                outcome.shown()
            );
        }
        both_ways(
            &format!("cycles of {left} and {right}"),
            &old,
            &cycle(right, 6),
        );
    }
}

#[test]
fn changes_in_huge_enums_are_noticed() {
    let values = |from: usize| -> Vec<String> {
        (from..MANY).map(|index| format!("value {index}")).collect()
    };
    let text = |values: Vec<String>| of(&json!({"type": "string", "enum": values}), &json!({}));
    both_ways(
        "many values, one removed",
        &text(values(0)),
        &text(values(1)),
    );
    let mut reversed = values(0);
    reversed.reverse();
    let outcome = compared("many values backwards", &text(values(0)), &text(reversed));
    assert_eq!(
        outcome.verdict(),
        Some(Verdict::None),
        "{}",
        outcome.shown()
    );

    let numbers: Vec<f64> = (0..MANY).map(|index| index as f64 / 8.0).collect();
    let text = |numbers: &[f64]| of(&json!({"enum": numbers}), &json!({}));
    both_ways(
        "many numbers, one removed",
        &text(&numbers),
        &text(&numbers[1..]),
    );
}

#[test]
fn changes_among_many_properties_are_noticed() {
    let object = |from: usize, last: &str| {
        let properties: Map<String, Value> = (from..MANY)
            .map(|index| {
                let kind = if index + 1 == MANY { last } else { "string" };
                (format!("property {index}"), json!({"type": kind}))
            })
            .collect();
        of(
            &json!({"type": "object", "properties": properties}),
            &json!({}),
        )
    };
    both_ways(
        "many properties, one removed and one of another type",
        &object(0, "string"),
        &object(1, "integer"),
    );
}

#[test]
fn changes_among_many_required_names_are_noticed() {
    let names =
        |from: usize| -> Vec<String> { (from..MANY).map(|index| format!("p{index}")).collect() };
    let text = |names: Vec<String>| of(&json!({"type": "object", "required": names}), &json!({}));
    both_ways("many required, one not", &text(names(0)), &text(names(1)));
}

/// Enough findings to expose anything quadratic.
#[test]
fn thousands_of_changes_are_noticed() {
    let object = |prefix: &str, kind: &str| {
        let properties: Map<String, Value> = (0..3_000)
            .map(|index| (format!("{prefix}{index}"), json!({"type": kind})))
            .collect();
        of(
            &json!({"type": "object", "properties": properties}),
            &json!({}),
        )
    };
    let old = object("a", "string");
    both_ways(
        "3,000 properties of another type",
        &old,
        &object("a", "integer"),
    );
    both_ways("3,000 properties renamed", &old, &object("b", "string"));
    both_ways(
        "3,000 properties gone and others come",
        &old,
        &object("b", "integer"),
    );

    let paths = |prefix: &str| {
        let one = document(
            &json!({"type": "string"}),
            &json!({"type": "string"}),
            &json!({}),
        );
        let item = &one["paths"]["/a"];
        let paths: Map<String, Value> = (0..1_000)
            .map(|index| (format!("/{prefix}/{index}"), item.clone()))
            .collect();
        let mut all = one.clone();
        all["paths"] = paths.into();
        all.to_string()
    };
    both_ways("1,000 paths renamed", &paths("a"), &paths("b"));
}

#[test]
fn changes_among_many_branches_are_noticed() {
    let kinds: [Made<usize>; 4] = [
        (
            "of one value",
            |index| json!({"type": "string", "enum": [format!("v{index}")]}),
        ),
        ("of objects told apart", |index| {
            json!({"type": "object", "required": ["kind"], "properties": {
                "kind": {"type": "string", "enum": [format!("v{index}")]}
            }})
        }),
        (
            "of objects alike",
            |index| json!({"type": "object", "properties": {format!("p{index}"): {"type": "string"}}}),
        ),
        (
            "of lengths",
            |index| json!({"type": "string", "minLength": index, "maxLength": index}),
        ),
    ];
    let count = 600;
    for name in ["anyOf", "oneOf", "allOf"] {
        for (kind, branch) in kinds {
            let text = |from: usize| {
                let branches: Vec<Value> = (from..count).map(branch).collect();
                of(&json!({name: branches}), &json!({}))
            };
            let title = format!("{count} branches of {name} {kind}");
            if name == "allOf" && kind != "of objects alike" {
                // No value is allowed, before or after.
                compared(&title, &text(0), &text(1));
                compared(&title, &text(1), &text(0));
            } else {
                both_ways(&title, &text(0), &text(1));
            }
        }
    }
}

/// Ten unions of ten forms that must all hold: 10^10 combinations.
#[test]
fn changes_in_multiplying_unions_are_noticed() {
    for name in ["anyOf", "oneOf"] {
        let text = |limit: usize, width: usize| {
            let unions: Vec<Value> = (0..10)
                .map(|outer| {
                    let branches: Vec<Value> = (0..width)
                        .map(|inner| {
                            let property = format!("p{outer}");
                            json!({"type": "object", "required": [property], "properties": {
                                property: {"type": "string", "maxLength": inner + limit}
                            }})
                        })
                        .collect();
                    json!({name: branches})
                })
                .collect();
            of(&json!({"allOf": unions}), &json!({}))
        };
        for width in [2, 10] {
            both_ways(
                &format!("10 times {width} {name}"),
                &text(1, width),
                &text(2, width),
            );
        }
        let deep = |limit: usize| {
            let inner = format!("{{\"type\":\"string\",\"maxLength\":{limit}}}");
            let before =
                format!("{{\"{name}\":[{{\"type\":\"integer\"}},{{\"type\":\"boolean\"}},");
            of_text(&nested(&before, &inner, "]}", 50), "{}")
        };
        both_ways(&format!("50 deep {name}"), &deep(5), &deep(6));
    }
}

/// Huge numbers as limits that a witness would have to reach.
#[test]
fn changes_of_unreachable_limits_are_noticed() {
    let numbers = [
        "0",
        "1",
        "4294967296",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551617",
        "1e30",
        "1e999999999",
        "1e999999998",
        "1e-999999999",
        "-1e999999999",
        "1e99999999999999999999",
        "9007199254740993",
        "9007199254740992",
        "0.1",
        "1e9",
    ];
    for (kind, keywords) in [
        ("\"type\":\"string\"", &["minLength", "maxLength"][..]),
        (
            "\"type\":\"array\",\"items\":{\"type\":\"array\",\"minItems\":1000000,\"items\":{}}",
            &["minItems", "maxItems"],
        ),
        (
            "\"type\":\"object\",\"additionalProperties\":{}",
            &["minProperties", "maxProperties"],
        ),
        ("\"type\":\"number\"", &["minimum", "maximum", "multipleOf"]),
        (
            "\"type\":\"integer\"",
            &["minimum", "maximum", "multipleOf"],
        ),
        (
            "\"type\":\"array\",\"uniqueItems\":true,\"items\":{\"type\":\"boolean\"}",
            &["minItems", "maxItems"],
        ),
    ] {
        for keyword in keywords {
            for pair in numbers.windows(2) {
                let text =
                    |number: &str| of_text(&format!("{{{kind},\"{keyword}\":{number}}}"), "{}");
                both_ways(
                    &format!("{keyword} {pair:?} of {kind}"),
                    &text(pair[0]),
                    &text(pair[1]),
                );
            }
        }
    }
}

/// Replaces patterns with each other, including invalid ones and ones with
/// catastrophic backtracking.
#[test]
fn changes_of_hostile_patterns_are_noticed() {
    let patterns = [
        "^[a-z]+$",
        "(a+)+$",
        "^(a|a)*b$",
        "(a{1000}){1000}",
        "((a{100}){100}){100}",
        "(?=a)a",
        "^(?!x).*$",
        "(a)\\1",
        "(a",
        "[z-a]",
        "",
        "^",
        "a{99999999999}",
        "\\p{L}",
        "(?<n>a)\\k<n>",
        "(?i)a",
        "[^]",
        "\\cA",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(x+x+)+y",
        "^(?:a?){30}a{30}$",
        "\\u{1F600}",
        "[\\ud800-\\udfff]",
    ];
    for (index, old) in patterns.iter().enumerate() {
        let new = patterns[(index + 1) % patterns.len()];
        let text = |pattern: &str, limit: usize| {
            let schema = json!({"type": "string", "pattern": pattern, "minLength": limit, "maxLength": 50_000});
            of(&schema, &json!({}))
        };
        both_ways(&format!("{old} to {new}"), &text(old, 0), &text(new, 0));
        both_ways(
            &format!("{old} of 40,000 at least"),
            &text(old, 0),
            &text(old, 40_000),
        );
        let free = of(&json!({"type": "string"}), &json!({}));
        both_ways(
            &format!("{old} or none"),
            &of(&json!({"type": "string", "pattern": old}), &json!({})),
            &free,
        );
    }
}

#[test]
fn changes_in_very_long_strings_are_noticed() {
    let text = |last: &str| {
        let long = format!("{}{last}", "wörter ".repeat(200_000));
        of(
            &json!({"type": "string", "description": long, "enum": [long]}),
            &json!({}),
        )
    };
    both_ways("texts of 1.6 MB", &text("a"), &text("b"));
    let name = "n".repeat(1_000_000);
    let text = |kind: &str| {
        of(
            &json!({"type": "object", "properties": {&name: {"type": kind}}}),
            &json!({}),
        )
    };
    both_ways("a name of 1 MB", &text("string"), &text("integer"));
}

/// Bounds that are equal as doubles.
#[test]
fn differences_beyond_double_precision_are_noticed() {
    for (old, new) in [
        ("18446744073709551616", "18446744073709551617"),
        ("9007199254740992", "9007199254740993"),
        ("0.1", "0.1000000000000000000001"),
        ("1e400", "1e401"),
    ] {
        for keyword in ["minimum", "maximum"] {
            let text = |number: &str| {
                of_text(
                    &format!("{{\"type\":\"number\",\"{keyword}\":{number}}}"),
                    "{}",
                )
            };
            both_ways(keyword, &text(old), &text(new));
        }
        let text = |number: &str| of_text(&format!("{{\"enum\":[{number}]}}"), "{}");
        both_ways("enum", &text(old), &text(new));
    }
    for (old, new) in [
        ("1", "1.0"),
        ("1", "1e0"),
        ("100", "1e2"),
        ("0.10", "1e-1"),
        ("0", "-0.0"),
    ] {
        let text = |number: &str| {
            of_text(
                &format!("{{\"enum\":[{number}],\"minimum\":{number},\"default\":{number}}}"),
                "{}",
            )
        };
        let outcome = compared("spelling", &text(old), &text(new));
        assert_eq!(
            outcome.verdict(),
            Some(Verdict::None),
            "{old} and {new}: {}",
            outcome.shown()
        );
    }
}
