//! Inputs that codegen rejects, and its messages, in one snapshot for review. No file may
//! change.

use std::fs;

use serde_json::{Value, json};

use crate::support::{PUBLISHED, Workspace};

/// How a test breaks its workspace.
type Break = fn(&Workspace);

const OPERATION: &str = "/paths/~1v1~1images~1generations/post";

fn request(document: &mut Value) -> &mut Value {
    let pointer = format!("{OPERATION}/requestBody/content/application~1json/schema");
    document.pointer_mut(&pointer).unwrap()
}

fn overlay(workspace: &Workspace, name: &str, actions: &Value) {
    let text = json!({
        "overlay": "1.0.0", "info": {"title": "A test", "version": "1"},
        "x-reason": "a test", "x-evidence": ["a test"], "actions": actions
    });
    workspace.write(&format!("openapi/overlays/{name}"), &text.to_string());
}

const PROBLEMS: [(&str, Break); 26] = [
    ("no folder", |w| {
        fs::remove_dir_all(w.path("openapi/published")).unwrap()
    }),
    ("no file", |w| fs::remove_file(w.path(PUBLISHED)).unwrap()),
    ("an empty file", |w| w.write(PUBLISHED, "")),
    ("not JSON", |w| {
        w.write(PUBLISHED, "{\n  \"openapi\": \"3.0.0\",\n  oops\n}")
    }),
    ("YAML", |w| {
        w.write(PUBLISHED, "openapi: 3.0.0\ninfo:\n  title: AIML API\n")
    }),
    ("a number beyond a double", |w| {
        w.write(PUBLISHED, "{\"openapi\": \"3.0.0\", \"x\": 1e400}")
    }),
    ("nested too deep", |w| {
        w.write(PUBLISHED, &format!("{{\"x\": {}", "[".repeat(200)))
    }),
    ("Swagger 2.0", |w| {
        w.write(PUBLISHED, "{\"swagger\": \"2.0\"}")
    }),
    ("not UTF-8", |w| {
        fs::write(w.path(PUBLISHED), b"{\"a\": \"\xff\"}").unwrap()
    }),
    ("not an object", |w| w.write(PUBLISHED, "[]")),
    ("no operation", |w| {
        w.publish(|document| document["paths"] = json!({}))
    }),
    ("OpenAPI 3.1", |w| {
        w.publish(|document| document["openapi"] = json!("3.1.0"))
    }),
    ("a success without content", |w| {
        fs::remove_file(w.path("openapi/overlays/01-response-shape.json")).unwrap();
        fs::remove_file(w.path("openapi/overlays/20-component-names.json")).unwrap();
        w.publish(|document| {
            let responses = document
                .pointer_mut(&format!("{OPERATION}/responses"))
                .unwrap();
            *responses = json!({"201": {"description": "made"}});
        });
    }),
    ("a dangling $ref", |w| {
        w.publish(|document| {
            request(document)["properties"]["style"] =
                json!({"$ref": "#/components/schemas/Style"});
        });
    }),
    ("a $ref cycle", |w| {
        w.publish(|document| {
            request(document)["properties"]["style"] =
                json!({"$ref": "#/components/schemas/Style"});
            document["components"] = json!({"schemas": {"Style": {"type": "object", "properties": {
                "base": {"$ref": "#/components/schemas/Style"}
            }}}});
        });
    }),
    ("a default response and no success", |w| {
        for entry in fs::read_dir(w.path("openapi/overlays")).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        w.publish(|document| {
            let responses = document
                .pointer_mut(&format!("{OPERATION}/responses"))
                .unwrap();
            *responses = json!({"default": {"description": "anything"}});
        });
    }),
    ("an overlay that is not JSON", |w| {
        w.write("openapi/overlays/99-test.json", "{")
    }),
    ("a target that is missing", |w| {
        overlay(
            w,
            "99-test.json",
            &json!([{"target": "$.paths['/v2']", "x-expect-absent": ["a"], "update": {"a": 1}}]),
        );
    }),
    ("two overlays that contradict each other", |w| {
        for (name, title) in [("98-test.json", "One"), ("99-test.json", "Two")] {
            overlay(
                w,
                name,
                &json!([{"target": "$.info", "x-expect": {"title": "AIML API"}, "update": {"title": title}}]),
            );
        }
    }),
    ("two schemas that would be one type", |w| {
        w.publish(|document| {
            let properties = &mut request(document)["properties"];
            properties["look"] = json!({"type": "object", "properties": {
                "style": {"type": "string", "enum": ["a"]}
            }});
            properties["look_style"] = json!({"type": "string", "enum": ["b"]});
        });
    }),
    ("two values that would be one variant", |w| {
        w.publish(|document| {
            request(document)["properties"]["style"] =
                json!({"type": "string", "enum": ["a b", "a-b"]});
        });
    }),
    ("an overlay of a document that is not there", |w| {
        let text = w.read("openapi/overlays/09-operation-id.json");
        w.write(
            "openapi/overlays/09-operation-id.json",
            &text.replace("pro-image", "max-image"),
        );
    }),
    ("a property that overlays correct is renamed", |w| {
        w.publish(|document| {
            let properties = request(document)["properties"].as_object_mut().unwrap();
            let ratio = properties.remove("aspect_ratio").unwrap();
            properties.insert("ratio".to_owned(), ratio);
        });
    }),
    ("several overlays have problems", |w| {
        w.write("openapi/overlays/99-test.json", "{");
        w.publish(|document| {
            request(document)["properties"]["num_images"]["type"] = json!("string");
            document.pointer_mut(OPERATION).unwrap()["operationId"] = json!("makeImage");
        });
    }),
    ("the provider fixes a defect", |w| {
        w.publish(|document| {
            request(document)["properties"]["num_images"]["type"] = json!("integer")
        });
    }),
    ("the provider adds the errors itself", |w| {
        w.publish(|document| {
            let responses = document
                .pointer_mut(&format!("{OPERATION}/responses"))
                .unwrap();
            responses["401"] = json!({"description": "no key"});
        });
    }),
];

