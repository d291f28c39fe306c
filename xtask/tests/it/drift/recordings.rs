//! Recorded exchanges, in the form of `kontext-mock`.

use super::*;

/// A folder with the pair of that name and three recordings: one that asks for what
/// the new document does not allow, one that does not, and one that agreed with
/// neither.
fn folder(pair: &str) -> Folder {
    let folder = Folder::pair(pair);
    for (case, request) in [
        ("small", r#"{"prompt": "a", "size": "s"}"#),
        ("large", r#"{"prompt": "a", "size": "l"}"#),
        ("odd", r#"{"prompt": "a", "size": "s", "unknown": 1}"#),
    ] {
        let at = format!("recordings/make-image/{case}");
        folder.write(
            &format!("{at}/recording.json"),
            r#"{"method": "POST", "path": "/images", "status": 200,
                "headers": {"content-type": "application/json"}}"#,
        );
        folder.write(&format!("{at}/request.json"), request);
        folder.write(&format!("{at}/response.json"), r#"{"url": "u"}"#);
    }
    // What kontext-mock does not read is not read here either.
    folder.write("recordings/.lock", "");
    folder.write("recordings/redaction.json", "{}");
    folder
}

#[test]
fn those_that_disagree_now_are_named_where_they_do() {
    let folder = folder("breaking");
    let run = folder.drift(&["--recordings", "recordings", "--format", "json"]);
    assert_eq!((run.code, run.stderr.as_str()), (1, ""));
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0]["rule"], "request-enum-narrowed");
    assert_eq!(
        findings[0]["recordings"],
        serde_json::json!(["make-image/small"])
    );
}

#[test]
fn where_nothing_disagrees_none_is_named() {
    let folder = folder("non-breaking");
    let run = folder.drift(&["--recordings", "recordings", "--format", "json"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    for finding in report["findings"].as_array().unwrap() {
        assert_eq!(finding["recordings"], serde_json::json!([]), "{finding}");
    }
}

/// A folder that can't be read is no folder without recordings that disagree.
#[test]
fn what_cannot_be_read_stops_the_command() {
    let folder = folder("breaking");
    let said = |start: &str| {
        let run = folder.drift(&["--recordings", "recordings"]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{start}");
        assert!(run.stderr.starts_with(start), "{}", run.stderr);
        assert!(run.stderr.contains("\n  help: "), "{}", run.stderr);
    };
    let file = "recordings/make-image/small/recording.json";
    folder.write(file, "{");
    said(&format!("{file}: no JSON: "));
    folder.write(file, r#"{"method": "POST", "path": "/images"}"#);
    said(&format!("{file}: at /status: "));
    folder.write(file, r#"{"path": "/images", "status": 200}"#);
    said(&format!("{file}: at /method: "));
    fs::remove_file(folder.path().join(file)).unwrap();
    said(&format!("{file}: cannot be read: "));
    fs::remove_dir_all(folder.path().join("recordings/make-image")).unwrap();
    said("recordings: no recordings in it");
    fs::remove_dir_all(folder.path().join("recordings")).unwrap();
    said("recordings: cannot be read: ");
}
