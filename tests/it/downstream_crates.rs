//! Crates outside the workspace, as users have them: cargo resolves, builds and runs them.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use contract_tests::{frozen_inputs, path};
use kontext_codegen::generate;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs cargo in a folder, offline, and returns its standard output.
fn cargo(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .arg("--offline")
        .args(arguments)
        .current_dir(folder)
        // Uses the workspace's target folder and dependency profile, so that dependencies
        // with the same features are built once.
        .env("CARGO_TARGET_DIR", path("target"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_DEV_STRIP", "none")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo {arguments:?}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn without_features_the_client_adds_few_crates() {
    let folder = TempDir::new().unwrap();
    let api = path("crates/kontext-api").canonicalize().unwrap();
    let manifest = format!(
        "[package]\nname = \"user\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         kontext-api = {{ path = {api:?}, default-features = false }}\n"
    );
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/lib.rs"), "").unwrap();
    // Only the locked versions are on this machine.
    fs::copy(path("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    let tree = cargo(
        folder.path(),
        &["tree", "--edges", "normal", "--prefix", "none"],
    );
    let crates: BTreeSet<&str> = tree
        .lines()
        .filter(|line| !line.starts_with("user "))
        .map(|line| line.trim_end_matches(" (*)"))
        .collect();
    assert!(crates.len() <= 85, "{} crates:\n{crates:#?}", crates.len());
}

/// A program that uses the client generated from the changed document.
const AFTER_THE_CHANGE: &str = r#"
use kontext_api::{Client, GeneratedImages, ImageToImageRequest, types::{AspectRatio, ImageToImageModel, ImageToImageRequestOptions}};

fn main() {
    let request = || {
        ImageToImageRequest::builder()
            .model(ImageToImageModel::FluxKontextProImageToImage)
            .image_url("https://example.com/a.png")
    };
    // Nothing is sent that was not set: the new property has a default.
    let least = request().prompt("short").build().unwrap();
    println!("{}", serde_json::to_string(&least).unwrap());
    // Old names of values stay, the new value has one of its own.
    let all = request()
        .prompt("short")
        .random_seed(7)
        .enhance_prompt(false)
        .style("a-new-style".parse::<kontext_api::types::ImageToImageRequestStyle>().unwrap())
        .aspect_ratio(AspectRatio::Landscape21x9)
        .build()
        .unwrap();
    println!("{}", serde_json::to_string(&all).unwrap());
    // Names that are no Rust names, lists, and objects inside the request.
    let options = ImageToImageRequestOptions::builder().strength(0.5).build().unwrap();
    let more = request()
        .prompt("short")
        .type_("kept")
        .dashed_name(true)
        .loras(vec!["one".to_owned()])
        .options(options)
        .build_("a property")
        .build()
        .unwrap();
    println!("{}", serde_json::to_string(&more).unwrap());
    println!("{}", ImageToImageRequestOptions::builder().strength(2).build().unwrap_err());
    println!("{}", AspectRatio::X2x19);
    println!("{}", request().prompt("eleven long").build().unwrap_err());
    // Without features too, the recordings decode, and the real service needs TLS.
    for file in std::env::args().skip(1) {
        let answer = GeneratedImages::from_json(std::fs::read(file).unwrap()).unwrap();
        println!("{} {:?}", answer.images()[0].url().unwrap(), answer.seed());
    }
    println!("{}", Client::builder().api_key("key").build().unwrap_err());
}
"#;

#[test]
fn client_of_changed_document_compiles() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    let manifest = fs::read_to_string(path("Cargo.toml")).unwrap();
    let members = "members = [\"crates/*\", \"tests\", \"xtask\"]";
    assert!(manifest.contains(members));
    let manifest = manifest.replace(members, "members = [\"crates/kontext-api\", \"user\"]");
    fs::write(root.join("Cargo.toml"), manifest).unwrap();
    fs::copy(path("Cargo.lock"), root.join("Cargo.lock")).unwrap();
    copy(
        &path("crates/kontext-api"),
        &root.join("crates/kontext-api"),
    );
    fs::create_dir_all(root.join("user/src")).unwrap();
    fs::write(
        root.join("user/Cargo.toml"),
        "[package]\nname = \"user\"\nedition = \"2024\"\n\n[dependencies]\n\
         kontext-api.workspace = true\nserde_json.workspace = true\n",
    )
    .unwrap();
    fs::write(root.join("user/src/main.rs"), AFTER_THE_CHANGE).unwrap();

    let mut inputs = frozen_inputs().unwrap();
    for page in &mut inputs.published {
        let mut document: Value = serde_json::from_str(&page.text).unwrap();
        let request = document
        .pointer_mut("/paths/~1v1~1images~1generations/post/requestBody/content/application~1json/schema/properties")
        .unwrap();
        request["enhance_prompt"] = json!({"type": "boolean", "default": true});
        request["style"] =
            json!({"type": "string", "enum": ["natural", "a-new-style"], "default": "natural"});
        request["type"] = json!({"type": "string", "description": "See <docs> or [this]."});
        request["dashed-name"] = json!({"type": "boolean"});
        request["build"] = json!({"type": "string"});
        request["loras"] = json!({"type": "array", "items": {"type": "string"}});
        request["options"] = json!({"type": "object", "required": ["strength"], "properties": {
            "strength": {"type": "number", "maximum": 1}
        }});
        request["random_seed"] = request.as_object_mut().unwrap().remove("seed").unwrap();
        request["prompt"]["maxLength"] = json!(10);
        request["aspect_ratio"]["enum"]
            .as_array_mut()
            .unwrap()
            .push(json!("2:19"));
        page.text = document.to_string();
    }
    for output in generate(&inputs).unwrap().files {
        if output.file.starts_with("crates/kontext-api/") {
            fs::write(root.join(output.file), output.text).unwrap();
        }
    }
    let recording = |case: &str| {
        let folder = format!("crates/kontext-mock/recordings/generate-image/{case}");
        let file = path(&folder).canonicalize().unwrap().join("response.json");
        file.display().to_string()
    };
    let (first, second) = (recording("add-bird"), recording("combine-two-images"));
    let printed = cargo(
        root,
        &["run", "--quiet", "--package", "user", "--", &first, &second],
    );
    assert_eq!(
        printed,
        r#"{"image_url":"https://example.com/a.png","model":"flux/kontext-pro/image-to-image","prompt":"short"}
{"aspect_ratio":"21:9","enhance_prompt":false,"image_url":"https://example.com/a.png","model":"flux/kontext-pro/image-to-image","prompt":"short","random_seed":7,"style":"a-new-style"}
{"build":"a property","dashed-name":true,"image_url":"https://example.com/a.png","loras":["one"],"model":"flux/kontext-pro/image-to-image","options":{"strength":0.5},"prompt":"short","type":"kept"}
the request is not valid: strength: must be at most 1, got 2
2:19
the request is not valid: prompt: must have at most 10 characters, got 11 characters
https://cdn.aimlapi.com/squirrel/files/panda/qMuknweKekEYlj9-RdUNt_f0706e451d674554a4c03f2489cf7d5a.jpg Some(3959063143)
https://cdn.aimlapi.com/squirrel/files/lion/rXRknU80d-8ywPnLBq4G8_59b65fe44d8046a38ab9e524a5a8b61c.jpg Some(1068148133)
the base URL (variable AIMLAPI_BASE_URL, or `ClientBuilder::base_url`) is https://api.aimlapi.com, which needs TLS: enable the feature `rustls` or `native-tls` of kontext-api
"#
    );
}

/// Copies a folder recursively.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
