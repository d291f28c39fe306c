use proptest::prelude::*;

use super::*;
use crate::{
    format::samples,
    report::{Finding, Verdict},
};

const FILE: &str = r#"{
  "format": 1,
  "ignore": [
    {"fingerprint": "1111111111111111", "reason": "we send no png", "expires": "2026-06-30"},
    {"fingerprint": "gone", "reason": "an old one", "expires": "2027-01-01"}
  ]
}
"#;

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

#[test]
fn what_is_no_ignore_file_is_said_with_its_place() {
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
        with(", \"expires\": \"2026-01-01\"", ""),
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
fn an_acknowledged_finding_counts_no_more() {
    let report = samples::report();
    let before = report.findings.len();
    let file = IgnoreFile::parse("ignore.json", FILE).unwrap();
    let (report, unused) = file.apply(report, date("2026-06-30")).unwrap();
    assert_eq!(report.findings.len(), before - 1);
    assert_eq!(report.verdict, Verdict::Undecided);
    let ignored = report.ignored.last().unwrap();
    assert_eq!(
        (
            ignored.rule.id,
            ignored.reason.as_str(),
            ignored.expires.as_str()
        ),
        ("request-enum-narrowed", "we send no png", "2026-06-30")
    );
    let unused: Vec<String> = unused.iter().map(ToString::to_string).collect();
    assert_eq!(
        unused,
        [
            "ignore.json:5:5: no finding has the fingerprint \"gone\" (ignored because: an old one)\n  \
          help: delete the entry"
        ]
    );
}

#[test]
fn an_entry_that_is_over_stops_everything() {
    let file = IgnoreFile::parse("ignore.json", FILE).unwrap();
    // The day after, and where no finding needs the entry.
    for report in [samples::report(), samples::of(Vec::new())] {
        let error = file.apply(report, date("2026-07-01")).unwrap_err();
        assert_eq!(error.entries.len(), 1);
        insta::allow_duplicates! {
            insta::assert_snapshot!("ignore_expired", error);
        }
    }
    let error = file
        .apply(samples::report(), date("2027-01-02"))
        .unwrap_err();
    assert_eq!(error.entries.len(), 2);
}

#[test]
fn an_empty_file_ignores_nothing() {
    let file = IgnoreFile::parse("ignore.json", r#"{"format": 1.0, "ignore": []}"#).unwrap();
    let report = samples::report();
    assert_eq!(
        file.apply(report.clone(), date("9999-12-31")),
        Ok((report, Vec::new()))
    );
}

#[test]
fn what_is_ignored_is_all_that_has_the_fingerprint() {
    let twice = || Finding {
        fingerprint: "gone".to_owned(),
        ..samples::finding("path-removed")
    };
    let file = IgnoreFile::parse("ignore.json", FILE).unwrap();
    let report = samples::of(vec![twice(), twice()]);
    let (report, unused) = file.apply(report, date("2026-01-01")).unwrap();
    assert_eq!(
        (report.verdict, report.ignored.len(), unused.len()),
        (Verdict::None, 2, 1)
    );
}

proptest! {
    #[test]
    fn any_text_is_a_file_or_an_error(text in any::<String>()) {
        let _ = IgnoreFile::parse("a", &text);
    }

    #[test]
    fn nothing_is_lost(ignored in prop::collection::btree_set(0_usize..60, 0..60)) {
        let findings = samples::every_rule();
        let entries: Vec<String> = ignored
            .iter()
            .map(|number| format!("{{\"fingerprint\": \"{number:016x}\", \"reason\": \"r\", \"expires\": \"2026-01-01\"}}"))
            .collect();
        let text = format!("{{\"format\": 1, \"ignore\": [{}]}}", entries.join(","));
        let file = IgnoreFile::parse("a", &text).unwrap();
        let all = findings.len();
        let (report, unused) = file.apply(samples::of(findings), date("2026-01-01")).unwrap();
        prop_assert_eq!(report.ignored.len(), ignored.len());
        prop_assert_eq!(report.findings.len() + report.ignored.len(), all);
        prop_assert!(unused.is_empty());
        let mut again = report.clone();
        again.judge();
        prop_assert_eq!(again, report);
    }
}
