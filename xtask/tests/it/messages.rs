//! Everything that codegen can't take, and what it says of it. The messages
//! are one snapshot, because people read them; no file may change.

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

const PROBLEMS: [(&str, Break); 27] = [
    ("no folder", |w| {
        fs::remove_dir_all(w.path("openapi/published")).unwrap()
    }),
    ("no file", |w| fs::remove_file(w.path(PUBLISHED)).unwrap()),
    ("an empty file", |w| w.write(PUBLISHED, "")),
    ("not JSON", |w| {
        w.write(PUBLISHED, "{\n  \"openapi\": \"3.0.0\",\n  oops\n}")
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
    ("two media types", |w| {
        w.publish(|document| {
            let content = document
                .pointer_mut(&format!("{OPERATION}/requestBody/content"))
                .unwrap();
            content["multipart/form-data"] = json!({"schema": {"type": "object"}});
        });
    }),
    ("a default that does not conform", |w| {
        w.publish(|document| request(document)["properties"]["num_images"]["default"] = json!(5));
    }),
    ("a union of types", |w| {
        w.publish(|document| {
            request(document)["properties"]["seed"]["type"] = json!(["integer", "string"])
        });
    }),
    ("an overlay that is not JSON", |w| {
        w.write("openapi/overlays/99-test.json", "{")
    }),
    ("a JSONPath that does not parse", |w| {
        overlay(
            w,
            "99-test.json",
            &json!([{"target": "$.paths[/v1]", "x-expect-absent": ["a"], "update": {"a": 1}}]),
        );
    }),
    ("a target that is missing", |w| {
        overlay(
            w,
            "99-test.json",
            &json!([{"target": "$.paths['/v2']", "x-expect-absent": ["a"], "update": {"a": 1}}]),
        );
    }),
    ("an expectation that fails", |w| {
        overlay(
            w,
            "99-test.json",
            &json!([{"target": "$.info", "x-expect": {"title": "Another"}, "update": {"title": "Third"}}]),
        );
    }),
    ("an action that changes nothing", |w| {
        overlay(
            w,
            "99-test.json",
            &json!([{"target": "$.info", "x-expect": {"title": "AIML API"}, "update": {"title": "AIML API"}}]),
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
    ("an update over what it does not expect", |w| {
        overlay(
            w,
            "99-test.json",
            &json!([{"target": "$.info", "x-expect-absent": ["license"], "update": {"title": "Mine"}}]),
        );
    }),
    ("a parameter, which the client would not send", |w| {
        w.publish(|document| {
            let operation = document.pointer_mut(OPERATION).unwrap();
            operation["parameters"] =
                json!([{"in": "query", "name": "a", "schema": {"type": "string"}}]);
        });
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
    ("a limit that would not be checked", |w| {
        w.publish(|document| {
            request(document)["properties"]["seed"] =
                json!({"allOf": [{"type": "integer"}], "minimum": 1});
        });
    }),
    ("an overlay of a document that is not there", |w| {
        let text = w.read("openapi/overlays/09-operation-id.json");
        w.write(
            "openapi/overlays/09-operation-id.json",
            &text.replace("pro-image", "max-image"),
        );
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
fn each_problem_is_said_in_words_and_changes_no_file() {
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

/// What looks like a problem and is none: it is repaired or taken, and said.
#[test]
fn what_can_be_taken_is_taken() {
    let workspace = Workspace::new();
    workspace.publish(|document| {
        let properties = &mut request(document)["properties"];
        properties["output_format"]["enum"] = json!(["jpeg", "png", "jpeg"]);
        properties["style"] =
            json!({"type": ["string", "null"], "enum": ["a b", "a-b", "a_b", "A-b"]});
        let responses = document
            .pointer_mut(&format!("{OPERATION}/responses"))
            .unwrap();
        responses["default"] = json!({"description": "anything"});
    });
    let run = workspace.run(&["codegen"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for line in [
        "normalised: /paths/~1v1~1images~1generations/post/requestBody/content/application~1json/schema/properties/output_format/enum: a value that stood twice went",
        "normalised: /paths/~1v1~1images~1generations/post/requestBody/content/application~1json/schema/properties/style/type: [\"string\",\"null\"] became \"string\"",
        "named after its place: GenerateImageRequestStyle (/components/schemas/GenerateImageRequest/properties/style); x-component",
    ] {
        assert!(run.stdout.contains(line), "{}", run.stdout);
    }
    // Values that collide as Rust names have distinct ones.
    let generated = workspace.read("crates/kontext-api/src/generated.rs");
    let start = generated
        .find("pub enum GenerateImageRequestStyle {")
        .unwrap();
    let body = generated[start..].split('}').next().unwrap();
    let names: std::collections::BTreeSet<&str> = body
        .lines()
        .filter(|line| line.ends_with(','))
        .map(str::trim)
        .collect();
    assert_eq!(names.len(), 4, "{body}");
    assert!(names.contains("AB,"), "{body}");
}
