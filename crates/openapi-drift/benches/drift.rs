//! Time of a comparison, including parsing: on the provider's page, on a mostly
//! unreachable document, and by number of operations.
//!
//! `cargo bench --profile dev --package openapi-drift`: `cargo xtask drift` runs in the
//! dev profile.

use std::{fs, path::Path};

use openapi_drift::{Document, Report, compare};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

/// The provider's page compared to itself, and with one change in a request or in a
/// response.
#[divan::bench(args = ["base.json", "m17-req-maxItems-tightened.json", "m45-resp-items-union-added.json"], sample_count = 50, sample_size = 1)]
fn page(bencher: divan::Bencher<'_, '_>, new: &str) {
    let read = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/drift-cases")
            .join(name);
        fs::read_to_string(path).unwrap_or_default()
    };
    run(bencher, &read("base.json"), &read(new));
}

/// Two documents of 3.2 MB with 257 unreachable schemas and four operations of 9 kB in
/// total, like an older version of the provider's page.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn mostly_unreachable(bencher: divan::Bencher<'_, '_>) {
    let text = |limit: u64| {
        let mut document = document(4, limit);
        for index in 0..257 {
            let properties: Value = (0..70)
                .map(|field| {
                    (
                        format!("field_{field}"),
                        json!({"type": "string", "description": "x".repeat(80)}),
                    )
                })
                .collect();
            document["components"]["schemas"][format!("Unreachable{index}")] =
                json!({"type": "object", "properties": properties});
        }
        let text = format!("{document:#}");
        assert!(text.len() > 2_200_000, "{} bytes", text.len());
        text
    };
    run(bencher, &text(4000), &text(3000));
}

/// Each operation's request has a tighter limit: the most findings to find and report.
#[divan::bench(args = [10, 100, 1000], sample_count = 5, sample_size = 1)]
fn operations_that_changed(bencher: divan::Bencher<'_, '_>, count: usize) {
    run(
        bencher,
        &document(count, 4000).to_string(),
        &document(count, 3000).to_string(),
    );
}

/// One operation is deprecated, the others are unchanged.
#[divan::bench(args = [10, 100, 1000], sample_count = 5, sample_size = 1)]
fn operations(bencher: divan::Bencher<'_, '_>, count: usize) {
    let old = document(count, 4000);
    let mut new = old.clone();
    new["paths"]["/v1/operation-7"]["post"]["deprecated"] = json!(true);
    run(bencher, &old.to_string(), &new.to_string());
}

/// Two documents of 4 MB: 2,250 operations, of which every fifth has a tighter limit.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn large(bencher: divan::Bencher<'_, '_>) {
    let old = document(2_250, 4000);
    let mut new = old.clone();
    for index in (0..2_250).step_by(5) {
        let operation = &mut new["paths"][format!("/v1/operation-{index}")]["post"];
        let schema = &mut operation["requestBody"]["content"]["application/json"]["schema"];
        schema["properties"]["prompt"]["maxLength"] = json!(3000);
    }
    let (old, new) = (format!("{old:#}"), format!("{new:#}"));
    assert!(old.len() > 4_000_000, "{} bytes", old.len());
    run(bencher, &old, &new);
}

/// One change in an object or enum of 100,000 members, or in a text of 8 MB.
#[divan::bench(args = ["properties", "required", "strings", "numbers", "text"], sample_count = 3, sample_size = 1)]
fn hostile(bencher: divan::Bencher<'_, '_>, kind: &str) {
    let schema = |from: usize| {
        let members = from..100_000;
        match kind {
            "properties" => {
                let properties =
                    members.map(|index| (format!("p{index}"), json!({"type": "string"})));
                json!({"type": "object", "properties": properties.collect::<Value>()})
            }
            "required" => {
                let required = members.map(|index| format!("p{index}"));
                json!({"type": "object", "required": required.collect::<Vec<_>>()})
            }
            "strings" => {
                json!({"enum": members.map(|index| format!("v{index}")).collect::<Vec<_>>()})
            }
            "numbers" => {
                json!({"enum": members.map(|index| index as f64 / 8.0).collect::<Vec<_>>()})
            }
            _ => {
                json!({"type": "string", "enum": [format!("{}{from}", "wörter ".repeat(1_000_000))]})
            }
        }
    };
    let text = |from: usize| {
        let mut document = document(1, 4000);
        let operation = &mut document["paths"]["/v1/operation-0"]["post"];
        operation["requestBody"]["content"]["application/json"]["schema"] = schema(from);
        document.to_string()
    };
    run(bencher, &text(0), &text(1));
}

fn run(bencher: divan::Bencher<'_, '_>, old: &str, new: &str) {
    if compared(old, new).is_none() {
        // Don't measure failures.
        eprintln!("a document is unreadable");
        std::process::exit(2);
    }
    bencher.bench_local(|| compared(divan::black_box(old), divan::black_box(new)));
}

fn compared(old: &str, new: &str) -> Option<Report> {
    let old = Document::parse("old.json", old).ok()?;
    let new = Document::parse("new.json", new).ok()?;
    Some(compare(&old, &new))
}

/// A document whose operations have requests and responses like those of the provider's
/// page.
fn document(operations: usize, limit: u64) -> Value {
    let paths: Value = (0..operations)
        .map(|index| {
            let request = json!({"type": "object", "required": ["prompt"], "properties": {
                "prompt": {"type": "string", "maxLength": limit},
                "count": {"type": "integer", "minimum": 1, "maximum": 4, "default": 1},
                "format": {"type": "string", "enum": ["jpeg", "png"], "default": "jpeg"},
                "urls": {"anyOf": [
                    {"type": "string", "format": "uri"},
                    {"type": "array", "items": {"type": "string", "format": "uri"}, "maxItems": 4}
                ]}
            }});
            let response = json!({"type": "object", "properties": {
                "data": {"type": "array", "nullable": true, "items": {"type": "object", "properties": {
                    "url": {"type": "string", "nullable": true}
                }}}
            }});
            let operation = json!({
                "operationId": format!("operation{index}"),
                "requestBody": {"required": true, "content": {"application/json": {"schema": request}}},
                "responses": {"200": {"content": {"application/json": {"schema": response}}}}
            });
            (format!("/v1/operation-{index}"), json!({"post": operation}))
        })
        .collect();
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Generated", "version": "1.0.0"},
        "servers": [{"url": "https://example.com"}],
        "paths": paths
    })
}
