//! For each of several changes to the published document: which snapshot or check fails,
//! and that its message says what drifted.

use contract_tests::{Story, frozen_inputs, what_fails};
use kontext_codegen::Input;
use serde_json::{Value, json};

use crate::support::snapshot;

/// Changes the published document.
type Change = fn(&mut Value);

const REQUEST: &str =
    "/paths/~1v1~1images~1generations/post/requestBody/content/application~1json/schema";
const RESPONSE: &str =
    "/paths/~1v1~1images~1generations/post/responses/200/content/application~1json/schema";

fn at<'a>(document: &'a mut Value, root: &str, pointer: &str) -> &'a mut Value {
    let pointer = format!("{root}{pointer}");
    document
        .pointer_mut(&pointer)
        .unwrap_or_else(|| panic!("{pointer}"))
}

fn remove(document: &mut Value, root: &str, pointer: &str, name: &str) -> Value {
    let object = at(document, root, pointer).as_object_mut().unwrap();
    object.remove(name).unwrap()
}

const CHANGES: [(&str, Change); 14] = [
    ("a description is edited", |document| {
        at(document, REQUEST, "/properties/seed")["description"] = json!("Another text.");
    }),
    ("a property with a default is added", |document| {
        at(document, REQUEST, "/properties")["enhance_prompt"] =
            json!({"type": "boolean", "default": true, "description": "Rewrites the prompt."});
    }),
    ("an optional property is renamed", |document| {
        let seed = remove(document, REQUEST, "/properties", "seed");
        at(document, REQUEST, "/properties")["random_seed"] = seed;
    }),
    ("a limit is tightened", |document| {
        at(document, REQUEST, "/properties/prompt")["maxLength"] = json!(40);
    }),
    ("an enum value is added", |document| {
        let values = at(document, REQUEST, "/properties/aspect_ratio/enum");
        values.as_array_mut().unwrap().insert(0, json!("2:19"));
    }),
    ("an enum value is removed", |document| {
        at(document, REQUEST, "/properties/output_format")["enum"] = json!(["jpeg"]);
    }),
    ("a required property is added", |document| {
        at(document, REQUEST, "/properties")["strength"] = json!({"type": "number", "minimum": 0});
        at(document, REQUEST, "/required")
            .as_array_mut()
            .unwrap()
            .push(json!("strength"));
    }),
    ("a property of the response is added", |document| {
        at(document, RESPONSE, "/properties")["created"] = json!({"type": "integer"});
    }),
    (
        "the response gets a type that no recording has",
        |document| {
            at(document, RESPONSE, "/properties")["timings"] =
                json!({"type": "array", "items": {"type": "number"}});
        },
    ),
    ("the provider makes num_images an integer", |document| {
        at(document, REQUEST, "/properties/num_images")["type"] = json!("integer");
    }),
    ("the provider drops the wrong default", |document| {
        remove(document, REQUEST, "/properties/aspect_ratio", "default");
    }),
    (
        "a property that an overlay corrects is renamed",
        |document| {
            let count = remove(document, REQUEST, "/properties", "num_images");
            at(document, REQUEST, "/properties")["n"] = count;
        },
    ),
    ("the success is 201", |document| {
        let responses = at(
            document,
            "/paths/~1v1~1images~1generations/post",
            "/responses",
        );
        let success = responses.as_object_mut().unwrap().remove("200").unwrap();
        responses["201"] = success;
    }),
    ("a default does not conform", |document| {
        at(document, REQUEST, "/properties/output_format")["default"] = json!("webp");
    }),
];

#[test]
fn each_document_change_fails_a_named_check() {
    let inputs = frozen_inputs().unwrap();
    let before = Story::of(&inputs).unwrap();
    assert_eq!(
        what_fails(&before, &Ok(before.clone())),
        "",
        "nothing changed"
    );
    let mut text = String::new();
    for (name, change) in CHANGES {
        let mut changed = inputs.clone();
        // All pages, because they must agree.
        for page in &mut changed.published {
            let mut document: Value = serde_json::from_str(&page.text).unwrap();
            let before_change = document.clone();
            change(&mut document);
            assert_ne!(document, before_change, "{name} changes nothing");
            page.text = document.to_string();
        }
        let failures = what_fails(&before, &Story::of(&changed));
        // Any edit changes the hashes of the inputs and so makes generated files stale. A
        // change that matters must be noticed by another check too.
        let is_noticed = ["codegen stops", "snapshot ", "kontext-mock check"]
            .iter()
            .any(|check| failures.contains(check));
        let matters = name != "a description is edited";
        assert_eq!(is_noticed, matters, "{name}:\n{failures}");
        text.push_str(&format!("# {name}\n{failures}\n"));
    }
    snapshot("changes", text);
}

/// Pages of other models on the same endpoint: what they change, and that they rename nothing.
#[test]
fn fifth_page_adds_one_struct_and_one_variant() {
    let inputs = frozen_inputs().unwrap();
    let before = Story::of(&inputs).unwrap();
    let size = json!({"anyOf": [
        {"type": "object", "properties": {"width": {"type": "integer", "minimum": 64, "maximum": 1536}}},
        {"type": "string", "enum": ["square_hd", "portrait_16_9"]}
    ]});
    let mut text = String::new();
    for (name, model, properties) in [
        (
            "flux-2",
            "blackforestlabs/flux-2",
            json!({"image_size": size, "num_images": {"type": "number", "minimum": 1, "maximum": 4}}),
        ),
        (
            "gpt-image",
            "openai/gpt-image-1",
            json!({"n": {"type": "integer", "minimum": 1, "maximum": 10},
                "background": {"type": "string", "enum": ["transparent", "opaque", "auto"]}}),
        ),
    ] {
        let mut document: Value = serde_json::from_str(&inputs.published[0].text).unwrap();
        *at(&mut document, REQUEST, "/properties") = properties;
        let properties = at(&mut document, REQUEST, "/properties");
        properties["model"] = json!({"type": "string", "enum": [model]});
        properties["prompt"] = json!({"type": "string", "maxLength": 4000});
        at(&mut document, REQUEST, "")["required"] = json!(["model", "prompt"]);
        let mut five = inputs.clone();
        five.published.push(Input {
            file: format!("openapi/published/{name}.json"),
            text: document.to_string(),
        });
        let changes = what_fails(&before, &Story::of(&five));
        // A type's traits are listed on one line, which a new variant makes longer.
        let is_gone = |line: &str| line.trim_start().starts_with("- ") && !line.contains("impl ");
        assert!(!changes.lines().any(is_gone), "{changes}");
        text.push_str(&format!("# {name}\n{changes}\n"));
    }
    snapshot("fifth_page", text);
}
