//! That every rule is decided, and what codegen is known to refuse.
//!
//! That all this is what codegen does is the business of the workspace's contract
//! tests, which run it.

use serde_json::{Value, json};

use super::{Decided, decided, refused::refused};
use crate::{Document, RustEffect, compare, json::Tree, rules};

#[test]
fn every_rule_is_decided_or_undecided_on_purpose() {
    let undecided = rules()
        .into_iter()
        .filter(|rule| matches!(decided(rule.id), Decided::By(RustEffect::Undecided)));
    let undecided: Vec<&str> = undecided.map(|rule| rule.id).collect();
    assert_eq!(
        undecided,
        [
            // Codegen refuses what these are about.
            "callbacks-changed",
            "not-compared",
            "only-success-removed",
            "parameter-added",
            "parameter-became-optional",
            "parameter-became-required",
            "parameter-removed",
            "parameter-renamed",
            "parameter-serialisation-changed",
            "path-parameter-renamed",
            "request-media-type-added",
            "request-media-type-removed",
            "request-schema-not-understood",
            "required-parameter-added",
            "response-body-added",
            "response-body-removed",
            "response-schema-not-understood",
            "security-undefined",
            "success-status-added",
            "success-status-removed",
        ]
    );
}

/// A document that codegen takes.
fn document() -> Value {
    json!({
        "openapi": "3.0.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/a": {"post": {
            "operationId": "makeIt",
            "requestBody": {"content": {"application/json": {"schema": {
                "type": "object", "required": ["a"],
                "properties": {"a": {"type": "string"}, "b": {"$ref": "#/components/schemas/B"}}
            }}}},
            "responses": {"200": {"content": {"application/json": {"schema": {
                "type": "object", "properties": {"c": {"type": "string"}}
            }}}}}
        }}},
        "components": {"schemas": {
            "B": {"type": "integer", "minimum": 0},
            "Unused": {"$ref": "#/nowhere", "anything": true}
        }}
    })
}

const POST: &str = "/paths/~1a/post";
const REQUEST: &str = "/paths/~1a/post/requestBody/content/application~1json/schema";

/// The document with values in some places.
fn with(changes: &[(&str, Value)]) -> String {
    let mut document = document();
    for (pointer, value) in changes {
        let (around, key) = pointer.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/");
        document.pointer_mut(around).unwrap()[key] = value.clone();
    }
    document.to_string()
}

#[test]
fn what_codegen_refuses_is_known() {
    let reason = |text: &str| refused(&Tree::parse(text).unwrap());
    assert_eq!(reason(&document().to_string()), None);
    let post = |part: &str| format!("{POST}/{part}");
    let request = |part: &str| format!("{REQUEST}/{part}");
    let b = |part: &str| format!("/components/schemas/B/{part}");
    let mut text = String::new();
    for (pointer, value) in [
        ("/info/title".to_owned(), json!(1)),
        ("/paths/~1a".to_owned(), json!({})),
        ("/paths/~1b".to_owned(), json!(1)),
        ("/paths/~1a/parameters".to_owned(), json!([{}])),
        ("/paths/~1a~1{b}".to_owned(), json!({})),
        ("/security".to_owned(), json!([{"key": []}])),
        (post("operationId"), json!("")),
        (post("operationId"), json!("new")),
        (
            "/paths/~1b".to_owned(),
            json!({"get": {"operationId": "make_it"}}),
        ),
        (post("parameters"), json!([{}])),
        (post("responses"), json!(1)),
        (post("responses/404"), json!({"content": 1})),
        (post("responses/4XX"), json!({})),
        (post("responses/201"), json!({"content": {}})),
        (post("responses"), json!({})),
        (post("requestBody/content/text~1plain"), json!({})),
        (REQUEST.to_owned(), json!(1)),
        (REQUEST.to_owned(), json!({"type": "string"})),
        (
            request("properties/b"),
            json!({"$ref": "#/components/schemas/C"}),
        ),
        (request("properties/b"), json!({"$ref": "b.json"})),
        (request("properties/b"), json!(true)),
        (
            request("properties/b"),
            json!({"allOf": [{"type": "string"}, {"maxLength": 1}]}),
        ),
        (
            request("properties/b"),
            json!({"anyOf": [{"type": "string"}, {"type": "string"}]}),
        ),
        (
            request("properties/b"),
            json!({"anyOf": [{"type": "string"}], "maxLength": 1}),
        ),
        (
            request("properties/b"),
            json!({"anyOf": [{}], "oneOf": [{}]}),
        ),
        (request("properties/b"), json!({"maxLength": 1})),
        (request("properties/b"), json!({"type": "array"})),
        (
            request("properties/b"),
            json!({"type": "string", "nullable": true, "enum": [null]}),
        ),
        (request("properties/A"), json!({})),
        (request("required"), json!(["a", "z"])),
        (b("$ref"), json!("#/components/schemas/B")),
        (b("type"), json!(["integer", "string"])),
        (b("enum"), json!([1])),
        (b("enum"), json!(["a"])),
        (b("default"), json!(-1)),
        (b("const"), json!(1)),
        (b("not"), json!({})),
        (b("maximum"), json!("1")),
        (
            b("properties"),
            json!({"b": {"$ref": "#/components/schemas/B"}}),
        ),
    ] {
        let changed = with(&[(&pointer, value.clone())]);
        let reason = reason(&changed);
        assert!(reason.is_some(), "{pointer}: {value}");
        text.push_str(&format!(
            "{pointer}: {value}\n  {}\n",
            reason.unwrap_or_default()
        ));
    }
    insta::assert_snapshot!("refused", text);
}

