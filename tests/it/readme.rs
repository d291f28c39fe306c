//! The README's program and commands do what it says, with the mock as the API.

use std::process::Command;

use contract_tests::read;
use kontext_mock::MockServer;

#[tokio::test]
async fn first_call_prints_what_the_readme_shows() {
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
