use proptest::prelude::*;

use super::*;
use crate::{
    findings::{Finding, Verdict},
    format::samples,
};

const FILE: &str = r#"{
  "format": 1,
  "ignore": [
    {"fingerprint": "1111111111111111", "reason": "we send no png", "expires": "2026-06-30"},
    {"fingerprint": "gone", "reason": "an old one", "expires": "2027-01-01"}
  ]
}
"#;

/// Noon UTC on a date.
fn noon(day: &str) -> SystemTime {
    let time = day.parse::<Date>().unwrap().at(12, 0, 0, 0);
    time.to_zoned(TimeZone::UTC).unwrap().timestamp().into()
}

#[test]
fn errors_name_place_and_next_step() {
    let entry = r#"{"fingerprint": "a", "reason": "b", "expires": "2026-01-01"}"#;
    let of = |entries: &str| format!("{{\"format\": 1,\n \"ignore\": [\n  {entries}\n]}}");
    let with = |from: &str, to: &str| of(&entry.replace(from, to));
    let mut text = String::new();
    for file in [
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        "{\"format\": 2, \"ignore\": []}".to_owned(),
        "{\"format\": \"1\", \"ignore\": []}".to_owned(),
        "{\"format\": 1}".to_owned(),
        "{\"format\": 1, \"ignore\": {}}".to_owned(),
        "{\"format\": 1, \"ignore\": [], \"ignored\\u001b\": []}".to_owned(),
        of("1"),
        of("{}"),
        with("\"reason\"", "\"reasons\""),
        with("\"fingerprint\": \"a\"", "\"rule\": \"path-removed\""),
        with("\"fingerprint\": \"a\"", "\"path\": \"/a\""),
        with(
            "\"fingerprint\"",
            "\"rule\": \"path-removed\", \"fingerprint\"",
        ),
        with(
            "\"fingerprint\": \"a\"",
            "\"rule\": \"path-lost\", \"path\": \"/a\"",
        ),
        with("2026-01-01", "20260101"),
        with("}", ", \"owner\": \"me\"}"),
        with("\"a\"", "1"),
        with("\"a\"", "\"\""),
        with("\"b\"", "\" \\n\""),
        with("\"b\"", "null"),
        with("2026-01-01", "2026-02-30"),
        with("2026-01-01", "1.1.2026"),
        with("\"2026-01-01\"", "20260101"),
        of(&format!("{entry},\n  {entry}")),
        with("\"reason\"", "\"fingerprint\""),
    ] {
        let error = IgnoreFile::parse("ignore.json", &file).unwrap_err();
        text.push_str(&format!("{file}\n=> {error}\n\n"));
    }
    insta::assert_snapshot!("ignore_errors", text);
}

#[test]
fn acknowledged_finding_no_longer_counts() {
    let report = samples::report();
    let before = report.findings.len();
    let file = IgnoreFile::parse("ignore.json", FILE).unwrap();
    let (report, unused) = file.apply(report, noon("2026-06-30")).unwrap();
    assert_eq!(report.findings.len(), before - 1);
    assert_eq!(report.verdict, Verdict::Undecided);
    let ignored = report.ignored.last().unwrap();
    assert_eq!(
        (
            ignored.rule.id,
            ignored.reason.as_str(),
            ignored.expires.as_deref()
        ),
        (
            "request-enum-narrowed",
            "we send no png",
            Some("2026-06-30")
        )
    );
    let unused: Vec<String> = unused.iter().map(ToString::to_string).collect();
    assert_eq!(
        unused,
        [
            "ignore.json:5:5: no finding has the fingerprint \"gone\" (reason: an old one)\n  \
             help: delete the entry"
        ]
    );
}

#[test]
fn expired_entry_is_an_error() {
    let file = IgnoreFile::parse("ignore.json", FILE).unwrap();
    // On the day after, even if no finding needs the entry.
    for report in [samples::report(), samples::of(Vec::new())] {
        let error = file.apply(report, noon("2026-07-01")).unwrap_err();
        insta::allow_duplicates! {
            insta::assert_snapshot!("ignore_expired", error);
        }
    }
    let error = file
        .apply(samples::report(), noon("2027-01-02"))
        .unwrap_err();
    assert_eq!(error.to_string().matches("expired on").count(), 2);
}

