//! Effects on the generated client, and documents from git revisions.

use std::process::Command;

use serde_json::{Value, json};

use super::{Folder, stopped};
use crate::support::{PUBLISHED, Run, Workspace};

const PROPERTIES: &str =
    "/paths/~1v1~1images~1generations/post/requestBody/content/application~1json/schema/properties";

fn rust(run: &Run) -> Value {
    let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| {
        panic!("{}: {}", run.code, run.stderr);
    });
    report["rust"].clone()
}

/// Compares the frozen document with a changed copy outside `openapi/`.
fn changed(change: impl FnOnce(&mut Value)) -> Run {
    let workspace = Workspace::new();
    let mut document: Value = serde_json::from_str(&workspace.read(PUBLISHED)).unwrap();
    change(&mut document);
    workspace.write("new.json", &format!("{document:#}"));
    let (old, new) = (workspace.path(PUBLISHED), workspace.path("new.json"));
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    workspace.run(&["drift", old, new, "--format", "json"])
}

#[test]
fn client_changes_include_overlays() {
    let none = rust(&changed(|document| {
        document.pointer_mut(PROPERTIES).unwrap()["seed"]["description"] = json!("Other words.");
    }));
    assert_eq!(
        none,
        json!({"verdict": "none", "reason": null, "added": [], "removed": [], "changed": []})
    );
    let minor = rust(&changed(|document| {
        document.pointer_mut(PROPERTIES).unwrap()["strength"] = json!({"type": "number"});
    }));
    assert_eq!(minor["verdict"], "minor", "{minor}");
    let added = minor["added"].as_array().unwrap();
    // An overlay gives the struct its name.
    let field = json!("types::GenerateImageRequest.strength");
    assert!(added.contains(&field), "{minor}");
    let major = rust(&changed(|document| {
        let properties = document.pointer_mut(PROPERTIES).unwrap();
        properties["seed"]["type"] = json!("string");
    }));
    assert_eq!(major["verdict"], "major", "{major}");
    let changed = major["changed"].as_array().unwrap();
    let field = json!("types::GenerateImageRequest.seed");
    assert!(changed.iter().any(|one| one["item"] == field), "{major}");
}

#[test]
fn document_rejected_by_generator_does_not_gate() {
    // An overlay corrects this property and expects its original value.
    let run = changed(|document| {
        let properties = document.pointer_mut(PROPERTIES).unwrap();
        properties["num_images"]["title"] = json!("Images");
        properties["num_images"]["type"] = json!("integer");
        properties["num_images"]["minimum"] = json!(0);
    });
    let rust = rust(&run);
    assert_eq!(rust["verdict"], "refused", "{rust}");
    let reason = rust["reason"].as_str().unwrap();
    assert!(
        reason.contains("openapi/overlays/03-num-images"),
        "{reason}"
    );
    for (pair, code) in [("none", 0), ("docs", 0), ("breaking", 1)] {
        let folder = Folder::pair(pair);
        // The generator refuses a second media type.
        let text = std::fs::read_to_string(folder.path().join("new.json")).unwrap();
        let mut document: Value = serde_json::from_str(&text).unwrap();
        let body = "/paths/~1images/post/responses/200/content";
        let body = document.pointer_mut(body).unwrap();
        body["text/plain"] = json!({"schema": {"type": "string"}});
        let text = document.to_string();
        folder.write("new.json", &text);
        let old = std::fs::read_to_string(folder.path().join("old.json")).unwrap();
        let mut document: Value = serde_json::from_str(&old).unwrap();
        let body = "/paths/~1images/post/responses/200/content";
        document.pointer_mut(body).unwrap()["text/plain"] = json!({"schema": {"type": "string"}});
        folder.write("old.json", &document.to_string());
        let run = folder.drift(&[]);
        assert_eq!(run.code, code, "{pair}: {}{}", run.stdout, run.stderr);
        assert!(
            run.stdout
                .contains("\nRust client: the generator refuses old.json: "),
            "{}",
            run.stdout
        );
    }
}

/// A git workspace: the frozen document is committed, then changed.
fn repository() -> Workspace {
    let workspace = Workspace::new();
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
            .args(arguments)
            .current_dir(workspace.path("."))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    git(&["init", "--quiet"]);
    git(&["add", "openapi"]);
    git(&["commit", "--quiet", "--message", "A page"]);
    workspace.publish(|document| {
        document.pointer_mut(PROPERTIES).unwrap()["strength"] = json!({"type": "number"});
    });
    workspace
}

fn drift_in(workspace: &Workspace, folder: &str, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("drift").args(arguments);
    Run::of(command.current_dir(workspace.path(folder)))
}

#[test]
fn reads_revision_and_its_overlays_from_git() {
    let workspace = repository();
    // `HEAD` has this overlay; the working tree no longer does.
    let overlay = "openapi/overlays/08-no-default-aspect-ratio.json";
    std::fs::remove_file(workspace.path(overlay)).unwrap();
    let old = format!("HEAD:{PUBLISHED}");
    let run = drift_in(&workspace, ".", &[&old, PUBLISHED, "--format", "json"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let rust = rust(&run);
    assert_eq!(rust["verdict"], "minor", "{rust}");
    let inside = "flux-kontext-pro-image-to-image.json";
    for (folder, old, new) in [
        (".", old.clone(), PUBLISHED),
        (
            "openapi",
            old.clone(),
            "published/flux-kontext-pro-image-to-image.json",
        ),
        ("openapi/published", format!("HEAD:./{inside}"), inside),
    ] {
        let run = drift_in(&workspace, folder, &[&old, new]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{folder}");
        assert!(
            run.stdout.starts_with("non-breaking: 1 non-breaking\n"),
            "{}",
            run.stdout
        );
    }
}

#[test]
fn missing_revision_is_an_error() {
    let workspace = repository();
    for (old, problem) in [
        (
            "HEAD:openapi/missing.json",
            "path 'openapi/missing.json' does not exist in 'HEAD'",
        ),
        (
            "no-such-branch:a.json",
            "invalid object name 'no-such-branch'.",
        ),
        ("HEAD:openapi", "git cat-file HEAD:openapi: bad file"),
    ] {
        let run = drift_in(&workspace, ".", &[old, PUBLISHED]);
        let message = stopped(&run);
        assert!(message.starts_with(&format!("{old}: git: ")), "{message}");
        assert!(message.contains(problem), "{message}");
        assert!(
            message.contains("\n  help: write REVISION:PATH"),
            "{message}"
        );
    }
}

#[test]
fn existing_file_with_colon_is_not_a_revision() {
    let folder = Folder::pair("breaking");
    let text = std::fs::read_to_string(folder.path().join("new.json")).unwrap();
    folder.write("HEAD:new.json", &text);
    let run = folder.run(&["old.json", "HEAD:new.json"]);
    assert_eq!((run.code, run.stderr.as_str()), (1, ""));
}
