//! Time of codegen: on the provider's pages, on a mostly unreachable document, and by
//! number of operations.
//!
//! `cargo bench --profile dev --package kontext-codegen`: `cargo xtask codegen` runs in
//! the dev profile.

use std::{fs, path::Path};

use kontext_codegen::{Input, Inputs, generate};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

/// All pages with our overlays.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn page(bencher: divan::Bencher<'_, '_>) {
    let folder = |name: &str| -> Vec<Input> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(name);
        let mut inputs: Vec<Input> = fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let file = format!("{name}/{}", entry.file_name().to_string_lossy());
                let text = fs::read_to_string(entry.path()).ok()?;
                Some(Input { file, text })
            })
            .collect();
        inputs.sort_by(|left, right| left.file.cmp(&right.file));
        inputs
    };
    let mut published = folder("openapi/published");
    published.extend(folder("openapi/described"));
    let inputs = Inputs {
        published,
        overlays: folder("openapi/overlays"),
    };
    assert!(!inputs.published.is_empty() && !inputs.overlays.is_empty());
    run(bencher, &inputs);
}

/// A document of 2.3 MB with 257 unreachable schemas and four operations of 3 kB in
/// total, like an older version of the provider's page.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn mostly_unreachable(bencher: divan::Bencher<'_, '_>) {
    let mut document = document(4);
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
    let text = document.to_string();
    assert!(text.len() > 2_200_000, "{} bytes", text.len());
    run(bencher, &inputs(text));
}

#[divan::bench(args = [10, 100, 1000], sample_count = 5, sample_size = 1)]
fn operations(bencher: divan::Bencher<'_, '_>, count: usize) {
    run(bencher, &inputs(document(count).to_string()));
}

fn run(bencher: divan::Bencher<'_, '_>, inputs: &Inputs) {
    if let Err(problems) = generate(inputs) {
        // Don't measure failures.
        eprintln!("{problems}");
        std::process::exit(2);
    }
    bencher.bench_local(|| generate(divan::black_box(inputs)));
}

fn inputs(text: String) -> Inputs {
    Inputs {
        published: vec![Input {
            file: "openapi/published/generated.json".to_owned(),
            text,
        }],
        overlays: Vec::new(),
    }
}

/// A document whose operations have requests and responses like those of the provider's
/// page.
fn document(operations: usize) -> Value {
    let paths: Value = (0..operations)
        .map(|index| {
            let request = json!({"type": "object", "required": ["prompt"], "properties": {
                "prompt": {"type": "string", "maxLength": 4000},
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
        "paths": paths
    })
}
