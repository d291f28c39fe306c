//! Runs all steps, from the inputs to the text of every generated file.

use std::{io, thread};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    contract,
    document::Input,
    effective::{self, Steps},
    json::each_operation,
    problem::{Problem, Problems},
    rust::{self, quietly},
    surface::Surface,
    view,
};

/// The generators with their versions: together with the inputs, they determine the bytes
/// of the generated files.
pub const GENERATORS: &str =
    "progenitor 0.15.1, typify 0.8.0, openapiv3 2.2.0, prettyplease 0.2.37";

const COMMAND: &str = "cargo xtask codegen";

/// The generated client.
const RUST_FILE: &str = "crates/kontext-api/src/generated.rs";

/// All inputs of codegen, each list sorted by file name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// The published documents.
    pub published: Vec<Input>,
    /// The overlays.
    pub overlays: Vec<Input>,
}

/// One generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The path, relative to the workspace, with forward slashes.
    pub file: &'static str,
    /// The whole text.
    pub text: String,
}

/// Everything that codegen generates.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// The generated files.
    pub files: Vec<Output>,
    /// The public surface of the generated client.
    pub surface: Surface,
    /// The effective document, without its header.
    pub effective: Value,
    /// The contract, without its header.
    pub contract: Value,
    /// What was done to each published document.
    pub steps: Vec<Steps>,
    /// Limits in the spec that the client does not check.
    pub unchecked: Vec<String>,
    /// Types without an explicit name: the name derived from their place, and the place.
    pub unnamed: Vec<(String, String)>,
    /// Operations without a public method in `kontext-api`: their ids and places.
    pub unsent: Vec<(String, String)>,
}

/// The operation that the handwritten client sends.
const SENT: &str = "generateImage";

/// Generates everything, or nothing.
///
/// # Errors
///
/// The problems of the first step that found any; each has its file, place and help.
pub fn generate(inputs: &Inputs) -> Result<Outputs, Problems> {
    // This crate and the generators recurse over nested documents, which must not overflow
    // the stack. The checks bound the depth to what fits into this one.
    const STACK: usize = 256 << 20;
    let outcome = thread::scope(|scope| {
        let builder = thread::Builder::new().stack_size(STACK);
        let run = builder.spawn_scoped(scope, || quietly(|| run(inputs)))?;
        let outcome = run.join();
        io::Result::Ok(outcome.unwrap_or_else(|_| Err("without a message".to_owned())))
    });
    let failed = |message: String, help: &str| {
        Err(Problem::new("openapi/published", "", message, help).into())
    };
    match outcome {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => failed(
            format!("codegen panicked: {panic}"),
            "this is a bug of crates/kontext-codegen: add a check that names the place",
        ),
        Err(error) => failed(
            format!("cannot start a thread: {error}"),
            "free some memory, and run the command again",
        ),
    }
}

fn run(inputs: &Inputs) -> Result<Outputs, Problems> {
    let effective = effective::effective(&inputs.published, &inputs.overlays)?;
    let mut view = view::view(&effective)?;
    let rust = rust::rust(&effective, &mut view)?;
    let contract = contract::contract(&effective.document);
    let files = vec![
        Output {
            file: "openapi/effective.json",
            text: with_header(&effective.document, "x-generated", inputs),
        },
        Output {
            file: RUST_FILE,
            text: format!("{}\n{}", rust_header(inputs), rust.text),
        },
        Output {
            file: "crates/kontext-mock/contract.json",
            text: with_header(&contract, "generated", inputs),
        },
    ];
    let mut unsent = Vec::new();
    each_operation(&effective.document, &mut |_, _, operation, at| {
        let id = operation["operationId"].as_str().unwrap_or_default();
        if id != SENT {
            unsent.push((id.to_owned(), at));
        }
    });
    Ok(Outputs {
        files,
        surface: rust.surface,
        effective: effective.document,
        contract,
        steps: effective.steps,
        unchecked: rust.unchecked,
        unnamed: view.unnamed,
        unsent,
    })
}

