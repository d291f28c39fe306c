//! Recorded exchanges, in `kontext-mock`'s format.

use serde_json::json;

use super::*;

fn answer(status: u16) -> Value {
    json!({
        "status": status,
        "headers": {"content-type": "application/json"},
        "origin": "live",
        "source": {"document": "https://api.example"},
        "date": "2026-11-22",
        "contract_sha256": "0".repeat(64),
    })
}

fn meta(answers: &Value) -> String {
    let meta = json!({
        "format": 2, "title": "A small one.", "method": "POST", "path": "/images",
        "answers": answers,
    });
    meta.to_string()
}

/// A folder with the named pair and four recordings: one that the breaking change breaks,
/// one that it doesn't, one that disagrees with both documents, and one with two answers.
fn folder(pair: &str) -> Folder {
    let folder = Folder::pair(pair);
    for (case, request) in [
        ("small", r#"{"prompt": "a", "size": "s"}"#),
        ("large", r#"{"prompt": "a", "size": "l"}"#),
        ("odd", r#"{"prompt": "a", "size": "s", "unknown": 1}"#),
        ("twice", r#"{"prompt": "b", "size": "l"}"#),
    ] {
        let at = format!("recordings/make-image/{case}");
        let answers = match case {
            "twice" => json!([answer(200), answer(200)]),
            _ => json!([answer(200)]),
        };
        folder.write(&format!("{at}/recording.json"), &meta(&answers));
        folder.write(&format!("{at}/request.json"), request);
        folder.write(&format!("{at}/response.json"), r#"{"url": "u"}"#);
    }
    folder.write(
        "recordings/make-image/twice/response-2.json",
        r#"{"url": "v"}"#,
    );
    // Files that kontext-mock skips are skipped here too.
    folder.write("recordings/.lock", "");
    folder.write("recordings/redaction.json", "{}");
    folder
}

fn outcome(folder: &Folder, code: i32) -> Value {
    let run = folder.drift(&["--recordings", "recordings", "--format", "json"]);
    assert_eq!((run.code, run.stderr.as_str()), (code, ""));
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    report["recordings"].clone()
}

#[test]
fn newly_invalid_recordings_are_broken() {
    let folder = folder("breaking");
    let outcome = outcome(&folder, 1);
    assert_eq!(outcome["checked"], 4);
    assert_eq!(outcome["disagreeing"], json!(["make-image/odd"]));
    assert_eq!(outcome["reason"], Value::Null);
    let broken = outcome["broken"].as_array().unwrap();
    assert_eq!(broken.len(), 1, "{outcome}");
    let place = ["recording", "file", "pointer"].map(|name| broken[0][name].as_str().unwrap());
    assert_eq!(place, ["make-image/small", "request.json", "/size"]);
    let text = folder.drift(&["--recordings", "recordings"]).stdout;
    let line = "\nrecordings: 1 of 4 broken (make-image/small); 1 disagreed before\n";
    assert!(text.contains(line), "{text}");
}

#[test]
fn addition_breaks_no_recording() {
    assert_eq!(outcome(&folder("non-breaking"), 0)["broken"], json!([]));
}

#[test]
fn every_answer_of_a_recording_is_validated() {
    let folder = folder("none");
    let answer = "recordings/make-image/twice/response-2.json";
    folder.write(answer, r#"{"url": 1}"#);
    let outcome = outcome(&folder, 0);
    assert_eq!(
        outcome["disagreeing"],
        json!(["make-image/odd", "make-image/twice"])
    );
}

#[test]
fn format_2_answers_have_own_status_and_redactions() {
    let folder = folder("none");
    let at = "recordings/make-image/several";
    let meta = |second: u16| {
        let mut second = answer(second);
        second["redacted"] =
            json!([{"file": "response-2.json", "pointer": "/url", "what": "a secret"}]);
        meta(&json!([answer(200), second]))
    };
    folder.write(
        &format!("{at}/request.json"),
        r#"{"prompt": "c", "size": "l"}"#,
    );
    folder.write(&format!("{at}/response.json"), r#"{"url": "u"}"#);
    folder.write(&format!("{at}/response-2.json"), r#"{"url": 1}"#);
    folder.write(&format!("{at}/recording.json"), &meta(200));
    assert_eq!(
        outcome(&folder, 0)["disagreeing"],
        json!(["make-image/odd"])
    );
    folder.write(&format!("{at}/recording.json"), &meta(418));
    assert_eq!(
        outcome(&folder, 0)["disagreeing"],
        json!(["make-image/odd", "make-image/several"])
    );
}

#[test]
fn unvalidatable_recordings_are_undecided() {
    let folder = folder("none");
    for file in ["old.json", "new.json"] {
        let text = fs::read_to_string(folder.path().join(file)).unwrap();
        // A pattern that no validator compiles.
        let text = text.replace("\"format\": \"plus-code\"", "\"pattern\": \"(\"");
        folder.write(file, &text);
    }
    let outcome = outcome(&folder, 2);
    assert_eq!(outcome["checked"], 0);
    let reason = outcome["reason"].as_str().unwrap();
    assert!(reason.contains("does not compile"), "{reason}");
    let run = folder.drift(&["--recordings", "recordings", "--undecided-ok"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("; undecided: "), "{}", run.stdout);
}

/// A folder that can't be read is an error, not an empty set of recordings.
#[test]
fn unreadable_recordings_are_an_error() {
    let folder = folder("breaking");
    let said = |start: &str| {
        let run = folder.drift(&["--recordings", "recordings"]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{start}");
        assert!(run.stderr.starts_with(start), "{}", run.stderr);
        assert!(run.stderr.contains("\n  help: "), "{}", run.stderr);
    };
    let file = "recordings/make-image/small/recording.json";
    folder.write(file, "{");
    said(&format!("{file}: EOF while parsing"));
    folder.write(
        file,
        &meta(&json!([answer(200)])).replace("\"method\"", "\"Method\""),
    );
    said(&format!("{file}: unknown field `Method`"));
    folder.write(file, &meta(&json!([])));
    said(&format!("{file}: expected at least one answer"));
    folder.write(file, &meta(&json!([answer(200)])));
    folder.write("recordings/make-image/small/response-2.json", "{}");
    said(&format!(
        "{file}: recordings/make-image/small/response-2.json is the body of answer 2 of 1"
    ));
    fs::remove_file(folder.path().join(file)).unwrap();
    said(&format!("{file}: cannot be read: "));
    fs::remove_dir_all(folder.path().join("recordings/make-image")).unwrap();
    said("recordings: no recordings");
    fs::remove_dir_all(folder.path().join("recordings")).unwrap();
    said("recordings: cannot be read: ");
}