#[test]
fn problems_match_snapshot_and_change_no_file() {
    let mut text = String::new();
    for (name, break_it) in PROBLEMS {
        let workspace = Workspace::new();
        assert_eq!(workspace.run(&["codegen"]).code, 0);
        break_it(&workspace);
        let files = workspace.files();
        let run = workspace.run(&["codegen"]);
        assert_eq!(run.code, 2, "{name}: {}{}", run.stdout, run.stderr);
        assert_eq!(workspace.run(&["codegen", "--check"]).code, 2, "{name}");
        assert_eq!(workspace.files(), files, "{name} changed a file");
        assert_eq!(run.stdout, "", "{name}");
        assert!(!run.stderr.contains("panicked"), "{name}: {}", run.stderr);
        let message = run
            .stderr
            .replace(&workspace.path("").display().to_string(), "ROOT/");
        let message = message.replace("\n\ncodegen stopped; no file was changed\n", "\n");
        text.push_str(&format!("# {name}\n{message}\n"));
    }
    insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("codegen_messages", text);
    });
}

/// Inputs that look wrong but are accepted or repaired, and reported.
#[test]
fn repairable_documents_are_accepted() {
    let workspace = Workspace::new();
    workspace.publish(|document| {
        let properties = &mut request(document)["properties"];
        properties["output_format"]["enum"] = json!(["jpeg", "png", "jpeg"]);
        properties["style"] = json!({"type": ["string", "null"], "enum": ["a b", "c/d", "16:9"]});
        properties["mood"] = json!({"oneOf": [{"type": "string"}, {"type": "null"}]});
        let responses = document
            .pointer_mut(&format!("{OPERATION}/responses"))
            .unwrap();
        responses["default"] = json!({"description": "anything"});
    });
    let run = workspace.run(&["codegen"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for line in [
        "normalised: /paths/~1v1~1images~1generations/post/requestBody/content/application~1json/schema/properties/output_format/enum: 1 duplicate value removed",
        "normalised: /paths/~1v1~1images~1generations/post/requestBody/content/application~1json/schema/properties/style/type: [\"string\",\"null\"] became \"string\"",
        "schema/properties/mood/oneOf: the branch that is null became nullable: true",
        "named after its place: GenerateImageRequestStyle (/paths/~1v1~1images~1generations/post/requestBody/content/application~1json/schema/properties/style); x-component",
    ] {
        assert!(run.stdout.contains(line), "{}", run.stdout);
    }
    // Values that aren't identifiers get readable names.
    let generated = workspace.read("crates/kontext-api/src/generated.rs");
    let start = generated
        .find("pub enum GenerateImageRequestStyle {")
        .unwrap();
    let body = generated[start..].split('}').next().unwrap();
    let names: Vec<&str> = body
        .lines()
        .filter(|line| line.ends_with(','))
        .map(str::trim)
        .collect();
    assert_eq!(
        names,
        ["AB,", "CD,", "X16x9,", "Unknown(crate::UnknownValue),"]
    );
}

/// An operation that the client can't call is reported: its types are useless.
#[test]
fn operation_not_sent_by_client_is_reported() {
    let workspace = Workspace::new();
    workspace.publish(|document| {
        let mut operation = document.pointer(OPERATION).unwrap().clone();
        operation["operationId"] = json!("makeVideo");
        document["paths"]["/v1/videos"] = json!({"post": operation});
    });
    let run = workspace.run(&["codegen"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(
        run.stdout
            .contains("not sent: makeVideo (/paths/~1v1~1videos/post); kontext-api has"),
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains("not sent: generateImage"));
}

/// A changed description changes documentation only.
#[test]
fn description_edit_keeps_contract_hash() {
    let hash = |text: &str| -> Value {
        let workspace = Workspace::new();
        workspace.publish(|document| {
            request(document)["properties"]["prompt"]["description"] = json!(text);
            document.pointer_mut(OPERATION).unwrap()["summary"] = json!(text);
        });
        let run = workspace.run(&["codegen"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let contract = workspace.read("crates/kontext-mock/contract.json");
        let contract: Value = serde_json::from_str(&contract).unwrap();
        contract["operations"][0]["sha256"].clone()
    };
    assert_eq!(hash("One."), hash("Two."));
}
