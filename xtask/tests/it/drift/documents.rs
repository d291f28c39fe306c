//! Pairs of small documents with known differences.

use serde_json::{Value, json};

fn document() -> Value {
    json!({
        "openapi": "3.0.3",
        "info": {"title": "A test", "version": "1"},
        "servers": [{"url": "https://api.example.org"}],
        "paths": {"/images": {"post": {
            "operationId": "makeImage",
            "description": "Makes an image.",
            "requestBody": {"required": true, "content": {"application/json": {"schema": {
                "type": "object",
                "required": ["prompt"],
                "properties": {
                    "prompt": {"type": "string"},
                    "size": {"type": "string", "enum": ["s", "m", "l"], "default": "m"},
                    "place": {"type": "string", "format": "plus-code"}
                }
            }}}},
            "responses": {"200": {"description": "An image", "content": {"application/json": {"schema": {
                "type": "object",
                "properties": {"url": {"type": "string"}}
            }}}}}
        }}}
    })
}

fn operation(document: &mut Value) -> &mut Value {
    document.pointer_mut("/paths/~1images/post").unwrap()
}

fn properties(document: &mut Value) -> &mut Value {
    let pointer = "/requestBody/content/application~1json/schema/properties";
    operation(document).pointer_mut(pointer).unwrap()
}

fn docs(document: &mut Value) {
    operation(document)["description"] = json!("Makes one image.");
}

fn notice(document: &mut Value) {
    properties(document)["size"]["default"] = json!("l");
}

fn non_breaking(document: &mut Value) {
    properties(document)["seed"] = json!({"type": "integer"});
}

fn undecided(document: &mut Value) {
    properties(document)["place"]["format"] = json!("what3words");
}

fn breaking(document: &mut Value) {
    properties(document)["size"]["enum"] = json!(["m", "l"]);
}

/// The old and the new document of a pair.
pub(super) fn pair(name: &str) -> (Value, Value) {
    let changes: &[fn(&mut Value)] = match name {
        "none" => &[],
        "docs" => &[docs],
        "notice" => &[notice],
        "non-breaking" => &[non_breaking],
        "undecided" => &[undecided],
        "breaking" => &[breaking],
        "breaking and undecided" => &[breaking, undecided],
        "all" => &[docs, notice, non_breaking, undecided, breaking],
        "hostile" => &[|document| {
            let name = "\u{1b}[31m|`</code>\n::error::x @all \u{202e}";
            let schema = json!({"type": "string", "enum": [name, "a"]});
            properties(document)[name] = schema;
            operation(document)["description"] = json!(name);
            document["paths"][format!("/{name}")] = json!({"get": {"responses": {"200": {}}}});
        }],
        other => panic!("no pair {other}"),
    };
    let (old, mut new) = (document(), document());
    for change in changes {
        change(&mut new);
    }
    if name == "hostile" {
        (new, old)
    } else {
        (old, new)
    }
}
