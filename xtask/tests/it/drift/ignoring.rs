//! Acknowledged findings.

use serde_json::json;

use super::{Folder, stopped};

/// Writes an ignore file for the findings of these rules, and for one that doesn't exist.
fn ignore(folder: &Folder, rules: &[&str], expires: &str) {
    let report = folder.json();
    let findings = report["findings"].as_array().unwrap().iter();
    let mut entries: Vec<_> = findings
        .filter(|finding| rules.contains(&finding["rule"].as_str().unwrap()))
        .map(|finding| finding["fingerprint"].clone())
        .collect();
    assert!(entries.len() >= rules.len(), "{report}");
    entries.push(json!("0000000000000000"));
    let entries: Vec<_> = entries
        .iter()
        .map(|fingerprint| json!({"fingerprint": fingerprint, "reason": "we know", "expires": expires}))
        .collect();
    folder.write(
        "ignore.json",
        &format!("{:#}\n", json!({"format": 1, "ignore": entries})),
    );
}

#[test]
fn acknowledged_findings_do_not_gate() {
    let folder = Folder::pair("breaking and undecided");
    let unused = "note: ignore.json:9:5: no finding has the fingerprint \"0000000000000000\" (reason: \
                  we know)\n  help: delete the entry\n";
    ignore(&folder, &["request-enum-narrowed"], "9999-12-31");
    let run = folder.drift(&["--ignore", "ignore.json"]);
    assert_eq!(
        (run.code, run.stderr.as_str()),
        (2, unused),
        "what is undecided is left"
    );
    assert!(
        run.stdout
            .starts_with("undecided: 1 undecided, 1 ignored\n"),
        "{}",
        run.stdout
    );

    ignore(
        &folder,
        &["request-enum-narrowed", "request-format-unknown"],
        "9999-12-31",
    );
    for (fail_on, format) in [("any", "text"), ("breaking", "json"), ("never", "markdown")] {
        let run = folder.drift(&[
            "--ignore",
            "ignore.json",
            "--fail-on",
            fail_on,
            "--format",
            format,
            "--verbose",
        ]);
        assert_eq!(run.code, 0, "{fail_on}");
        assert_eq!(run.stderr, unused.replace(":9:", ":14:"));
        assert!(run.stdout.contains("we know"), "{}", run.stdout);
    }
}

#[test]
fn expired_entry_is_an_error() {
    for pair in ["breaking", "none"] {
        let folder = Folder::pair(pair);
        let rules: &[&str] = if pair == "none" {
            &[]
        } else {
            &["request-enum-narrowed"]
        };
        ignore(&folder, rules, "2001-02-03");
        let run = folder.drift(&["--ignore", "ignore.json", "--fail-on", "never"]);
        let message = stopped(&run);
        assert!(
            message.starts_with("ignore.json:4:5: the entry for the fingerprint \""),
            "{message}"
        );
        assert!(
            message.contains(" expired on 2001-02-03; today is 2"),
            "{message}"
        );
        assert!(message.contains("we know"), "{message}");
    }
}

#[test]
fn invalid_ignore_file_is_an_error() {
    let folder = Folder::pair("breaking");
    let run = folder.drift(&["--ignore", "missing.json", "--fail-on", "never"]);
    assert!(
        stopped(&run).starts_with("missing.json: cannot be read: "),
        "{}",
        run.stderr
    );
    folder.write("ignore.json", "{\"format\": 1, \"ignores\": []}");
    let run = folder.drift(&["--ignore", "ignore.json", "--fail-on", "never"]);
    assert_eq!(
        stopped(&run),
        "ignore.json:1:15: unknown member \"ignores\" (at /ignores)\n  \
         help: delete or correct it; known are format, ignore\n"
    );
}

#[test]
fn rule_and_path_ignore_findings_without_expiry() {
    let folder = Folder::pair("breaking");
    let entry = json!({"rule": "request-enum-narrowed", "path": "/images", "reason": "we know"});
    let file = json!({"format": 1, "ignore": [entry]});
    folder.write("ignore.json", &file.to_string());
    let run = folder.drift(&["--ignore", "ignore.json", "--fail-on", "any"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
}

#[test]
fn written_ignore_file_covers_current_findings() {
    let folder = Folder::pair("breaking and undecided");
    let run = folder.drift(&["--write-ignore", "ignore.json"]);
    // The file applies from the next run on.
    assert_eq!(run.code, 1, "{}", run.stderr);
    let note = "note: wrote ignore.json with 2 of the findings\n  help: ";
    assert!(run.stderr.starts_with(note), "{}", run.stderr);
    let run = folder.drift(&["--ignore", "ignore.json"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    // Reasons that somebody wrote are not overwritten.
    let run = folder.drift(&["--write-ignore", "ignore.json"]);
    assert!(
        stopped(&run).starts_with("ignore.json: cannot be written: "),
        "{}",
        run.stderr
    );
}
