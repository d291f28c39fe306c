//! Crates outside the workspace, as a user has them: cargo builds and runs
//! them for real.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use contract_tests::{frozen_inputs, path};
use kontext_codegen::generate;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs cargo in a folder, without a network, and returns what it printed.
fn cargo(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .arg("--offline")
        .args(arguments)
        .current_dir(folder)
        // The folder and the profile of the workspace's own dependencies, so that
        // those with the same features are built once.
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

/// A user's crate: its name, its manifest's dependencies and its program.
///
/// The target folder is shared, so each crate needs a name of its own.
fn user(name: &str, dependencies: &str, program: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let manifest = format!(
        "[package]\nname = {name:?}\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n{dependencies}\n"
    );
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/main.rs"), program).unwrap();
    // The versions that are locked are those that are on this machine.
    fs::copy(path("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    folder
}

/// Decodes the recordings named as arguments, then makes a client of the real
/// service, which needs TLS.
const DECODES: &str = r#"
use kontext_api::{Client, GeneratedImages};

fn main() {
    for file in std::env::args().skip(1) {
        let answer = GeneratedImages::from_json(std::fs::read(file).unwrap()).unwrap();
        for image in answer.images() {
            println!("{} {:?} {:?}", image.url().unwrap(), image.width(), answer.seed());
        }
    }
    match Client::builder().api_key("key").build() {
        Ok(_) => println!("a client"),
        Err(error) => println!("{error}"),
    }
}
"#;

#[test]
fn a_crate_without_features_decodes_both_recordings_and_stays_small() {
    let api = path("crates/kontext-api").canonicalize().unwrap();
    let user = user(
        "user-of-no-feature",
        &format!(
            "kontext-api = {{ path = {:?}, default-features = false }}",
            api.display().to_string()
        ),
        DECODES,
    );
    let recordings = path("crates/kontext-mock/recordings/generate-image");
    let recordings = recordings.canonicalize().unwrap();
    let file = |case: &str| {
        recordings
            .join(case)
            .join("response.json")
            .display()
            .to_string()
    };
    let printed = cargo(
        user.path(),
        &[
            "run",
            "--quiet",
            "--",
            &file("add-bird"),
            &file("combine-two-images"),
        ],
    );
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 3, "{printed}");
    assert!(
        lines[0].ends_with("5a.jpg Some(1184) Some(3959063143)"),
        "{printed}"
    );
    assert!(
        lines[1].ends_with("1c.jpg Some(1184) Some(1068148133)"),
        "{printed}"
    );
    assert_eq!(
        lines[2],
        "the base URL (variable AIMLAPI_BASE_URL, or `ClientBuilder::base_url`) is \
         https://api.aimlapi.com, which needs TLS: enable the feature `rustls` or `native-tls` \
         of kontext-api"
    );
    let tree = cargo(
        user.path(),
        &["tree", "--edges", "normal", "--prefix", "none"],
    );
    let crates: BTreeSet<&str> = tree
        .lines()
        .filter(|line| !line.starts_with("user-of"))
        .map(|line| line.trim_end_matches(" (*)"))
        .collect();
    assert!(crates.len() <= 85, "{} crates:\n{crates:#?}", crates.len());
}

/// What a user of the client made from the changed document writes.
const AFTER_THE_CHANGE: &str = r#"
use kontext_api::{ImageToImageRequest, types::{AspectRatio, ImageToImageModel, ImageToImageRequestOptions}};

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
}
"#;

#[test]
fn a_client_of_a_changed_document_compiles_without_a_hand() {
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
    let printed = cargo(root, &["run", "--quiet", "--package", "user"]);
    assert_eq!(
        printed,
        r#"{"image_url":"https://example.com/a.png","model":"flux/kontext-pro/image-to-image","prompt":"short"}
{"aspect_ratio":"21:9","enhance_prompt":false,"image_url":"https://example.com/a.png","model":"flux/kontext-pro/image-to-image","prompt":"short","random_seed":7,"style":"a-new-style"}
{"build":"a property","dashed-name":true,"image_url":"https://example.com/a.png","loras":["one"],"model":"flux/kontext-pro/image-to-image","options":{"strength":0.5},"prompt":"short","type":"kept"}
the request is not valid: strength: must be at most 1, got 2
2:19
the request is not valid: prompt: must have at most 10 characters, got 11 characters
"#
    );
}

/// Copies a folder with all that is in it.
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
