//! The base documents of the tests, and helpers to compare them.

use std::{fs, path::Path};

use openapi_drift::{Document, Report, Wire, compare};
use serde_json::{Value, json};

/// Reads a file in `tests/`.
pub(crate) fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn read_json(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) fn compare_texts(old: &str, new: &str) -> Report {
    let parse = |name: &str, text: &str| {
        Document::parse(name, text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    };
    compare(&parse("old.json", old), &parse("new.json", new))
}

pub(crate) fn compare_values(old: &Value, new: &Value) -> Report {
    compare_texts(&old.to_string(), &new.to_string())
}

/// The rules of all findings except documentation, sorted.
pub(crate) fn rules_on_the_wire(report: &Report) -> Vec<&'static str> {
    let mut rules: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.wire != Wire::Docs)
        .map(|finding| finding.rule.id)
        .collect();
    rules.sort_unstable();
    rules
}

/// One line per finding, for failure messages.
pub(crate) fn shown(report: &Report) -> String {
    let mut text = report.verdict.to_string();
    for finding in &report.findings {
        text.push_str(&format!(
            "\n      {} {} {} -> {}: {}",
            finding.wire, finding.rule.id, finding.old_pointer, finding.new_pointer, finding.reason
        ));
        if let Some(witness) = &finding.witness {
            text.push_str(&format!("\n        {}", witness.exchange));
        }
    }
    text
}

/// The pointer of a schema in the only operation of a document.
pub(crate) const REQUEST: &str = "/paths/~1a/post/requestBody/content/application~1json/schema";
pub(crate) const RESPONSE: &str = "/paths/~1a/post/responses/200/content/application~1json/schema";

/// A document with one operation and these schemas for its request and its success
/// response.
pub(crate) fn document(request: &Value, response: &Value, components: &Value) -> Value {
    json!({
        "openapi": "3.0.3",
        "info": {"title": "One operation", "version": "1"},
        "servers": [{"url": "https://example.com"}],
        "paths": {"/a": {"post": {
            "operationId": "a",
            "requestBody": {"required": true, "content": {"application/json": {"schema": request}}},
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": response}}}}
        }}},
        "components": {"schemas": components}
    })
}