#[test]
fn empty_file_ignores_nothing() {
    let file = IgnoreFile::parse("ignore.json", r#"{"format": 1.0, "ignore": []}"#).unwrap();
    let report = samples::report();
    assert_eq!(
        file.apply(report.clone(), noon("9999-12-01")),
        Ok((report, Vec::new()))
    );
}

#[test]
fn entry_without_expiry_never_expires() {
    let entry = r#"{"fingerprint": "1111111111111111", "reason": "r"}"#;
    let text = format!("{{\"format\": 1, \"ignore\": [{entry}]}}");
    let file = IgnoreFile::parse("a", &text).unwrap();
    let (report, unused) = file.apply(samples::report(), noon("9999-12-01")).unwrap();
    assert!(unused.is_empty());
    assert_eq!(report.ignored.last().unwrap().expires, None);
}

#[test]
fn rule_and_path_match_operations_and_pointers() {
    for (path, is_covered) in [
        ("POST /a", true),
        ("/a", true),
        ("GET /a", false),
        ("/ab", false),
        ("/paths/~1a/post", true),
        ("/paths/~1a", true),
        ("/paths/~1", false),
        ("/paths/~1a/post/requestBody", false),
    ] {
        for (rule, is_rule) in [("path-removed", true), ("path-added", false)] {
            let entry = json!({"rule": rule, "path": path, "reason": "r"});
            let text = json!({"format": 1, "ignore": [entry]}).to_string();
            let file = IgnoreFile::parse("a", &text).unwrap();
            let report = samples::of(vec![samples::finding("path-removed")]);
            let (report, unused) = file.apply(report, noon("2026-01-01")).unwrap();
            let expected = usize::from(is_covered && is_rule);
            assert_eq!(report.ignored.len(), expected, "{rule} {path}");
            assert_eq!(unused.len(), 1 - expected, "{rule} {path}");
        }
    }
}

#[test]
fn generated_file_ignores_findings_for_ninety_days() {
    let report = samples::hostile();
    let text = IgnoreFile::start(&report.findings, noon("2026-01-01"));
    assert!(!text.contains('\u{1b}'), "{text}");
    let file = IgnoreFile::parse("a", &text).unwrap();
    let (ignored, unused) = file.apply(report.clone(), noon("2026-04-01")).unwrap();
    assert_eq!((ignored.findings.len(), unused.len()), (0, 0));
    assert!(file.apply(report, noon("2026-04-02")).is_err());
    let none = IgnoreFile::start(&[], noon("2026-01-01"));
    assert!(IgnoreFile::parse("a", &none).is_ok());
}

#[test]
fn entry_covers_all_findings_with_its_fingerprint() {
    let twice = || Finding {
        fingerprint: "gone".to_owned(),
        ..samples::finding("path-removed")
    };
    let file = IgnoreFile::parse("ignore.json", FILE).unwrap();
    let report = samples::of(vec![twice(), twice()]);
    let (report, unused) = file.apply(report, noon("2026-01-01")).unwrap();
    assert_eq!(
        (report.verdict, report.ignored.len(), unused.len()),
        (Verdict::None, 2, 1)
    );
}

proptest! {
    #[test]
    fn parse_never_panics(text in any::<String>()) {
        let _ = IgnoreFile::parse("a", &text);
    }

    #[test]
    fn every_finding_is_kept_or_ignored(ignored in prop::collection::btree_set(0_usize..60, 0..60)) {
        let findings = samples::every_rule();
        let entries: Vec<String> = ignored
            .iter()
            .map(|number| format!("{{\"fingerprint\": \"{number:016x}\", \"reason\": \"r\", \"expires\": \"2026-01-01\"}}"))
            .collect();
        let text = format!("{{\"format\": 1, \"ignore\": [{}]}}", entries.join(","));
        let file = IgnoreFile::parse("a", &text).unwrap();
        let all = findings.len();
        let (report, unused) = file.apply(samples::of(findings), noon("2026-01-01")).unwrap();
        prop_assert_eq!(report.ignored.len(), ignored.len());
        prop_assert_eq!(report.findings.len() + report.ignored.len(), all);
        prop_assert!(unused.is_empty());
        let mut again = report.clone();
        again.judge();
        prop_assert_eq!(again, report);
    }
}