fn effect(old: &str, new: &str) -> RustEffect {
    let document = |text| Document::parse("document.json", text).unwrap();
    compare(&document(old), &document(new)).rust
}

#[test]
fn where_codegen_refuses_one_document_nothing_is_decided() {
    let taken = with(&[]);
    let refused = with(&[("/paths/~1a/parameters", json!([{}]))]);
    let more = with(&[
        ("/paths/~1a/parameters", json!([{}])),
        ("/info/description", json!("d")),
    ]);
    let tighter = with(&[
        ("/paths/~1a/parameters", json!([{}])),
        (
            "/components/schemas/B",
            json!({"type": "string", "maxLength": 3}),
        ),
    ]);
    assert_eq!(effect(&taken, &refused), RustEffect::Undecided);
    assert_eq!(effect(&refused, &taken), RustEffect::Undecided);
    assert_eq!(effect(&refused, &tighter), RustEffect::Undecided);
    // A text changes nothing of a client that there is not.
    assert_eq!(effect(&refused, &more), RustEffect::None);
    assert_eq!(effect(&refused, &refused), RustEffect::None);
}

#[test]
fn another_name_of_a_type_is_major_and_no_finding() {
    let reference = json!({"$ref": "#/components/schemas/E"});
    let named = json!({"type": "string", "enum": ["x", "y"]});
    let property = format!("{REQUEST}/properties/e");
    let old = with(&[
        (&property, reference),
        ("/components/schemas/E", named.clone()),
    ]);
    let new = with(&[(&property, named)]);
    let document = |text: &str| Document::parse("document.json", text).unwrap();
    let report = compare(&document(&old), &document(&new));
    let reasons: Vec<&str> = report
        .findings
        .iter()
        .map(|one| one.reason.as_str())
        .collect();
    assert_eq!((reasons, report.rust), (Vec::new(), RustEffect::Major));
}

/// Deep and cyclic schemas end.
#[test]
fn hostile_documents_end() {
    let mut deep = json!({"type": "string"});
    for _ in 0..200 {
        deep = json!({"type": "array", "items": deep});
    }
    let chain = (0..5_000).map(|index| {
        let next = format!("#/components/schemas/C{}", index + 1);
        (
            format!("C{index}"),
            json!({"type": "object", "properties": {"n": {"$ref": next}}}),
        )
    });
    let mut chain: serde_json::Map<String, Value> = chain.collect();
    chain.insert("C5000".to_owned(), json!({"type": "string"}));
    let first = json!({"$ref": "#/components/schemas/C0"});
    let response = format!("{POST}/responses/200/content/application~1json/schema/properties/d");
    for schemas in [chain.clone(), {
        chain.insert("C5000".to_owned(), first.clone());
        chain
    }] {
        let mut document = document();
        document["components"]["schemas"] = Value::Object(schemas);
        document["components"]["schemas"]["B"] = deep.clone();
        let old = document.to_string();
        *document
            .pointer_mut(&response.replace("/properties/d", "/properties/c"))
            .unwrap() = first.clone();
        assert_eq!(effect(&old, &document.to_string()), RustEffect::Major);
    }
}
