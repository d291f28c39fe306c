//! The README's comparison prints what the README shows.

use std::{fs, path::Path, process::Command};

use crate::support::Run;

#[test]
fn drift_prints_what_the_readme_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```sh\ncargo xtask drift").unwrap();
    let (arguments, rest) = rest.split_once("```").unwrap();
    let (_, rest) = rest.split_once("```text\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("\"$XTASK\" drift{arguments}")])
        .env("XTASK", env!("CARGO_BIN_EXE_xtask"))
        .current_dir(root);
    let run = Run::of(&mut command);
    assert_eq!(
        (run.code, run.stdout.as_str(), run.stderr.as_str()),
        (1, shown, "")
    );
}
