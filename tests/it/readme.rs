//! The README's first program prints what the README says, with the mock as the API.

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
