//! `cargo xtask codegen`: writes, checks, and changes nothing if all is current.

use std::{fs, path::Path, process::Command};

use crate::support::{Run, Workspace};

const GENERATED: [&str; 3] = [
    "openapi/effective.json",
    "crates/kontext-api/src/generated.rs",
    "crates/kontext-mock/contract.json",
];

#[test]
fn codegen_is_idempotent() {
    let workspace = Workspace::new();
    let first = workspace.run(&["codegen"]);
    assert_eq!((first.code, first.stderr.as_str()), (0, ""));
    for file in GENERATED {
        assert!(
            first.stdout.contains(&format!("updated: {file}\n")),
            "{}",
            first.stdout
        );
    }
    let files = workspace.files();
    let second = workspace.run(&["codegen"]);
    assert!(second.stdout.contains("current: openapi/effective.json\n"));
    assert_eq!(workspace.files(), files, "a second run changes no byte");
    let check = workspace.run(&["codegen", "--check"]);
    assert_eq!(
        (check.code, check.stdout.as_str()),
        (0, "the generated files are current\n")
    );
}

#[test]
fn check_shows_stale_files_and_writes_nothing() {
    let workspace = Workspace::new();
    workspace.run(&["codegen"]);
    let generated = workspace.read(GENERATED[1]);
    workspace.write(GENERATED[1], &generated.replace("num_images", "count"));
    std::fs::remove_file(workspace.path(GENERATED[2])).unwrap();
    let files = workspace.files();
    let check = workspace.run(&["codegen", "--check"]);
    assert_eq!(check.code, 1);
    assert!(
        check.stdout.contains(
            "--- a/crates/kontext-api/src/generated.rs\n+++ b/crates/kontext-api/src/generated.rs\n"
        ),
        "{}",
        check.stdout
    );
    assert!(
        check
            .stdout
            .contains("--- /dev/null\n+++ b/crates/kontext-mock/contract.json\n")
    );
    assert_eq!(
        check.stderr,
        "stale: crates/kontext-api/src/generated.rs, crates/kontext-mock/contract.json\n  \
         help: run `cargo xtask codegen` and commit what it changes\n"
    );
    assert_eq!(workspace.files(), files);
}

#[test]
fn crlf_line_endings_are_not_stale() {
    let workspace = Workspace::new();
    workspace.run(&["codegen"]);
    for file in GENERATED {
        workspace.write(file, &workspace.read(file).replace('\n', "\r\n"));
    }
    assert_eq!(workspace.run(&["codegen", "--check"]).code, 0);
}

#[test]
fn finds_workspace_from_any_folder() {
    let workspace = Workspace::new();
    workspace.run(&["codegen"]);
    // As under cargo: `CARGO_MANIFEST_DIR` is the package, the current folder is another.
    let run = Run::of(
        Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["codegen", "--check"])
            .current_dir(workspace.path("openapi/published"))
            .env("CARGO_MANIFEST_DIR", workspace.path("openapi")),
    );
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}

#[test]
fn binary_run_by_hand_works_on_the_checkout_around_it() {
    let workspace = Workspace::new();
    workspace.run(&["codegen"]);
    let check = |folder: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["codegen", "--check"]).current_dir(folder);
        Run::of(command.env_remove("CARGO_MANIFEST_DIR"))
    };
    let run = check(&workspace.path("openapi"));
    assert_eq!(run.code, 2);
    assert_eq!(
        run.stderr,
        "error: the current folder is in no checkout of this project; run `cargo xtask` in one, \
         or pass --root\n"
    );
    fs::create_dir(workspace.path("xtask")).unwrap();
    workspace.write("xtask/Cargo.toml", "");
    let run = check(&workspace.path("openapi"));
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}
