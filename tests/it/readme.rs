//! The README's program and commands do what it says, with the mock as the API, and the
//! client's page of errors has all of them.

use std::{fs, process::Command};

use contract_tests::{path, read};
use kontext_mock::MockServer;

#[tokio::test]
async fn first_call_output_matches_readme() {
    let server = MockServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_first_call"))
        .current_dir(folder.path())
        .env("AIMLAPI_KEY", "any-key")
        .env("AIMLAPI_BASE_URL", server.url())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let readme = read("README.md").unwrap();
    let shown = readme.split_once("```text\n").unwrap().1;
    let shown = shown.split_once("```").unwrap().0;
    assert_eq!(String::from_utf8(output.stdout).unwrap(), shown);
    assert!(folder.path().join("bird.jpg").exists());
    assert_eq!(server.billed().images, 1);
}

/// The README's commands. Tests run them: `serve` in kontext-mock's `binary`, curl in
/// `other_clients`, codegen and the comparison in xtask's `codegen` and `readme`. The test
/// command runs this test.
const COMMANDS: [&str; 5] = [
    "cargo run -p kontext-mock -- serve",
    "curl -i http://127.0.0.1:4010/v1/images/generations",
    "cargo xtask codegen",
    "cargo test --workspace",
    "cargo xtask drift tests/fixtures/history/09-code-sample.json",
];

#[test]
fn every_command_of_the_readme_is_run_by_a_test() {
    let readme = read("README.md").unwrap();
    let blocks = readme.split("```sh\n").skip(1);
    let commands: Vec<&str> = blocks
        .flat_map(|block| block.split("```").next().unwrap().lines())
        .filter(|line| !line.starts_with(' '))
        .map(|line| {
            line.split(" #")
                .next()
                .unwrap()
                .trim_end_matches([' ', '\\'])
        })
        .collect();
    assert_eq!(commands, COMMANDS);
}

#[test]
fn error_page_names_every_variant() {
    let page = read("crates/kontext-api/docs/errors.md").unwrap();
    let mut checked = 0;
    for (file, name) in [
        ("error.rs", "Error"),
        ("batch/job.rs", "BatchError"),
        ("batch/job.rs", "JournalError"),
        ("download/error.rs", "DownloadFailure"),
        ("request/input.rs", "InputError"),
        ("client/build_error.rs", "BuildError"),
    ] {
        let text = fs::read_to_string(path("crates/kontext-api/src").join(file)).unwrap();
        let items = syn::parse_file(&text).unwrap().items;
        let variants = items.into_iter().find_map(|item| match item {
            syn::Item::Enum(item) if item.ident == name => Some(item.variants),
            _ => None,
        });
        for variant in variants.unwrap() {
            let variant = format!("`{}`", variant.ident);
            let mut rows = page.lines().filter(|line| line.starts_with('|'));
            let is_named = rows.any(|row| row[1..].split('|').next().unwrap().contains(&variant));
            assert!(
                is_named,
                "docs/errors.md has no row for {variant} of {name}"
            );
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
}