/// The input files with their SHA-256 hashes.
fn hashes(inputs: &Inputs) -> impl Iterator<Item = (&str, String)> {
    inputs
        .published
        .iter()
        .chain(&inputs.overlays)
        .map(|input| {
            let digest = Sha256::digest(input.text.as_bytes());
            (input.file.as_str(), format!("{digest:x}"))
        })
}

/// The text of a generated JSON file, with a header as its `member`: sorted keys, two-space
/// indentation, a final newline.
fn with_header(value: &Value, member: &str, inputs: &Inputs) -> String {
    let mut value = value.clone();
    value[member] = json!({
        "by": COMMAND,
        "generators": GENERATORS,
        "inputs": hashes(inputs).collect::<Value>(),
    });
    value.sort_all_objects();
    format!("{value:#}\n")
}

fn rust_header(inputs: &Inputs) -> String {
    let mut header = format!(
        "// Generated by `{COMMAND}`; do not edit.\n\
         //\n\
         // Generators: {GENERATORS}.\n\
         // Inputs, with their SHA-256:\n"
    );
    for (file, hash) in hashes(inputs) {
        header.push_str(&format!("//   {file}\n//     {hash}\n"));
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{self, pairs};

    /// The types generated from a document whose request and response have a property `p`,
    /// without whitespace, or the first problem.
    fn types(schema: &Value) -> Result<String, String> {
        let body = |more: Value| {
            let mut schema = json!({"type": "object", "properties": {"p": schema}});
            schema["properties"]
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            json!({"description": "", "content": {"application/json": {"schema": schema}}})
        };
        let nullable = |mut schema: Value| {
            schema["nullable"] = json!(true);
            schema
        };
        let document = json!({
            "openapi": "3.0", "info": {"title": "t", "version": "1"},
            "paths": {"/x": {"post": {
                "operationId": "x", "requestBody": body(json!({"q": {"type": "string"}})),
                "responses": {"200": body(json!({}))}
            }}},
            "components": {"schemas": {
                "Object": nullable(json!({"type": "object", "properties": {"a": {"type": "string"}}})),
                "List": nullable(json!({"type": "array", "items": {"type": "integer"}})),
                "Text": nullable(json!({"type": "string"}))
            }}
        });
        let published = Input {
            file: "p.json".to_owned(),
            text: document.to_string(),
        };
        let outputs = generate(&Inputs {
            published: vec![published],
            overlays: Vec::new(),
        });
        match outputs {
            Ok(outputs) => Ok(outputs.files[1]
                .text
                .replace([' ', '\n'], "")
                .replace("::std::", "")),
            Err(problems) => {
                let first = &problems.0[0];
                let at = first.place.rsplit("/schema").next().unwrap_or_default();
                Err(format!("{at}: {}", first.message))
            }
        }
    }

    #[test]
    fn every_schema_becomes_types_or_is_refused_at_its_place() {
        let cases = r##"
# Without properties, an object is a map, and no struct that loses all.
{"type": "object", "properties": {}}
    pubp:::serde_json::Map<
{"type": "object", "properties": {}, "additionalProperties": false}
    pubp:::serde_json::Map<
{"type": "array", "items": {"type": "object", "properties": {}}}
    pubp:vec::Vec<::serde_json::Map<
# What may be null is an `Option` where it stands.
{"$ref": "#/components/schemas/Object"}
    pubp:option::Option<Object>
{"type": "array", "items": {"$ref": "#/components/schemas/Object"}}
    pubp:vec::Vec<option::Option<Object>>
{"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Text"}}
    string::String,option::Option<Text>
{"$ref": "#/components/schemas/List"}
    pubp:option::Option<List>
# A format that nobody knows says nothing.
{"type": "boolean", "format": "flag"}
    pubp:option::Option<bool>
{"type": "number", "format": "price"}
    pubp:option::Option<f64>
{"type": "array", "items": {"type": "integer", "format": "int8"}}
    pubp:vec::Vec<i64>
"##;
        for (schema, expected) in pairs(cases) {
            let types = types(&table::json(schema)).unwrap();
            assert!(types.contains(expected), "{schema}: {types}");
        }
        assert_eq!(
            types(&json!({"format": "uri"})).unwrap_err(),
            "/properties/p: limits without a type can't be checked before sending"
        );
    }
}
