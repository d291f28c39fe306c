//! `cargo xtask drift`: the real binary on small documents.

mod client;
mod documents;
mod ignoring;
mod inputs;
mod recordings;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::Run;

/// A folder of documents, in which the command runs.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A folder with `old.json` and `new.json` from the named pair.
    fn pair(name: &str) -> Self {
        let folder = Self::new();
        let (old, new) = documents::pair(name);
        folder.write("old.json", &format!("{old:#}\n"));
        folder.write("new.json", &format!("{new:#}\n"));
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .arg("drift")
            .args(arguments)
            .current_dir(self.path());
        // Colours depend on these; tests about colours set them.
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(arguments))
    }

    /// Compares `old.json` with `new.json`.
    fn drift(&self, arguments: &[&str]) -> Run {
        self.run(&[&["old.json", "new.json"], arguments].concat())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.drift(&["--format", "json"]).stdout).unwrap()
    }
}

/// The README's commands print what it says, and its ignore file covers its finding.
#[test]
fn readme_of_openapi_drift_is_true() {
    let readme = include_str!("../../../crates/openapi-drift/README.md").replace("\r\n", "\n");
    let (_, old) = readme.split_once("r#\"").unwrap();
    let (old, _) = old.split_once("\"#;").unwrap();
    let folder = Folder::new();
    folder.write("old.json", old);
    folder.write("new.json", &old.replace(r#"["s", "m"]"#, r#"["m"]"#));
    let blocks: Vec<&str> = readme
        .split("```console\n$ cargo xtask drift ")
        .skip(1)
        .collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let (command, rest) = block.split_once('\n').unwrap();
        let (output, _) = rest.split_once("```").unwrap();
        let arguments: Vec<&str> = command.split(' ').collect();
        assert_eq!(folder.run(&arguments).stdout, output, "{command}");
    }
    let (_, ignore) = readme.split_once("```json\n").unwrap();
    folder.write("ignore.json", ignore.split_once("```").unwrap().0);
    assert_eq!(folder.drift(&["--ignore", "ignore.json"]).code, 0);
}

/// The error of a run that compared nothing.
fn stopped(run: &Run) -> &str {
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
    &run.stderr
}

#[test]
fn exit_code_follows_verdict_and_fail_on() {
    for (pair, breaking, any, never) in [
        ("none", 0, 0, 0),
        ("docs", 0, 1, 0),
        ("notice", 0, 1, 0),
        ("non-breaking", 0, 1, 0),
        ("undecided", 2, 1, 2),
        ("breaking", 1, 1, 0),
        ("breaking and undecided", 1, 1, 2),
    ] {
        let folder = Folder::pair(pair);
        assert_eq!(folder.drift(&[]).code, breaking, "{pair}");
        for format in ["text", "json", "markdown", "github"] {
            for (fail_on, code) in [("breaking", breaking), ("any", any), ("never", never)] {
                let run = folder.drift(&["--fail-on", fail_on, "--format", format]);
                assert_eq!(run.code, code, "{pair}, {fail_on}, {format}");
                assert_eq!(run.stderr, "", "{pair}, {fail_on}, {format}");
                assert!(run.stdout.ends_with('\n'), "{pair}, {fail_on}, {format}");
            }
        }
    }
}

#[test]
fn undecided_ok_lets_undecided_findings_pass() {
    for (pair, fail_on, code) in [
        ("undecided", "breaking", 0),
        ("undecided", "never", 0),
        ("undecided", "any", 1),
        ("breaking and undecided", "breaking", 1),
        ("breaking and undecided", "never", 0),
    ] {
        let folder = Folder::pair(pair);
        let run = folder.drift(&["--undecided-ok", "--fail-on", fail_on]);
        assert_eq!(
            (run.code, run.stderr.as_str()),
            (code, ""),
            "{pair}, {fail_on}"
        );
        assert!(run.stdout.contains("\n  undecided: "), "{}", run.stdout);
    }
}

#[test]
fn level_affects_output_but_not_exit_code() {
    let folder = Folder::pair("all");
    let of = |arguments: &[&str]| {
        let run = folder.drift(arguments);
        assert_eq!((run.code, run.stderr.as_str()), (1, ""));
        run.stdout
    };
    let lines = |text: &str| text.lines().filter(|line| line.starts_with("  ")).count();
    assert_eq!(lines(&of(&[])), 4);
    assert!(of(&[]).contains("\nnot listed: 1 doc "), "{}", of(&[]));
    assert_eq!(lines(&of(&["--level", "breaking"])), 1);
    assert_eq!(lines(&of(&["--level", "docs"])), 5);
    let verbose = of(&["--verbose"]);
    assert_eq!(verbose.matches("    fingerprint ").count(), 5, "{verbose}");
    assert!(verbose.contains(" old.json:"), "{verbose}");
    let json = of(&["--level", "breaking", "--format", "json"]);
    assert_eq!(json, of(&["--format", "json"]));
}

#[test]
fn verdict_is_the_worst_finding() {
    for (pair, verdict) in [
        ("none", "none"),
        ("docs", "docs-only"),
        ("notice", "non-breaking"),
        ("non-breaking", "non-breaking"),
        ("undecided", "undecided"),
        ("breaking", "breaking"),
        ("breaking and undecided", "breaking"),
    ] {
        let folder = Folder::pair(pair);
        assert_eq!(folder.json()["verdict"], verdict);
        let text = folder.drift(&[]).stdout;
        assert!(text.starts_with(&format!("{verdict}: ")), "{text}");
        let markdown = folder.drift(&["--format", "markdown"]).stdout;
        assert!(
            markdown.starts_with(&format!("### openapi-drift: {verdict}\n")),
            "{markdown}"
        );
        let github = folder.drift(&["--format", "github"]).stdout;
        let first = format!("::notice title=openapi-drift%3A {verdict}::");
        assert!(github.starts_with(&first), "{github}");
    }
}

#[test]
fn formats_match_snapshots() {
    let folder = Folder::pair("all");
    for format in ["text", "json", "markdown", "github"] {
        let run = folder.drift(&["--format", format]);
        insta::assert_snapshot!(format!("drift_{format}"), run.stdout);
        assert_eq!(
            folder.drift(&["--format", format]).stdout,
            run.stdout,
            "twice the same"
        );
    }
}

#[test]
fn help_lists_exit_codes() {
    insta::assert_snapshot!("drift_help", Folder::new().run(&["--help"]).stdout);
}

#[test]
fn colors_appear_only_in_text_and_respect_no_color() {
    let folder = Folder::pair("all");
    let plain = folder.drift(&[]).stdout;
    assert!(!plain.contains('\u{1b}'));
    let colored = |format: &str, name: &str| {
        let mut command = folder.command(&["old.json", "new.json", "--format", format]);
        Run::of(command.env("CLICOLOR_FORCE", "1").env(name, "1")).stdout
    };
    assert!(colored("text", "OTHER").starts_with("\u{1b}[1m"));
    assert_eq!(colored("text", "NO_COLOR"), plain);
    for format in ["json", "markdown", "github"] {
        assert!(!colored(format, "OTHER").contains('\u{1b}'), "{format}");
    }
}

#[test]
fn closed_pipe_does_not_change_exit_code() {
    let folder = Folder::pair("all");
    for format in ["text", "json", "markdown", "github"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = folder.command(&["old.json", "new.json", "--format", format]);
        let output = command.stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{format}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{format}");
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = folder.command(&["missing.json", "new.json"]);
    assert_eq!(
        command.stderr(writer).output().unwrap().status.code(),
        Some(2)
    );
}

#[cfg(target_os = "linux")]
#[test]
fn unwritable_report_exits_with_2() {
    let folder = Folder::pair("none");
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = folder
        .command(&["old.json", "new.json"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.starts_with("standard output: cannot be written: "),
        "{message}"
    );
}

#[test]
fn explains_rules() {
    let folder = Folder::new();
    let run = folder.run(&["--explain", "request-enum-narrowed"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(
        run.stdout.starts_with("request-enum-narrowed: "),
        "{}",
        run.stdout
    );
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/openapi-drift/RULES.md");
    let page = fs::read_to_string(page).unwrap().replace("\r\n", "\n");
    let run = folder.run(&["--rules"]);
    assert_eq!((run.code, run.stdout), (0, page));
    for (name, help) in [
        (
            "request-enum-narowed",
            "did you mean request-enum-narrowed?",
        ),
        (
            "pattern-added",
            "did you mean request-pattern-added, response-pattern-added?",
        ),
        ("what is this", "`cargo xtask drift --rules` prints all"),
        ("", "`cargo xtask drift --rules` prints all"),
    ] {
        let run = folder.run(&["--explain", name]);
        assert_eq!(
            stopped(&run),
            format!("unknown rule {name:?}\n  help: {help}\n")
        );
    }
}

#[test]
fn every_reported_rule_can_be_explained() {
    let folder = Folder::pair("all");
    for finding in folder.json()["findings"].as_array().unwrap() {
        let rule = finding["rule"].as_str().unwrap();
        assert_eq!(folder.run(&["--explain", rule]).code, 0, "{rule}");
    }
}
