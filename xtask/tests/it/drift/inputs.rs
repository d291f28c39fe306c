//! The command's inputs: files, standard input, and invalid arguments.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use super::{Folder, stopped};
use crate::support::Run;

#[test]
fn unreadable_inputs_exit_with_2() {
    let folder = Folder::pair("none");
    folder.write("empty.json", "");
    folder.write("yaml.json", "openapi: 3.0.0\n");
    folder.write("cut.json", "{\"openapi\": \"3.0.0\",\n \"paths\": {");
    folder.write(
        "new-version.json",
        "{\"openapi\": \"3.1.0\", \"paths\": {}}",
    );
    fs::write(
        folder.path().join("bytes.json"),
        b"{\n  \"\xc3\xa4\": \"\xff\"}",
    )
    .unwrap();
    fs::create_dir(folder.path().join("folder.json")).unwrap();
    let mut text = String::new();
    for arguments in [
        ["missing.json", "new.json"],
        ["old.json", "missing.json"],
        ["missing.json", "gone.json"],
        ["old.json", "empty.json"],
        ["yaml.json", "new.json"],
        ["old.json", "cut.json"],
        ["new-version.json", "new.json"],
        ["old.json", "bytes.json"],
        ["folder.json", "empty.json"],
        ["-", "-"],
    ] {
        let arguments = [&arguments[..], &["--fail-on", "never"]].concat();
        let run = folder.run(&arguments);
        text.push_str(&format!(
            "$ drift {}\n{}\n",
            arguments.join(" "),
            stopped(&run)
        ));
    }
    insta::assert_snapshot!("drift_unreadable", text);
}

#[test]
fn invalid_command_line_is_rejected() {
    let folder = Folder::pair("breaking");
    for arguments in [
        &[][..],
        &["old.json"],
        &["old.json", "new.json", "new.json"],
        &["old.json", "new.json", "--format", "html"],
        &[
            "old.json",
            "new.json",
            "--fail-on",
            "never",
            "--fail-on",
            "any",
        ],
        &["old.json", "new.json", "--fail-on", "undecided"],
        &["old.json", "new.json", "--rules"],
        &["old.json", "new.json", "--explain", "path-removed"],
        &["--rules", "--explain", "path-removed"],
    ] {
        let run = folder.run(arguments);
        assert!(
            stopped(&run).starts_with("error: "),
            "{arguments:?}: {}",
            run.stderr
        );
    }
}

#[test]
fn paths_are_relative_to_current_folder() {
    let folder = Folder::pair("breaking");
    let inside = folder.path().join("a/b");
    fs::create_dir_all(&inside).unwrap();
    let mut command = folder.command(&["../../old.json", "../../new.json", "--verbose"]);
    // As under cargo: `CARGO_MANIFEST_DIR` is the package, the current folder is another.
    command
        .current_dir(inside)
        .env("CARGO_MANIFEST_DIR", "/nowhere/xtask");
    let run = Run::of(&mut command);
    assert_eq!((run.code, run.stderr.as_str()), (1, ""));
    assert!(run.stdout.contains(" ../../new.json:"), "{}", run.stdout);
}

/// Runs a command with a text on standard input.
fn fed(command: &mut Command, text: &str) -> Run {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn one_file_may_be_stdin() {
    let folder = Folder::pair("breaking");
    let read = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap();
    let files = folder.drift(&[]);
    let old = fed(&mut folder.command(&["-", "new.json"]), &read("old.json"));
    assert_eq!(
        (old.code, old.stdout),
        (1, files.stdout.replace("old.json", "<stdin>"))
    );
    let new = fed(&mut folder.command(&["old.json", "-"]), &read("new.json"));
    assert_eq!(
        (new.code, new.stdout),
        (1, files.stdout.replace("new.json", "<stdin>"))
    );
    let none = fed(&mut folder.command(&["old.json", "-"]), "{");
    assert!(
        stopped(&none).starts_with("<stdin>:1:1: "),
        "{}",
        none.stderr
    );
    let twice = folder.run(&["old.json", "-", "--ignore", "-"]);
    assert!(
        stopped(&twice).starts_with("standard input can be only one"),
        "{}",
        twice.stderr
    );
}

#[test]
fn hostile_document_cannot_inject_output() {
    let folder = Folder::pair("hostile");
    for format in ["text", "json", "markdown", "github"] {
        let run = folder.drift(&["--format", format]);
        assert_eq!(run.code, 1, "{}", run.stderr);
        let is_hidden = |one: char| (one.is_control() && one != '\n') || one == '\u{202e}';
        assert!(!run.stdout.contains(is_hidden), "{}", run.stdout);
        let commands = run
            .stdout
            .lines()
            .filter(|line| line.trim_start().starts_with("::"));
        let is_ours = |line: &str| {
            [
                "::notice title=openapi-drift%3A ",
                "::error file=new.json,",
                "::notice file=new.json,",
            ]
            .iter()
            .any(|start| line.starts_with(start))
        };
        assert!(commands.into_iter().all(is_ours), "{}", run.stdout);
        insta::assert_snapshot!(format!("drift_hostile_{format}"), run.stdout);
    }
}

#[cfg(unix)]
#[test]
fn hostile_file_name_cannot_inject_output() {
    let folder = Folder::pair("breaking");
    let name = "a b,c:d%0A|`<@me>\n::error::e\u{1b}[31m.json";
    fs::copy(folder.path().join("new.json"), folder.path().join(name)).unwrap();
    for format in ["text", "markdown", "github"] {
        let run = folder.run(&["old.json", name, "--format", format]);
        assert_eq!(run.code, 1, "{}", run.stderr);
        assert!(!run.stdout.contains('\u{1b}'), "{}", run.stdout);
        let lines: Vec<&str> = run.stdout.lines().collect();
        assert!(
            lines.iter().all(|line| !line.starts_with("::error::e")),
            "{}",
            run.stdout
        );
        insta::assert_snapshot!(format!("drift_name_{format}"), run.stdout);
    }
    let run = folder.run(&["old.json", &format!("{name}.gone")]);
    assert_eq!(stopped(&run).lines().count(), 2, "{}", run.stderr);
}
